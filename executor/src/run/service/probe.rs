//! Looking at the sockets of a service, in several ways: no single one works with every image and
//! every engine.

use std::collections::{BTreeSet, VecDeque};

use docker_api_trait::{ApiError, ContainerDetails, ContainerId, DockerApi, ExecRequest};
use futures_util::StreamExt as _;

use super::{
    listen::{MAX_TABLE, Sockets},
    local::LocalProc,
};
use crate::plan::NetworkPlan;

/// Prints the tables with what every image has that has a shell at all.
const READ_TABLES: &str = "for t in tcp tcp6 udp udp6; do [ -r /proc/net/$t ] || continue; \
                           while read -r line; do echo \"$line\"; done </proc/net/$t; done";

/// Connects to the ports `$2`… of the address `$1`, with `nc` or with bash, and prints those that are
/// open. The last line proves that every port was tried. Not every `nc` can only connect, and not every
/// bash has `/dev/tcp`.
const CONNECT: &str = r#"
address=$1; shift; tool=
if command -v nc >/dev/null 2>&1; then
    case $(nc -h 2>&1 </dev/null) in *-z*) tool=nc ;; esac
fi
if [ -z "$tool" ] && command -v bash >/dev/null 2>&1; then tool=bash; fi
[ -n "$tool" ] || exit 9
for port; do
    if [ "$tool" = nc ]; then
        nc -z -w 2 "$address" "$port" </dev/null >/dev/null 2>&1 && echo "open $port"
    else
        said=$(BASH_ENV= LC_ALL=C bash --norc -c 'exec 3<>"/dev/tcp/$0/$1" && echo "open $1"' \
            "$address" "$port" </dev/null 2>&1)
        case $said in
        "open $port") echo "$said" ;;
        *refused* | *unreachable* | *"No route"* | *"timed out"*) ;;
        *) exit 9 ;;
        esac
    fi
done
echo all tried"#;

/// What a look at a service's sockets has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// These are open, and no others.
    Sees(Sockets),
    /// The service is not running now: its state says more.
    NotRunning,
    /// No way of looking works; the last reason.
    Blind(String),
}

/// A way to look at a service's sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Method {
    /// This host's `/proc`.
    Local,
    /// `cat` in the container with this id, the service or one with the same network interfaces.
    Cat(ContainerId),
    /// The shell of such a container.
    Shell(ContainerId),
    /// A connection from the job's container with this id.
    Connect(ContainerId),
}

/// Looks at one service's sockets. A way that has failed once is not tried again.
#[derive(Debug)]
pub(super) struct Prober<'a> {
    docker: &'a dyn DockerApi,
    network: &'a NetworkPlan,
    local: LocalProc,
    methods: VecDeque<Method>,
    why: String,
}

impl<'a> Prober<'a> {
    /// Ways to look at `service`. `job` are the job's own containers that run a shell.
    pub(super) fn new(
        docker: &'a dyn DockerApi,
        network: &'a NetworkPlan,
        service: &ContainerId,
        job: &[ContainerId],
    ) -> Self {
        let mut methods = VecDeque::from([
            Method::Local,
            Method::Cat(service.clone()),
            Method::Shell(service.clone()),
        ]);
        for container in job {
            if *network == NetworkPlan::Host {
                methods.extend([Method::Cat(container.clone()), Method::Shell(container.clone())]);
            } else {
                methods.push_back(Method::Connect(container.clone()));
            }
        }
        let why = "there is no way to look at it".to_owned();
        Self { docker, network, local: LocalProc::default(), methods, why }
    }

