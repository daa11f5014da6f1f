//! One pull for all who want the same image at the same time.

use std::{
    collections::HashMap,
    fmt::{self, Debug},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use docker_api_trait::ImageReference;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::sync::broadcast;

use super::{Credential, PullPolicy};

/// How many messages a waiter may be behind before it misses some.
const BACKLOG: usize = 64;

/// What has to be the same for two jobs to share a pull. The credential counts, secrets included: a
/// job gets an image because its own credential opens it, not another job's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PullKey {
    /// The image, as it is asked for.
    pub(crate) image: ImageReference,
    /// The platform, if one is asked for: `linux/arm64`.
    pub(crate) platform: Option<String>,
    /// What it is pulled with; `None` is nothing.
    pub(crate) credential: Option<Credential>,
    /// When it is pulled.
    pub(crate) policy: PullPolicy,
}

/// Work that is under way, each once for all who want it: `K` says what, `P` is its progress, `R`
/// its result.
///
/// The work is driven by whoever waits for it. When one goes away another goes on; when the last
/// one goes away the work is dropped. What is over is not kept: who comes then begins anew. If the
/// work panics, so does whoever waits for it. Clones share the work.
pub(crate) struct Flights<K, P, R> {
    flights: Arc<Mutex<HashMap<K, Entry<P, R>>>>,
}

struct Entry<P, R> {
    work: WeakShared<BoxFuture<'static, R>>,
    progress: broadcast::Sender<P>,
}

impl<K, P, R> Flights<K, P, R>
where
    K: Eq + Hash,
    P: Clone,
    R: Clone,
{
    /// Nothing is under way.
    pub(crate) fn new() -> Self {
        Self { flights: Arc::default() }
    }

    /// Joins the work for this key, or begins it with `begin`, which is given where to tell of
    /// progress. Nothing runs before [`Flight::wait`] is polled.
    pub(crate) fn join<F>(&self, key: K, begin: impl FnOnce(Progress<P>) -> F) -> Flight<P, R>
    where
        F: Future<Output = R> + Send + 'static,
    {
        let mut flights = self.lock();
        // What is over or abandoned goes now, so that the map is no larger than what is under way.
        flights.retain(|_, entry| under_way(entry).is_some());
        if let Some(entry) = flights.get(&key)
            && let Some(work) = under_way(entry)
        {
            return Flight { work, progress: entry.progress.subscribe() };
        }
        let (sender, receiver) = broadcast::channel(BACKLOG);
        let work = begin(Progress { sender: sender.clone() }).boxed().shared();
        if let Some(weak) = work.downgrade() {
            flights.insert(key, Entry { work: weak, progress: sender });
        }
        Flight { work, progress: receiver }
    }

    /// How much is under way.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().values().filter(|entry| under_way(entry).is_some()).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry<P, R>>> {
        // No change of the map can be half done when something panics.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work, if somebody waits for it and it is not over.
fn under_way<P, R: Clone>(entry: &Entry<P, R>) -> Option<Shared<BoxFuture<'static, R>>> {
    entry.work.upgrade().filter(|work| work.peek().is_none())
}

impl<K, P, R> Default for Flights<K, P, R>
where
    K: Eq + Hash,
    P: Clone,
    R: Clone,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, P, R> Clone for Flights<K, P, R> {
    fn clone(&self) -> Self {
        Self { flights: Arc::clone(&self.flights) }
    }
}

impl<K, P, R> Debug for Flights<K, P, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Flights").finish_non_exhaustive()
    }
}

/// Where shared work tells of its progress.
pub(crate) struct Progress<P> {
    sender: broadcast::Sender<P>,
}

impl<P: Clone> Progress<P> {
    /// Tells all who wait. Never blocks: who is more than 64 messages behind misses the oldest.
    pub(crate) fn tell(&self, message: P) {
        // Refused when nobody listens, and then nobody misses it.
        let _ = self.sender.send(message);
    }
}

impl<P> Debug for Progress<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Progress").finish_non_exhaustive()
    }
}

/// A waiter's share in work that is under way. Dropping it leaves the work to the others.
#[must_use = "the work goes on only while it is waited for"]
pub(crate) struct Flight<P, R>
where
    R: Clone,
{
    work: Shared<BoxFuture<'static, R>>,
    progress: broadcast::Receiver<P>,
}

