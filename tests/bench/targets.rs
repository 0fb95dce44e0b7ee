//! What is asked of the operator, beside what was measured.

use serde::Serialize;

use crate::load::Spec;
use crate::run::Run;
use crate::wave::Wave;

/// One thing that is asked.
#[derive(Serialize, Clone, Debug)]
pub struct Target {
    pub what: String,
    pub measured: f64,
    pub at_most: f64,
    pub is_met: bool,
}

/// So many servers, for which times and amounts are asked that are no ratios.
const SCALE: usize = 1_000;

/// All that `runs` say something of.
pub fn of(runs: &[Run]) -> Vec<Target> {
    runs.iter().flat_map(of_run).collect()
}

fn of_run(run: &Run) -> Vec<Target> {
    let Run { spec, servers, .. } = run;
    let mut targets = Vec::new();
    let mut ask = |what: &str, measured: f64, at_most: f64| {
        let what = format!("{servers} {spec}: {what}");
        targets.push(Target { what, measured, at_most, is_met: measured <= at_most });
    };
    if let Some(quiet) = &run.quiet {
        if *spec == Spec::Silent {
            ask("writes in a quiet minute", count(quiet.writes), 0.0);
            return targets;
        }
        ask("requests in a quiet minute, but watches and the Lease", count(quiet.requests), 0.0);
    }
    let requests = &run.landfall.requests;
    let more = count(requests.writes()) / count(*servers) - count(run.children);
    ask("writes for each server beyond its children", more, 2.0);
    if *servers > 1 && *spec == Spec::Plain {
        for (ratio, at_most, what) in ratios(run) {
            ask(what, ratio, at_most);
        }
    }
    if *spec == Spec::Plain {
        memory(run, &mut ask);
    }
    if let Some(restart) = &run.restart {
        ask("writes after a restart", count(restart.writes), 0.0);
        if *servers == SCALE {
            ask("seconds until a restart is over", restart.busy_seconds, 2.0);
            ask("seconds of CPU for a restart", restart.cpu_seconds, 0.5);
        }
    }
    if let Some(drift) = &run.drift {
        ask("seconds until the slowest repair", drift.worst, 0.5);
        ask("replicas that somebody set, undone", f64::from(u8::from(!drift.replicas_left_alone)), 0.0);
    }
    targets
}

fn memory(run: &Run, ask: &mut impl FnMut(&str, f64, f64)) {
    let settled = run.quiet.as_ref().map_or(run.landfall.rss_mib, |it| it.rss_mib);
    match run.servers {
        1 => ask("MiB before the first server", run.rss_start_mib, 15.0),
        100 => ask("MiB with them", settled, 20.0),
        SCALE => {
            ask("MiB with them", settled, 40.0);
            ask("seconds of CPU in all", run.landfall.cpu_seconds, 4.0);
        }
        _ => {}
    }
}

/// Each ratio to the floor, and how large it may be.
fn ratios(run: &Run) -> Vec<(f64, f64, &'static str)> {
    let wave = &run.landfall;
    let mut ratios = Vec::new();
    if let Some(floor) = &run.floor {
        ratios.push((wave.children / floor.children, 1.2, "all children, to the floor with the same"));
        ratios.extend(ready(
            wave,
            floor,
            [
                "half of them ready, to the floor's last with the same children",
                "the last ready, to the floor's last with the same children",
            ],
        ));
    }
    if let Some(least) = &run.least {
        ratios.extend(ready(
            wave,
            least,
            [
                "half of them ready, to the floor's last with a Deployment and a Service",
                "the last ready, to the floor's last with a Deployment and a Service",
            ],
        ));
    }
    ratios
}

fn ready(wave: &Wave, floor: &Wave, [half, last]: [&'static str; 2]) -> [(f64, f64, &'static str); 2] {
    [(wave.ready_median / floor.ready_last, 0.9, half), (wave.ready_last / floor.ready_last, 1.2, last)]
}

#[expect(clippy::cast_precision_loss, reason = "no count here is that large")]
fn count(number: usize) -> f64 {
    number as f64
}
