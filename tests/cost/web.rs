//! What poolwatch costs a web service with a pool: requests over HTTP that make one query each.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use poolwatch_tests::{
    place,
    postgres::Server,
    truth::{
        books::quantile,
        load::{Arrivals, Load, Target},
        mix::Mix,
        rig::{Rig, Running, USER},
        run::{Level, Plan},
    },
    wire::certificate,
};

use crate::{
    TLS,
    bench::{tls_name, tls_options},
    group::Group,
    pairs::Median,
    table,
    watched::{Mode, Used, beside_warm},
};

/// A service under a load.
pub struct Work {
    /// How it is called in the table.
    pub name: String,
    rig: Rig,
    pool: u32,
    /// Mean length of a query in milliseconds.
    ms: f64,
    arrivals: Arrivals,
    /// Length of a run, in seconds; if none, that of the others.
    seconds: Option<u32>,
    /// Its pool's connections are over TLS, and poolwatch's option of that name.
    tls: Option<&'static str>,
}

/// At a fixed rate with a pool that is never full, so that poolwatch only frames what comes in; and with one that is full
/// nearly always, so that the probes of waiting are attached. By threads, by an event loop, and with the library's own
/// functions probed.
pub fn works() -> Vec<Work> {
    let mut works = Vec::new();
    for (name, rig) in [("HikariCP", Rig::Hikari), ("node-pg", Rig::NodePg), ("database/sql", Rig::GoSql)] {
        let calm = |tls| Work {
            name: format!("{name}, 2,000/s{}", tls_name(tls)),
            rig,
            pool: 20,
            ms: 1.0,
            arrivals: Arrivals::Single(2000.0),
            seconds: None,
            tls,
        };
        let name = format!("{name}, pool always full");
        works.push(Work { name, pool: 3, arrivals: Arrivals::Users(6, 0.1), ..calm(None) });
        works.push(calm(None));
        // Of Java nothing but turns is seen; the others' libraries are probed.
        if rig != Rig::Hikari {
            works.extend(TLS.map(|how| calm(Some(how))));
        }
    }
    works
}

/// What pool metrics inside a service are accepted by: a pool of 20, 100 requests per second, three minutes.
pub fn classic() -> Work {
    Work {
        name: "classic: node-pg, pool of 20, 100/s, 3 minutes".to_owned(),
        rig: Rig::NodePg,
        pool: 20,
        ms: 30.0,
        arrivals: Arrivals::Single(100.0),
        seconds: Some(180),
        tls: None,
    }
}

/// How long each run goes on before it counts, in seconds: poolwatch looks at the service's program meanwhile.
const WARM: f64 = 1.0;

/// What came of one run; times in seconds.
#[derive(Clone, Copy, Debug)]
struct Run {
    count: f64,
    per_second: f64,
    /// Share of requests that failed.
    failed: f64,
    mean: f64,
    p50: f64,
    p99: f64,
    /// Processor time of service and server.
    used: f64,
}

/// A run, and what poolwatch used beside it.
type Watched = (Run, Used);

impl Work {
    fn run(&self, target: &Arc<Target>, group: &Group, seconds: f64, seed: u64) -> Result<Run> {
        let load = Load { arrivals: self.arrivals, mix: Mix::A, ms: self.ms, even: true, seconds, seed };
        let before = group.used()?;
        let mut answers = load.run(target)?;
        let used = group.used()?.saturating_sub(before).as_secs_f64();
        answers.took.sort_by(f64::total_cmp);
        let (took, good) = (&answers.took, answers.took.len() as f64);
        let within = |share| quantile(took, share).context("no request was answered");
        Ok(Run {
            count: good,
            per_second: good / seconds,
            failed: 1.0 - good / answers.total() as f64,
            mean: took.iter().sum::<f64>() / good,
            p50: within(0.5)?,
            p99: within(0.99)?,
            used,
        })
    }

    /// Its length is its own.
    pub const fn is_long(&self) -> bool {
        self.seconds.is_some()
    }

    fn plan(&self) -> Plan {
        let Self { rig, pool, ms, tls, .. } = *self;
        Plan { pool, ms, encrypted: tls.is_some(), ..Plan::new(rig, Mix::A, Level::LIGHT) }
    }

    /// Measures it in pairs; every other time in the other order.
    pub fn measure(&self, pairs: u32, seconds: u32) -> Result<table::Web> {
        let scratch = place::scratch()?;
        // Empty once the server and the service have ended.
        let group = Group::new("service")?;
        let server = Server::start_with(&certificate::settings(scratch.path())?)?;
        server.role(USER)?;
        let plan = self.plan();
        let options = tls_options(self.tls);
        let mut rig = Running::start(&plan, &server)?;
        plan.warm(&mut rig)?;
        group.add(server.pid())?;
        group.add(rig.pid())?;
        let seconds = f64::from(self.seconds.unwrap_or(seconds));
        let mut turns = Vec::new();
        for pair in 0..pairs {
            let load = |seconds| self.run(&rig.target, &group, seconds, u64::from(pair));
            let run = |mode| beside_warm(mode, &options, || load(WARM).map(drop), || load(seconds));
            let backwards = pair % 2 == 1;
            let first = run(if backwards { Mode::On } else { Mode::Off })?;
            let second = run(if backwards { Mode::Off } else { Mode::On })?;
            turns.push(if backwards { (second, first) } else { (first, second) });
        }
        self.cost(&turns, seconds)
    }

    fn cost(&self, turns: &[(Watched, Watched)], seconds: f64) -> Result<table::Web> {
        let over = |of: &dyn Fn(&(Watched, Watched)) -> f64| {
            Median::of(turns.iter().map(of).collect()).context("no pair")
        };
        let each = |(run, used): &Watched| (run.used + used.time) / run.count;
        Ok(table::Web {
            name: self.name.clone(),
            per_second: over(&|(off, _)| off.0.per_second)?,
            each_without: over(&|(off, _)| each(off))?,
            each: over(&|(off, on)| each(on) - each(off))?,
            mean: over(&|(off, on)| on.0.mean - off.0.mean)?,
            mean_share: over(&|(off, on)| on.0.mean / off.0.mean - 1.0)?,
            p50: over(&|(off, on)| on.0.p50 - off.0.p50)?,
            p99: over(&|(off, on)| on.0.p99 - off.0.p99)?,
            p99_share: over(&|(off, on)| on.0.p99 / off.0.p99 - 1.0)?,
            agent: over(&|(_, on)| on.1.time / seconds)?,
            failed: turns.iter().map(|(off, on)| off.0.failed.max(on.0.failed)).fold(0.0, f64::max),
        })
    }
}
