//! A hundred thousand random steps on one engine: processes that begin, live and die, time that passes,
//! strangers whose objects carry labels of every kind, and sweeps. After each sweep the engine holds what
//! a model says, object by object.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use docker_api_trait::{
    ContainerApi as _, ContainerRequest, DockerApi, NetworkApi as _, NetworkRequest,
    SystemApi as _, VolumeApi as _, VolumeRequest,
};
use executor::{
    instance::{Instance, Instances},
    sweep::Sweep,
};
use fastrand::Rng;
use testkit::FakeDocker;
use volume_manager::label;

const STEPS: usize = 100_000;
/// The most objects that are there at once; then the oldest that may stay are taken by hand.
const MOST: usize = 60;
/// The owner of the sweeps.
const OWNER: &str = "ci";
/// The time after its deadline in which nothing is overdue yet.
const GRACE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Container,
    Network,
    Volume,
}

/// Why an object stays, or until when.
#[derive(Debug, Clone)]
enum Fate {
    /// A stranger's, another owner's, another version's, a cache, or of a job without a time limit.
    Stays,
    /// As long as the process with this label lives.
    With(String),
    /// Of a process of which nothing is known here: until then.
    Until(SystemTime),
}

struct Model {
    dice: Rng,
    engine: FakeDocker,
    instances: Instances,
    _folder: tempfile::TempDir,
    /// The processes that live.
    living: Vec<Instance>,
    /// What is there, by kind and name.
    objects: BTreeMap<(Kind, String), Fate>,
    made: usize,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    sweeps: usize,
    removed: usize,
    foreign: usize,
    caches: usize,
}

type Labels = BTreeMap<String, String>;

