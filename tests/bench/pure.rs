//! `make bench-pure`: what the pure steps of a pass cost, for a server as small as can be and for one
//! with a database. First in allocations, which are the same on every machine, then in time.

use anyhow::{Context, Result};
use criterion::Criterion;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use landfall::api::MCPServer;
use landfall::apply::decide::{Decision, Facts, decide};
use landfall::apply::diff;
use landfall::build::build;
use landfall::cache::{Cache, owner_uid};
use landfall::children::{Child, Children, Desired, Live, Make, Nothing};
use landfall::observe::{Observation, observe};
use landfall::references::{Found, References, Running};
use landfall::settings::Platform;
use landfall::status::{self, Outcome};
use landfall::validate::{ValidatedServer, validate};
use landfall::verification::{Verification, Verifications};
use serde_json::Value;
use std::hint::black_box;
use std::sync::Arc;

/// A step by its name.
type Step<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn main() -> Result<()> {
    let samples = vec![
        ("smallest", Sample::new("{metadata: {name: it}, spec: {image: mcp/everything, port: 3001}}", &[])?),
        ("database", Sample::new(include_str!("../../config/samples/database.yaml"), &["database-postgres"])?),
    ];
    println!("{:24}{:>12}{:>12}", "", "allocations", "bytes");
    for (name, sample) in &samples {
        for (step, run) in sample.steps() {
            let counted = allocation_counter::measure(run);
            println!("{:24}{:>12}{:>12}", format!("{name} {step}"), counted.count_total, counted.bytes_total);
        }
        println!("{:24}{:>12}{:>12}", format!("{name} cached"), "", sample.cached());
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (name, sample) in &samples {
        for (step, mut run) in sample.steps() {
            criterion.bench_function(&format!("{name} {step}"), |bencher| bencher.iter(&mut run));
        }
    }
    criterion.final_summary();
    Ok(())
}

/// A server that is up, and what each step makes of it.
struct Sample {
    server: MCPServer,
    references: References,
    platform: Platform,
    validated: ValidatedServer,
    live: Children<Live>,
    observation: Observation,
    now: Timestamp,
}

impl Sample {
    /// Of a server, whose workloads of these names run.
    fn new(text: &str, running: &[&str]) -> Result<Self> {
        let mut server: Value = serde_saphyr::from_str(text)?;
        server["apiVersion"] = "landfall.dev/v1alpha1".into();
        server["kind"] = "MCPServer".into();
        let mut server: MCPServer = serde_json::from_value(server)?;
        let (namespace, uid) = (Some("team".into()), Some("0d2ae02c-5b0c-4b5c-a1bd-6a4dd5a0d3f1".into()));
        server.metadata = ObjectMeta { namespace, uid, generation: Some(1), ..server.metadata };
        let running = running.iter().map(|it| ((*it).to_owned(), Running { hash: None, is_ready: true }));
        let references = References::gather(&server.spec, |_, _| Found::Unknown).with_workloads(running.collect());
        let platform = Platform::default();
        let validated = validate(&server, &references, &platform).context("the sample is valid")?;
        let live = live(&build(&validated));
        let now = Timestamp::now();
        let observation = observe(&validated, &live, &[], now);
        let mut sample = Self { server, references, platform, validated, live, observation, now };
        sample.server.status = Some(sample.next_status());
        Ok(sample)
    }

    fn steps(&self) -> [Step<'_>; 5] {
        [
            ("validate", Box::new(|| drop(black_box(validate(&self.server, &self.references, &self.platform))))),
            ("build", Box::new(|| drop(black_box(build(&self.validated))))),
            ("build and diff", Box::new(|| assert!(self.is_as_wished(), "nothing differs"))),
            ("observe", Box::new(|| drop(black_box(observe(&self.validated, &self.live, &[], self.now))))),
            ("status", Box::new(|| drop(black_box(self.next_status())))),
        ]
    }
}

impl Sample {
    /// What a pass does when nothing has changed: the way to "nothing is to be written".
    fn is_as_wished(&self) -> bool {
        struct Compare<'a>(&'a ValidatedServer, &'a Children<Live>, Children<Desired>, bool);
        impl Make<Nothing> for Compare<'_> {
            fn make<K: Child>(&mut self) {
                for (object, live) in K::of(&self.2).iter().zip(K::of(self.1)) {
                    let facts = Facts { live: Some(Arc::clone(live)), server_stays: false };
                    self.3 &= matches!(decide(object, self.0, &facts), Ok(Decision::Keep));
                }
            }
        }
        let mut compare = Compare(&self.validated, &self.live, build(&self.validated), true);
        Children::<Nothing>::from_each(&mut compare);
        compare.3
    }

    fn next_status(&self) -> landfall::api::MCPServerStatus {
        let outcome = Outcome::Observed {
            server: &self.validated,
            observation: &self.observation,
            verification: &Verifications::from(Verification::Off),
            pending: &[],
        };
        status::next(self.server.status.as_ref(), self.server.metadata.generation, &outcome, self.now)
    }

    /// Bytes that the caches take for its children.
    fn cached(&self) -> i64 {
        struct Fill<'a>(&'a Children<Live>, i64);
        impl Make<Nothing> for Fill<'_> {
            fn make<K: Child>(&mut self) {
                let cache: Cache<K> = Cache::new(owner_uid);
                let counted = allocation_counter::measure(|| K::of(self.0).iter().for_each(|it| cache.wrote(it)));
                self.1 += counted.bytes_current;
            }
        }
        let mut fill = Fill(&self.live, 0);
        Children::<Nothing>::from_each(&mut fill);
        fill.1
    }
}

/// What the API server makes of `desired`, less what it fills in.
fn live(desired: &Children<Desired>) -> Children<Live> {
    struct Stored<'a>(&'a Children<Desired>);
    impl Make<Live> for Stored<'_> {
        fn make<K: Child>(&mut self) -> Vec<Arc<K>> {
            let stored = |it: &K| {
                let mut stored = it.clone();
                diff::seal(&mut stored, diff::hash(it).ok()?);
                Some(Arc::new(stored))
            };
            K::of(self.0).iter().filter_map(stored).collect()
        }
    }
    Children::from_each(&mut Stored(desired))
}
