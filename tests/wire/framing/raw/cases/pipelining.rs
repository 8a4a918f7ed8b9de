//! Several requests in flight.

use anyhow::{Result, ensure};

use super::{Case, finish};
use crate::{
    link::{Link, Target},
    message::{extended, query, sync, unnamed},
    style,
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("syncs_10", |target| syncs(target, 10, 20)),
    ("syncs_50", |target| syncs(target, 50, 10)),
    ("syncs_1000", |target| syncs(target, 1000, 3)),
    ("executes", executes),
    ("simple_pipeline", simple_pipeline),
    ("long_answers", long_answers),
    ("error_in_pipeline", error_in_pipeline),
];

fn syncs(target: &Target, flight: u64, rounds: u64) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let requests = extended("select $1::int + 1", &["1"]).repeat(usize::try_from(flight)?);
    for _ in 0..rounds {
        link.send(&requests)?;
        link.ready(flight)?;
    }
    finish(link, flight * rounds)
}

/// Twenty-five Executes, one Sync.
fn executes(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let many = unnamed("select $1::int + 2", &["1"]).repeat(25);
    for _ in 0..20 {
        link.ask(&[many.clone(), sync()].concat())?;
    }
    finish(link, 25 * 20)
}

/// No driver sends several Query messages at once, but the server takes them.
fn simple_pipeline(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..20 {
        link.send(&query("select 3").repeat(10))?;
        link.ready(10)?;
    }
    finish(link, 200)
}

/// Twenty thousand rows each, read by the megabyte.
fn long_answers(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.gets(style::recv(1 << 20));
    for _ in 0..3 {
        link.send(&extended("select generate_series(1, $1::int)", &["20000"]).repeat(4))?;
        link.ready(4)?;
    }
    finish(link, 12)
}

/// Of ten requests in flight the fifth fails and the others do not.
fn error_in_pipeline(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    let good = extended("select 4 / $1::int", &["1"]);
    let flight = [good.repeat(4), extended("select 4 / $1::int", &["0"]), good.repeat(5)].concat();
    for _ in 0..20 {
        link.send(&flight)?;
        link.ready(10)?;
    }
    ensure!(link.answers.failed == 20, "one of ten");
    finish(link, 180)
}
