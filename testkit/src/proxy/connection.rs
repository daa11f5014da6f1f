//! One client's connection: its requests one after the other, each with its faults.

use std::{io, time::Duration};

use tokio::{net::UnixStream, time::sleep};

use super::{
    Backend, Passage, Reply, WireFault, WireRequest,
    framing::Framing,
    head::{self, After},
    state::{Faults, Shared},
    wire::{self, Copied, Limit, Sink, Source},
};
use crate::Side;

/// The proxy's connection to the engine, and which backend that is.
struct Upstream {
    source: Source,
    sink: Sink,
    backend: u64,
}

/// What becomes of the client's connection after a request.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Request,
    Close,
}

/// Serves a client until it or the engine ends the connection.
pub(super) async fn serve(client: UnixStream, shared: Shared) {
    let (source, sink) = wire::split(client);
    let mut connection = Connection { source, sink, upstream: None, shared };
    // An error is a side that is gone: the connection ends, as it would without us.
    while let Ok(Next::Request) = connection.exchange().await {}
}

struct Connection {
    source: Source,
    sink: Sink,
    upstream: Option<Upstream>,
    shared: Shared,
}

impl Connection {
    async fn exchange(&mut self) -> io::Result<Next> {
        let head = match &mut self.upstream {
            // An engine that ends an idle connection, ends it for the client as well.
            Some(upstream) => tokio::select! {
                head = self.source.head() => head?,
                () = upstream.source.end() => None,
            },
            None => self.source.head().await?,
        };
        let Some(head) = head else { return Ok(Next::Close) };
        let Ok((mut request, framing)) = head::request(head) else { return Ok(Next::Close) };
        let faults = self.shared.arrive(&mut request);
        if self.hook(&request, Side::Before).await == Passage::Drop {
            return Ok(Next::Close);
        }
        self.sink.trickle(None);
        match self.shared.backend() {
            (Backend::Script(answer), _) => self.answer(&request, framing, faults, &*answer).await,
            (Backend::Socket(path), backend) => {
                if self.upstream.as_ref().is_none_or(|upstream| upstream.backend != backend) {
                    let connected = UnixStream::connect(path).await;
                    self.upstream = connected.ok().map(|stream| {
                        let (source, sink) = wire::split(stream);
                        Upstream { source, sink, backend }
                    });
                }
                self.forward(&request, framing, faults).await
            }
        }
    }

    async fn hook(&mut self, request: &WireRequest, side: Side) -> Passage {
        match self.shared.hook() {
            Some(hook) => hook(request.clone(), side).await,
            None => Passage::Go,
        }
    }

    /// Takes the whole body, and passes it to nobody.
    async fn swallow(&mut self, number: usize, framing: Framing) -> io::Result<Copied> {
        let shared = self.shared.clone();
        self.source.copy(framing, None, None, |bytes| shared.record_body(number, bytes)).await
    }

    /// Until the client ends the connection.
    async fn stall(&mut self) -> Next {
        self.source.end().await;
        Next::Close
    }

    async fn send_reply(&mut self, reply: &Reply) -> io::Result<Next> {
        self.sink.send(&reply.bytes).await?;
        if let Some((byte, mut left)) = reply.filling {
            let piece = vec![byte; 64 << 10];
            while left > 0 {
                let now = left.min(piece.len());
                self.sink.send(&piece[..now]).await?;
                left -= now;
            }
        }
        Ok(Next::Close)
    }

    /// A fault before the engine has the request; None when the request goes on.
    async fn meet_before(
        &mut self,
        request: &WireRequest,
        framing: &Framing,
        fault: Option<&WireFault>,
    ) -> io::Result<Option<Next>> {
        let Some(fault) = fault else { return Ok(None) };
        self.shared.meet();
        Ok(match fault {
            WireFault::Delay(time) => {
                // A client that ends the connection meanwhile has asked for nothing.
                tokio::select! {
                    () = sleep(*time) => None,
                    next = self.stall() => Some(next),
                }
            }
            WireFault::Drop => Some(Next::Close),
            WireFault::Stall => Some(self.stall().await),
            WireFault::Reply(reply) => {
                self.swallow(request.number, framing.clone()).await?;
                Some(self.send_reply(reply).await?)
            }
            WireFault::CutBody(_) | WireFault::StallBody(_) | WireFault::Trickle(_) => None,
        })
    }