    /// The service's sockets. `tcp` are the ports of interest, for ways that can only try one by one;
    /// none when a look at UDP ports is needed.
    pub(super) async fn look(&mut self, service: &ContainerDetails, tcp: &BTreeSet<u16>) -> Look {
        while let Some(method) = self.methods.front() {
            let look = match method {
                Method::Local => self.look_locally(service),
                Method::Cat(container) => {
                    let command = ["cat", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp"];
                    let command = command.into_iter().chain(["/proc/net/udp6"]);
                    self.read_tables(container, ExecRequest::new(command)).await
                }
                Method::Shell(container) => {
                    self.read_tables(container, ExecRequest::new(["sh", "-c", READ_TABLES])).await
                }
                Method::Connect(container) => self.connect(container, service, tcp).await,
            };
            match look {
                Look::Blind(why) => self.why = why,
                Look::Sees(sockets) if *self.network == NetworkPlan::Host => {
                    return Look::Sees(sockets.with_loopback());
                }
                look => return look,
            }
            self.methods.pop_front();
        }
        Look::Blind(self.why.clone())
    }

    fn look_locally(&self, service: &ContainerDetails) -> Look {
        let found = service.pid.and_then(|pid| self.local.sockets(&service.id, pid));
        found.map_or_else(|| Look::Blind("it does not run on this host".to_owned()), Look::Sees)
    }

    async fn read_tables(&self, container: &ContainerId, mut request: ExecRequest) -> Look {
        request.user = Some("0".to_owned());
        match run(self.docker, container, &request).await {
            Ok(Ended { output, .. }) => Sockets::parse(&output).map_or_else(
                || Look::Blind("its image has no program to look with".to_owned()),
                Look::Sees,
            ),
            Err(ApiError::Conflict { .. }) => Look::NotRunning,
            Err(error) => Look::Blind(crate::describe(&error)),
        }
    }

    async fn connect(
        &self,
        container: &ContainerId,
        service: &ContainerDetails,
        tcp: &BTreeSet<u16>,
    ) -> Look {
        let places = service.networks.iter();
        let mut addresses = places.filter_map(|place| place.ipv4.as_ref().or(place.ipv6.as_ref()));
        let (Some(address), false) = (addresses.next(), tcp.is_empty()) else {
            return Look::Blind("no port can be tried from the job's container".to_owned());
        };
        let words = ["sh", "-c", CONNECT, "connect", address].into_iter().map(ToOwned::to_owned);
        let request = ExecRequest::new(words.chain(tcp.iter().map(ToString::to_string)));
        match run(self.docker, container, &request).await {
            Ok(ended) => open_ports(&ended).map_or_else(
                || Look::Blind("the job's image has neither `nc -z` nor bash".to_owned()),
                |tcp| Look::Sees(Sockets { tcp, ..Sockets::default() }),
            ),
            Err(error) => Look::Blind(crate::describe(&error)),
        }
    }
}

/// A program that has ended, with both of its outputs.
struct Ended {
    exit_code: Option<i64>,
    output: String,
}

async fn run(
    docker: &dyn DockerApi,
    container: &ContainerId,
    request: &ExecRequest,
) -> Result<Ended, ApiError> {
    let exec = docker.create_exec(container, request).await?;
    let mut pieces = docker.start_exec(&exec).await?;
    let mut output = Vec::new();
    while let Some(piece) = pieces.next().await {
        output.extend_from_slice(&piece?.bytes);
        if output.len() > MAX_TABLE {
            break;
        }
    }
    let output = String::from_utf8_lossy(&output).into_owned();
    Ok(Ended { exit_code: docker.inspect_exec(&exec).await?.exit_code, output })
}

/// The ports that [`CONNECT`] found open; `None` when it could not try them all.
fn open_ports(ended: &Ended) -> Option<BTreeSet<u16>> {
    let mut lines = ended.output.lines().rev();
    if ended.exit_code != Some(0) || lines.next() != Some("all tried") {
        return None;
    }
    lines.map(|line| line.strip_prefix("open ")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::TcpListener,
        process::{Command, Stdio},
    };

    use super::*;

    fn ended(exit_code: i64, output: &str) -> Ended {
        Ended { exit_code: Some(exit_code), output: output.to_owned() }
    }

    #[test]
    fn only_a_complete_try_says_which_ports_are_open() {
        let open = |ended| open_ports(&ended);
        assert_eq!(open(ended(0, "all tried\n")), Some(BTreeSet::new()));
        assert_eq!(open(ended(0, "open 80\nall tried\n")), Some(BTreeSet::from([80])));
        for incomplete in [
            ended(9, ""),
            ended(0, ""),
            ended(0, "open 80\n"),
            ended(1, "all tried\n"),
            ended(0, "sh: syntax error\nall tried\n"),
            Ended { exit_code: None, output: "all tried\n".to_owned() },
        ] {
            assert_eq!(open_ports(&incomplete), None, "{:?}", incomplete.output);
        }
    }

    /// Runs the script with a shell of this host, where `PATH` has only these programs.
    fn connect(tools: &[&str], ports: &[u16]) -> Ended {
        let directory = tempfile::tempdir().unwrap();
        for tool in tools {
            let found = format!("/bin/{tool}");
            std::os::unix::fs::symlink(found, directory.path().join(tool)).unwrap();
        }
        let mut command = Command::new("/bin/sh");
        command.env("PATH", directory.path()).args(["-c", CONNECT, "connect", "127.0.0.1"]);
        command.args(ports.iter().map(ToString::to_string)).stdin(Stdio::null());
        let output = command.output().unwrap();
        std::io::stderr().write_all(&output.stderr).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Ended { exit_code: output.status.code().map(Into::into), output: text }
    }

    #[test]
    fn bash_tells_an_open_port_from_a_closed_one() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = open.local_addr().unwrap().port();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let found = open_ports(&connect(&["bash"], &[closed, port]));
        assert_eq!(found, Some(BTreeSet::from([port])));
        assert_eq!(open_ports(&connect(&["bash"], &[closed])), Some(BTreeSet::new()));
    }

    #[test]
    fn without_a_program_that_connects_nothing_is_said() {
        assert_eq!(open_ports(&connect(&[], &[1])), None);
    }
}