impl Model {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instances = Instances::open(folder.path()).unwrap();
        let living = vec![instances.claim().unwrap()];
        Self {
            dice: Rng::with_seed(seed),
            engine: FakeDocker::new().with_image("busybox"),
            instances,
            _folder: folder,
            living,
            objects: BTreeMap::new(),
            made: 0,
            counts: Counts::default(),
        }
    }

    async fn now(&self) -> SystemTime {
        self.engine.info().await.unwrap().now.unwrap()
    }

    /// A kind, a word for it, and the labels that something of ours has.
    fn ours(&mut self, instance: &str) -> (Kind, String, Labels) {
        let (kind, word, letter) = [
            (Kind::Container, "build", "b"),
            (Kind::Container, "helper", "h"),
            (Kind::Container, "service", "s"),
            (Kind::Network, "network", "n"),
            (Kind::Volume, "temporary", "t"),
        ][self.dice.usize(..5)];
        self.made += 1;
        let run = format!("r{}", self.made);
        let place = self.dice.choice(["", "-0", "-12"]).unwrap();
        let name = format!("berth-{letter}1-app-{run}{place}");
        let labels = [
            (label::SCHEMA, label::SCHEMA_VERSION),
            (label::KIND, word),
            (label::OWNER, OWNER),
            (label::RUN, &run),
            (label::INSTANCE, instance),
        ];
        (kind, name, labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }

    async fn make(&mut self, kind: Kind, name: String, labels: Labels, fate: Fate) {
        match kind {
            Kind::Container => {
                let mut request =
                    ContainerRequest::new(name.parse().unwrap(), "busybox".parse().unwrap());
                request.labels = labels;
                self.engine.create_container(&request).await.unwrap();
            }
            Kind::Network => {
                let mut request = NetworkRequest::new(name.parse().unwrap());
                request.labels = labels;
                self.engine.create_network(&request).await.unwrap();
            }
            Kind::Volume => {
                let request = VolumeRequest::new(name.parse().unwrap()).with_labels(labels);
                self.engine.create_volume(&request).await.unwrap();
            }
        }
        self.objects.insert((kind, name), fate);
    }

    /// Of a process that lives, now.
    async fn make_ours(&mut self) {
        let process = self.dice.usize(..self.living.len());
        let instance = self.living[process].label().to_owned();
        let (kind, name, mut labels) = self.ours(&instance);
        // However long ago its deadline was: the lock counts.
        if self.dice.usize(..2) == 0 {
            let now = self.now().await;
            labels.insert(label::CREATED_AT.to_owned(), label::timestamp(now));
            labels.insert(label::DEADLINE.to_owned(), label::timestamp(now));
        }
        self.make(kind, name, labels, Fate::With(instance)).await;
    }

    /// Of a process of another host.
    async fn make_elsewhere(&mut self) {
        let instance =
            self.dice.choice(["pid-7", "elsewhere", "0123456789abcdef-1-2", ""]).unwrap();
        let (kind, name, mut labels) = self.ours(instance);
        let lifetime = Duration::from_secs(self.dice.u64(..600));
        let now = self.now().await;
        // A clock of its own; of a volume the later time counts, so that it must not be ahead.
        let written = now - Duration::from_secs(self.dice.u64(..100_000));
        labels.insert(label::CREATED_AT.to_owned(), label::timestamp(written));
        labels.insert(label::DEADLINE.to_owned(), label::timestamp(written + lifetime));
        let fate = if self.dice.usize(..4) == 0 {
            let missing = self.dice.choice([label::CREATED_AT, label::DEADLINE]).unwrap();
            labels.remove(missing);
            Fate::Stays
        } else {
            Fate::Until(now + lifetime + GRACE)
        };
        self.make(kind, name, labels, fate).await;
    }

    /// Has the labels of something that is to be taken, all but for one or more of them.
    async fn make_foreign(&mut self) {
        self.counts.foreign += 1;
        let process = self.dice.usize(..self.living.len());
        let instance = match self.dice.usize(..3) {
            0 => self.living[process].label().to_owned(),
            1 => self.dead_label(),
            _ => "elsewhere".to_owned(),
        };
        let (kind, mut name, mut labels) = self.ours(&instance);
        // Overdue for ages.
        labels.insert(label::CREATED_AT.to_owned(), "1970-01-01T00:00:00Z".to_owned());
        labels.insert(label::DEADLINE.to_owned(), "1970-01-01T00:00:00Z".to_owned());
        let needed = [label::SCHEMA, label::KIND, label::OWNER, label::RUN, label::INSTANCE];
        match self.dice.usize(..6) {
            0 => {
                let missing = self.dice.choice(needed).unwrap();
                let value = labels.remove(missing).unwrap();
                // Nearly the same key.
                let near = [missing.to_uppercase(), format!("{missing}."), format!("x.{missing}")];
                let near = near[self.dice.usize(..3)].clone();
                labels.insert(near, value);
            }
            1 => {
                let schema = self.dice.choice(["0", "2", "", "01", "1.0", " 1"]).unwrap();
                labels.insert(label::SCHEMA.to_owned(), schema.to_owned());
            }
            2 => {
                let words = match kind {
                    Kind::Container => ["network", "temporary", "cache", "test", "Build", ""],
                    Kind::Network => ["build", "temporary", "cache", "helper", "networks", ""],
                    Kind::Volume => ["build", "network", "cache", "service", "temporary ", ""],
                };
                let word = self.dice.choice(words).unwrap();
                labels.insert(label::KIND.to_owned(), word.to_owned());
            }
            3 => {
                let owner = self.dice.choice(["CI", "ci ", "other", ""]).unwrap();
                labels.insert(label::OWNER.to_owned(), owner.to_owned());
            }
            4 if kind == Kind::Container => {
                // Of an image that somebody made of a container of ours.
                let tail = self.dice.choice(["-x", "a", "-", "-1-", "_0"]).unwrap();
                name = format!("{name}{tail}");
            }
            _ => {
                let count = self.dice.usize(..6);
                labels.clear();
                for _ in 0..count {
                    let key = self.dice.choice(needed).unwrap();
                    let value = self
                        .dice
                        .choice(["1", "build", "temporary", "network", OWNER, "r1"])
                        .unwrap();
                    labels.insert(key.to_owned(), value.to_owned());
                }
                // Without one that is needed it is nobody's that a sweep knows.
                labels.remove(needed[self.dice.usize(..needed.len())]);
            }
        }
        self.make(kind, name, labels, Fate::Stays).await;
    }

    async fn make_cache(&mut self) {
        self.counts.caches += 1;
        let instance = if self.dice.usize(..2) == 0 {
            self.dead_label()
        } else {
            self.living[0].label().to_owned()
        };
        let (_, _, mut labels) = self.ours(&instance);
        labels.insert(label::KIND.to_owned(), "cache".to_owned());
        labels.insert(label::CREATED_AT.to_owned(), "1970-01-01T00:00:00Z".to_owned());
        labels.insert(label::DEADLINE.to_owned(), "1970-01-01T00:00:00Z".to_owned());
        // Under any name, also that of a temporary one.
        let letter = self.dice.choice(["c", "t"]).unwrap();
        let name = format!("berth-{letter}1-cache-{}", self.made);
        self.make(Kind::Volume, name, labels, Fate::Stays).await;
    }

    /// The label of a process that lived.
    fn dead_label(&self) -> String {
        let instance = self.instances.claim().unwrap();
        let label = instance.label().to_owned();
        drop(instance);
        label
    }

    /// Somebody takes away what would only fill the engine.
    async fn tidy(&mut self) {
        let mut kept = self.objects.iter().filter(|(_, fate)| matches!(fate, Fate::Stays));
        let Some((kind, name)) = kept.next().map(|(object, _)| object.clone()) else { return };
        match kind {
            Kind::Container => {
                let found = self.engine.containers();
                let one = found.iter().find(|one| one.name == name).unwrap();
                self.engine.remove_container(&one.id).await.unwrap();
            }
            Kind::Network => {
                let found = self.engine.networks();
                let one = found.iter().find(|one| one.name == name).unwrap();
                self.engine.remove_network(&one.id).await.unwrap();
            }
            Kind::Volume => self.engine.remove_volume(&name.parse().unwrap()).await.unwrap(),
        }
        self.objects.remove(&(kind, name));
    }

    async fn sweep(&mut self) {
        let docker: Arc<dyn DockerApi> = Arc::new(self.engine.clone());
        let sweep = Sweep::new(docker).with_instances(self.instances.clone()).with_owner(OWNER);
        // It waits a second for what a dead process asked for last: what is due within it may go.
        let before = self.now().await;
        let report = sweep.run().await.unwrap();
        let after = self.now().await;
        assert!(report.is_complete(), "{report:?}");
        let there = self.there();
        let living: BTreeSet<_> =
            self.living.iter().map(|instance| instance.label().to_owned()).collect();
        let mut gone = Vec::new();
        for (object, fate) in &self.objects {
            let (must_stay, may_stay) = match fate {
                Fate::Stays => (true, true),
                Fate::With(instance) => (living.contains(instance), living.contains(instance)),
                Fate::Until(end) => (*end >= after, *end >= before),
            };
            let is_there = there.contains(object);
            assert!(is_there || !must_stay, "{object:?} is gone: {fate:?}, {report:?}");
            assert!(!is_there || may_stay, "{object:?} is left: {fate:?}, {report:?}");
            if !is_there {
                gone.push(object.clone());
            }
        }
        assert_eq!(report.removed.len(), gone.len(), "{report:?}");
        for object in gone {
            self.objects.remove(&object);
        }
        assert_eq!(there.len(), self.objects.len());
        self.counts.sweeps += 1;
        self.counts.removed += report.removed.len();
    }

    fn there(&self) -> BTreeSet<(Kind, String)> {
        let containers = self.engine.containers().into_iter();
        let networks = self.engine.networks().into_iter();
        let volumes = self.engine.volume_names().into_iter();
        let containers = containers.map(|one| (Kind::Container, one.name));
        let networks = networks.map(|one| (Kind::Network, one.name));
        containers.chain(networks).chain(volumes.map(|name| (Kind::Volume, name))).collect()
    }

    async fn step(&mut self) {
        if self.objects.len() >= MOST {
            self.tidy().await;
        }
        match self.dice.usize(..1000) {
            0..250 => self.make_ours().await,
            250..400 => self.make_elsewhere().await,
            400..600 => self.make_foreign().await,
            600..680 => self.make_cache().await,
            680..900 => {
                let time = Duration::from_millis(self.dice.u64(..20_000));
                tokio::time::advance(time).await;
            }
            900..940 if self.living.len() < 8 => {
                self.living.push(self.instances.claim().unwrap());
            }
            940..990 if self.living.len() > 1 => {
                let process = self.dice.usize(..self.living.len());
                let instance = self.living.swap_remove(process);
                // Killed, or at an end that left something.
                if self.dice.usize(..2) == 0 {
                    drop(instance);
                } else {
                    instance.release(true);
                }
            }
            990.. => self.sweep().await,
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_steps_never_take_what_is_a_strangers_a_cache_or_of_the_living() {
    let mut model = Model::new(20_251_125);
    for _ in 0..STEPS {
        model.step().await;
    }
    model.sweep().await;
    let Counts { sweeps, removed, foreign, caches } = model.counts;
    assert!(sweeps >= 800 && removed >= 20_000, "{sweeps} sweeps removed {removed}");
    assert!(foreign >= 15_000 && caches >= 5_000, "{foreign} foreign, {caches} caches");
}