    /// Answers without an engine.
    async fn answer(
        &mut self,
        request: &WireRequest,
        framing: Framing,
        faults: Faults,
        answer: &(dyn Fn(&WireRequest) -> Reply + Send + Sync),
    ) -> io::Result<Next> {
        if let Some(next) = self.meet_before(request, &framing, faults.before.as_ref()).await? {
            return Ok(next);
        }
        if self.swallow(request.number, framing).await? != Copied::Whole {
            return Ok(Next::Close);
        }
        let mut reply = answer(request);
        self.shared.record_answer(request.number);
        if self.hook(request, Side::After).await == Passage::Drop {
            return Ok(Next::Close);
        }
        if let Some(fault) = faults.after {
            self.shared.meet();
            match fault {
                WireFault::Delay(time) => sleep(time).await,
                WireFault::Drop => return Ok(Next::Close),
                WireFault::Stall => return Ok(self.stall().await),
                WireFault::Reply(other) => reply = other,
                WireFault::Trickle(pause) => self.sink.trickle(Some(pause)),
                WireFault::CutBody(bytes) | WireFault::StallBody(bytes) => {
                    reply.filling = None;
                    let head = reply.bytes.windows(4).position(|four| four == b"\r\n\r\n");
                    let end = head.map_or(0, |head| head + 4) + bytes;
                    reply.bytes.truncate(end);
                    self.send_reply(&reply).await?;
                    if matches!(fault, WireFault::StallBody(_)) {
                        return Ok(self.stall().await);
                    }
                    return Ok(Next::Close);
                }
            }
        }
        self.send_reply(&reply).await
    }

    /// Passes a request to the engine, and its reply back.
    async fn forward(
        &mut self,
        request: &WireRequest,
        framing: Framing,
        faults: Faults,
    ) -> io::Result<Next> {
        if let Some(next) = self.meet_before(request, &framing, faults.before.as_ref()).await? {
            return Ok(next);
        }
        let Some(mut upstream) = self.upstream.take() else { return Ok(Next::Close) };
        let (trickle, limit) = slow_or_limited(faults.before.as_ref());
        upstream.sink.trickle(trickle);
        let number = request.number;
        let shared = self.shared.clone();
        let Self { source, sink, .. } = self;
        let early = {
            let sending = async {
                upstream.sink.send(&request.head).await?;
                let see = |bytes: &[u8]| shared.record_body(number, bytes);
                source.copy(framing, Some(&mut upstream.sink), limit, see).await
            };
            // The engine may answer before it has the whole body, and then read no more of it.
            tokio::select! {
                biased;
                head = first_head(&mut upstream.source, sink, &request.method) => Some(head?),
                copied = sending => match copied {
                    Ok(Copied::Whole) => None,
                    Ok(Copied::End | Copied::Cut) | Err(_) => return Ok(Next::Close),
                },
            }
        };
        if let Some(head) = early {
            let Some(head) = head else { return Ok(Next::Close) };
            let next = self.reply(request, head, &mut upstream, faults.after).await?;
            // What is left of the body is in the way of a next request.
            drop(upstream);
            return Ok(match next {
                Next::Request => self.after_early_reply().await,
                Next::Close => Next::Close,
            });
        }
        // A client that ends the connection ends the request: the engine is to notice.
        let head = tokio::select! {
            biased;
            head = first_head(&mut upstream.source, sink, &request.method) => head?,
            () = source.end() => None,
        };
        let Some(head) = head else { return Ok(Next::Close) };
        let next = self.reply(request, head, &mut upstream, faults.after).await?;
        self.upstream = Some(upstream);
        Ok(next)
    }

    /// Gives the client time to read the reply before it finds that nobody takes the rest of its body.
    async fn after_early_reply(&mut self) -> Next {
        self.sink.end().await;
        // An error is the client's end as well.
        let _ = self.source.copy(Framing::UntilEnd, None, None, |_| ()).await;
        Next::Close
    }