impl<P, R> Flight<P, R>
where
    P: Clone,
    R: Clone,
{
    /// Waits for the result, and hears of the progress since it joined, all of it before the result.
    ///
    /// Dropping the future leaves the work to the others.
    pub(crate) async fn wait(self, mut hear: impl FnMut(P)) -> R {
        let Self { mut work, mut progress } = self;
        let mut listening = true;
        loop {
            tokio::select! {
                biased;
                message = progress.recv(), if listening => match message {
                    Ok(message) => hear(message),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => listening = false,
                },
                result = &mut work => {
                    loop {
                        match progress.try_recv() {
                            Ok(message) => hear(message),
                            Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                            Err(_) => return result,
                        }
                    }
                }
            }
        }
    }
}

impl<P, R: Clone> Debug for Flight<P, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Flight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    type Pulls = Flights<&'static str, u32, Result<u32, &'static str>>;

    /// What became of the pulls.
    #[derive(Debug, Default)]
    struct Seen {
        begun: AtomicUsize,
        dropped: AtomicUsize,
    }

    impl Seen {
        fn counts(&self) -> (usize, usize) {
            (self.begun.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
        }
    }

    /// Counts a pull that is dropped before its end.
    struct Guard(Arc<Seen>, bool);

    impl Drop for Guard {
        fn drop(&mut self) {
            if !self.1 {
                self.0.dropped.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Ten steps of a second with a message each; the result is the pull's number.
    fn join(
        pulls: &Pulls,
        seen: &Arc<Seen>,
        key: &'static str,
    ) -> Flight<u32, Result<u32, &'static str>> {
        let seen = Arc::clone(seen);
        pulls.join(key, |progress| async move {
            let number = seen.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let mut guard = Guard(seen, false);
            for step in 1..=10 {
                sleep(Duration::from_secs(1)).await;
                progress.tell(step);
            }
            guard.1 = true;
            if key == "bad" { Err("refused") } else { Ok(u32::try_from(number).unwrap()) }
        })
    }

    fn setting() -> (Pulls, Arc<Seen>) {
        (Flights::new(), Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn two_waiters_share_one_pull_and_its_progress() {
        let (pulls, seen) = setting();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let (a, b) = (join(&pulls, &seen, "x"), join(&pulls, &seen, "x"));
        let results =
            tokio::join!(a.wait(|step| first.push(step)), b.wait(|step| second.push(step)));
        assert_eq!(results, (Ok(1), Ok(1)));
        assert_eq!(seen.counts(), (1, 0));
        assert_eq!(first, (1..=10).collect::<Vec<_>>());
        assert_eq!(first, second);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_comes_later_hears_the_rest() {
        let (pulls, seen) = setting();
        let began = Instant::now();
        let late = async {
            sleep(Duration::from_millis(4500)).await;
            let mut heard = Vec::new();
            (join(&pulls, &seen, "x").wait(|step| heard.push(step)).await, heard)
        };
        let (early, (late, heard)) = tokio::join!(join(&pulls, &seen, "x").wait(drop), late);
        assert_eq!((early, late), (Ok(1), Ok(1)));
        assert_eq!(heard, [5, 6, 7, 8, 9, 10]);
        assert_eq!(began.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn other_keys_are_other_pulls() {
        let (pulls, seen) = setting();
        let (a, b) = (join(&pulls, &seen, "x"), join(&pulls, &seen, "y"));
        assert_eq!(pulls.count(), 2);
        let _ = tokio::join!(a.wait(drop), b.wait(drop));
        assert_eq!(seen.counts(), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn another_goes_on_when_the_one_who_drives_is_dropped() {
        let (pulls, seen) = setting();
        let (driver, other) = (join(&pulls, &seen, "x"), join(&pulls, &seen, "x"));
        let began = Instant::now();
        let other = tokio::spawn(other.wait(drop));
        // Spawned first, it would drive: so this one is polled before it gets its turn.
        assert!(timeout(Duration::from_millis(3500), driver.wait(drop)).await.is_err());
        assert_eq!(other.await.unwrap(), Ok(1));
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert_eq!(seen.counts(), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_order_in_which_waiters_go_does_not_matter() {
        for survivor in 0..5_u64 {
            let (pulls, seen) = setting();
            let waiters = (0..5).map(|number| {
                let flight = join(&pulls, &seen, "x");
                async move {
                    let limit =
                        Duration::from_secs(if number == survivor { 60 } else { number + 1 });
                    timeout(limit, flight.wait(drop)).await.ok()
                }
            });
            let results = futures_util::future::join_all(waiters).await;
            let ended: Vec<_> = results.into_iter().flatten().collect();
            assert_eq!((ended, seen.counts()), (vec![Ok(1)], (1, 0)), "{survivor}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pull_is_dropped_with_its_last_waiter() {
        let (pulls, seen) = setting();
        let (a, b) = (join(&pulls, &seen, "x"), join(&pulls, &seen, "x"));
        let limit = Duration::from_secs(3);
        let (a, b) = tokio::join!(timeout(limit, a.wait(drop)), timeout(2 * limit, b.wait(drop)));
        assert!(a.is_err() && b.is_err());
        assert_eq!((seen.counts(), pulls.count()), ((1, 1), 0));
        assert_eq!(join(&pulls, &seen, "x").wait(drop).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_reaches_all() {
        let (pulls, seen) = setting();
        let (a, b) = (join(&pulls, &seen, "bad"), join(&pulls, &seen, "bad"));
        let results = tokio::join!(a.wait(drop), b.wait(drop));
        assert_eq!((results, seen.counts()), ((Err("refused"), Err("refused")), (1, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_comes_after_the_end_begins_anew() {
        let (pulls, seen) = setting();
        let (a, unpolled) = (join(&pulls, &seen, "x"), join(&pulls, &seen, "x"));
        assert_eq!(a.wait(drop).await, Ok(1));
        // Although another has not yet taken the result.
        let third = join(&pulls, &seen, "x");
        assert_eq!(unpolled.wait(drop).await, Ok(1));
        assert_eq!(third.wait(drop).await, Ok(2));
        assert_eq!(pulls.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_is_far_behind_misses_messages_and_not_the_result() {
        let pulls = Flights::<_, usize, &str>::new();
        let mut heard = Vec::new();
        let flight = pulls.join("x", |progress| async move {
            (0..1000).for_each(|number| progress.tell(number));
            "done"
        });
        assert_eq!(flight.wait(|number| heard.push(number)).await, "done");
        assert_eq!(heard, (1000 - BACKLOG..1000).collect::<Vec<_>>());
    }

    #[test]
    fn waiters_on_many_threads_leave_nobody_behind() {
        let (pulls, begun) = (Flights::<usize, (), usize>::new(), AtomicUsize::new(0).into());
        let waiter = |number: usize| {
            let (pulls, begun) = (pulls.clone(), Arc::<AtomicUsize>::clone(&begun));
            async move {
                let flight = pulls.join(number % 3, |_| async move {
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    begun.fetch_add(1, Ordering::SeqCst)
                });
                if number.is_multiple_of(4) {
                    // One that is cancelled while it drives.
                    let _ = futures_util::poll!(Box::pin(flight.wait(drop)));
                } else {
                    timeout(Duration::from_secs(30), flight.wait(drop)).await.unwrap();
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let waiter = &waiter;
                scope.spawn(move || {
                    let mut runtime = tokio::runtime::Builder::new_current_thread();
                    runtime.enable_time().build().unwrap().block_on(async {
                        for round in 0..200 {
                            let numbers = (0..4).map(|number| waiter(thread + round * 5 + number));
                            futures_util::future::join_all(numbers).await;
                        }
                    });
                });
            }
        });
        assert_eq!(pulls.count(), 0);
        assert!(begun.load(Ordering::SeqCst) >= 3);
    }

    #[test]
    fn jobs_with_other_credentials_do_not_share() {
        let key = |password: &str| PullKey {
            image: "a.b/c".parse().unwrap(),
            platform: None,
            credential: Some(Credential::password("a.b", "ci", password)),
            policy: PullPolicy::Always,
        };
        assert_eq!(key("one"), key("one"));
        assert_ne!(key("one"), key("two"));
        assert!(!format!("{:?}", key("s3cret")).contains("s3cret"));
    }
}
