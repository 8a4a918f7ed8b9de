//! Requests and answers of every kind, one at a time.

use anyhow::{Result, ensure};

use super::{Case, finish};
use crate::{
    link::{Link, Target},
    message::{bind, close, describe, execute, extended, flush, message, parse, query, sync, unnamed},
    tally::Tally,
};

/// By name.
pub const ALL: &[(&str, Case)] = &[
    ("simple", simple),
    ("multi", multi),
    ("one_flight", one_flight),
    ("several_flights", several_flights),
    ("named", named),
    ("portals", portals),
    ("flush", flush_without_sync),
    ("flush_only", only_flushes_between),
    ("errors", errors),
    ("skip_to_sync", skip_to_sync),
    ("function_call", function_call),
    ("notices", notices),
    ("notification_idle", notification_idle),
    ("notification_answer", notification_in_an_answer),
    ("parameter_status", parameter_status),
    ("empty", empty),
    ("sync_alone", sync_alone),
];

const ROUNDS: u64 = 50;

fn simple(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query("select 1"))?;
    }
    finish(link, ROUNDS)
}

fn multi(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query("select 1; select 2 as two; ; select 3 as three"))?;
    }
    ensure!(link.answers.count(b'C') == 3 * ROUNDS, "three statements");
    finish(link, 3 * ROUNDS)
}

fn one_flight(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&extended("select $1::int + 1", &["41"]))?;
    }
    finish(link, ROUNDS)
}

/// As asyncpg does: what a statement takes and gives is asked first, with Flush.
fn several_flights(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.send(&[parse("", "select $1::int + 2"), describe(b'S', ""), flush()].concat())?;
        link.until(b'T', 1)?;
        link.send(&bind("", "", &["40"]))?;
        link.send(&execute("", 0))?;
        link.ask(&sync())?;
    }
    finish(link, ROUNDS)
}

fn named(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for round in 0..ROUNDS {
        let name = format!("statement {round}");
        link.ask(&[parse(&name, "select $1::int + 3"), sync()].concat())?;
        link.ask(&[bind("", &name, &["39"]), execute("", 0), sync()].concat())?;
        link.ask(&[bind("", &name, &["38"]), execute("", 0), close(b'S', &name), sync()].concat())?;
    }
    finish(link, 2 * ROUNDS)
}

/// A portal is executed ten rows at a time: the server counts the statement once.
fn portals(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query("begin"))?;
        let head = [parse("", "select generate_series(1, 25)"), bind("p", "", &[]), execute("p", 10)];
        link.ask(&[head.concat(), sync()].concat())?;
        link.ask(&[execute("p", 10), sync()].concat())?;
        link.ask(&[execute("p", 10), close(b'P', "p"), sync()].concat())?;
        link.ask(&query("commit"))?;
    }
    ensure!(link.answers.count(b's') == 2 * ROUNDS, "the portal is suspended twice");
    finish(link, 3 * ROUNDS)
}

/// A result is read to its end after a Flush; the Sync follows later.
fn flush_without_sync(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.send(&[unnamed("select $1::int + 4", &["1"]), flush()].concat())?;
        link.until(b'C', 1)?;
        link.ask(&sync())?;
    }
    finish(link, ROUNDS)
}

/// Twenty statements, each with its Flush, and one Sync.
fn only_flushes_between(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        for _ in 0..20 {
            link.send(&[unnamed("select $1::int + 5", &["1"]), flush()].concat())?;
            link.until(b'C', 1)?;
        }
        link.ask(&sync())?;
    }
    finish(link, 20 * ROUNDS)
}

/// The server counts no statement that fails; one of each pair succeeds.
fn errors(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query("select 1; select 1/0; select 2"))?;
        link.ask(&query("selec"))?;
        link.ask(&extended("select 1/$1::int", &["0"]))?;
        link.ask(&query("select 6"))?;
    }
    ensure!(link.answers.failed == 3 * ROUNDS, "three of four fail");
    finish(link, 2 * ROUNDS)
}

/// What stands between an error and the next Sync is not answered.
fn skip_to_sync(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        let (good, bad) = (unnamed("select 7", &[]), unnamed("select 1/$1::int", &["0"]));
        link.ask(&[good.clone(), bad, good.clone(), good, sync()].concat())?;
        link.ask(&[parse("", "selec"), describe(b'S', ""), flush(), bind("", "", &[]), sync()].concat())?;
    }
    ensure!(link.answers.failed == 2 * ROUNDS && link.answers.count(b'C') == ROUNDS, "the rest is skipped");
    finish(link, ROUNDS)
}

/// The function interface: `int4pl(2, 3)`, in binary.
fn function_call(target: &Target) -> Result<Tally> {
    const INT4PL: u32 = 177;
    let mut body = INT4PL.to_be_bytes().to_vec();
    body.extend([0, 1, 0, 1, 0, 2]);
    for argument in [2u32, 3] {
        body.extend(4u32.to_be_bytes());
        body.extend(argument.to_be_bytes());
    }
    body.extend([0, 1]);
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&message(b'F', &body))?;
        ensure!(link.answers.last(b'V').last() == Some(&5), "two and three: {}", link.answers.error());
    }
    finish(link, 0)
}

fn notices(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query("do $$ begin for i in 1..5 loop raise notice 'number %', i; end loop; end $$"))?;
        link.ask(&extended("do $$ begin raise warning 'once'; end $$", &[]))?;
    }
    ensure!(link.answers.count(b'N') == 6 * ROUNDS, "six notices");
    finish(link, 2 * ROUNDS)
}

/// Notifications that come while nothing is asked.
fn notification_idle(target: &Target) -> Result<Tally> {
    let (mut hears, mut speaks) = (Link::open(target)?, Link::open(target)?);
    hears.ask(&query("listen news"))?;
    for _ in 0..ROUNDS {
        speaks.ask(&query("notify news, 'something'"))?;
        hears.until(b'A', 1)?;
    }
    hears.ask(&query("select 8"))?;
    Ok(finish(hears, 2)?.and(finish(speaks, ROUNDS)?))
}

/// Notifications that come with an answer, behind its CommandComplete.
fn notification_in_an_answer(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    link.ask(&query("listen news"))?;
    for _ in 0..ROUNDS {
        link.ask(&query("notify news"))?;
        link.ask(&extended("select pg_notify('news', 'more')", &[]))?;
    }
    ensure!(link.answers.count(b'A') == 2 * ROUNDS, "one notification each");
    finish(link, 1 + 2 * ROUNDS)
}

fn parameter_status(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for round in 0..ROUNDS {
        let before = link.answers.count(b'S');
        link.ask(&query(&format!("set application_name = 'name {round}'; select 9")))?;
        ensure!(link.answers.count(b'S') == before + 1, "a ParameterStatus");
    }
    finish(link, 2 * ROUNDS)
}

/// An empty query is answered by EmptyQueryResponse; the server counts none.
fn empty(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&query(""))?;
        link.ask(&query(" ; "))?;
        link.ask(&extended("", &[]))?;
    }
    ensure!(link.answers.count(b'I') == 3 * ROUNDS, "all are empty");
    finish(link, 0)
}

fn sync_alone(target: &Target) -> Result<Tally> {
    let mut link = Link::open(target)?;
    for _ in 0..ROUNDS {
        link.ask(&sync())?;
    }
    finish(link, 0)
}