    /// Passes a reply back, whose head has come.
    async fn reply(
        &mut self,
        request: &WireRequest,
        (head, after): (bytes::Bytes, After),
        upstream: &mut Upstream,
        fault: Option<WireFault>,
    ) -> io::Result<Next> {
        self.shared.record_answer(request.number);
        if self.hook(request, Side::After).await == Passage::Drop {
            return Ok(Next::Close);
        }
        let (trickle, limit) = slow_or_limited(fault.as_ref());
        if let Some(fault) = fault {
            self.shared.meet();
            match fault {
                WireFault::Delay(time) => sleep(time).await,
                WireFault::Drop => return Ok(Next::Close),
                WireFault::Stall => return Ok(self.stall().await),
                WireFault::Reply(reply) => return self.send_reply(&reply).await,
                WireFault::CutBody(_) | WireFault::StallBody(_) | WireFault::Trickle(_) => {}
            }
        }
        self.sink.trickle(trickle);
        self.sink.send(&head).await?;
        let Self { source, sink, .. } = self;
        match after {
            // Those have gone on already.
            After::Head => Ok(Next::Close),
            After::Body(framing) => {
                let copied = tokio::select! {
                    biased;
                    copied = upstream.source.copy(framing, Some(sink), limit, |_| ()) => copied?,
                    () = source.end() => Copied::End,
                };
                Ok(if copied == Copied::Whole { Next::Request } else { Next::Close })
            }
            After::Tunnel => {
                tunnel(source, sink, upstream, limit).await;
                Ok(Next::Close)
            }
        }
    }
}

fn slow_or_limited(fault: Option<&WireFault>) -> (Option<Duration>, Option<Limit>) {
    match fault {
        Some(WireFault::Trickle(pause)) => (Some(*pause), None),
        Some(WireFault::CutBody(bytes)) => (None, Some(Limit { bytes: *bytes, stalls: false })),
        Some(WireFault::StallBody(bytes)) => (None, Some(Limit { bytes: *bytes, stalls: true })),
        _ => (None, None),
    }
}

/// The first head that is not only informational; those that are go to the client.
async fn first_head(
    source: &mut Source,
    sink: &mut Sink,
    method: &str,
) -> io::Result<Option<(bytes::Bytes, After)>> {
    while let Some(head) = source.head().await? {
        match head::reply(&head, method) {
            Ok(After::Head) => sink.send(&head).await?,
            Ok(after) => return Ok(Some((head, after))),
            // What is no head goes on as it is, to the end.
            Err(head::BadHead) => return Ok(Some((head, After::Tunnel))),
        }
    }
    // An engine that ended in the middle of a head has said this much.
    sink.send(&source.rest()).await?;
    Ok(None)
}

/// Bytes in both directions, each to its own end. `limit` is of what comes out.
async fn tunnel(
    source: &mut Source,
    sink: &mut Sink,
    upstream: &mut Upstream,
    limit: Option<Limit>,
) {
    let Upstream { source: out, sink: into, .. } = upstream;
    let mut input = std::pin::pin!(async {
        let copied = source.copy(Framing::UntilEnd, Some(&mut *into), None, |_| ()).await;
        into.end().await;
        copied
    });
    let mut output = Box::pin(async {
        let copied = out.copy(Framing::UntilEnd, Some(&mut *sink), limit, |_| ()).await;
        if !matches!(copied, Ok(Copied::Cut)) {
            sink.end().await;
        }
        copied
    });
    let ended = tokio::select! {
        copied = &mut output => Ended::Output(copied),
        copied = &mut input => Ended::Input(copied),
    };
    match ended {
        // What the client still says may be heard, unless the engine is gone altogether.
        Ended::Output(Ok(Copied::End)) => {
            drop(output);
            if !out.is_gone().await {
                drop(input.await);
            }
        }
        Ended::Input(Ok(_)) => drop(output.await),
        Ended::Output(_) | Ended::Input(_) => {}
    }
}

/// Which direction of a tunnel ended first.
enum Ended {
    Output(io::Result<Copied>),
    Input(io::Result<Copied>),
}
