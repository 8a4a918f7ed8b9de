//! The kept captures with one of twenty records lost, as a ring that is full loses them: what is said then is
//! either right within the bounds of event loops, or not trusted; and nothing stays behind.
//!
//! A loss is told as the kernel side tells it: a lost answer with the connection's next one, each loss in the books.
//! What introduces and ends connections is not lost here: a scan of the system repairs that.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use poolwatch::{
    event::{Event, Request, SECOND, SocketId},
    infer::{Core, settings::Settings},
};

use super::{MILLISECOND, Row, kept, read, recordings, run, share, truth};

/// One of so many is lost.
const OF: u64 = 20;
const SEEDS: [u64; 2] = [1, 2];
/// How far waits of event loops may be off, and the counts of those that wait: by so many, or by so much of the queue.
const WAITS: f64 = 0.10;
const WAITING: (f64, f64) = (0.5, 0.10);
const TRUSTED: f64 = 0.5;
/// Nothing happens for so long at the end.
const REST: u64 = 5 * SECOND;

/// Bits of a number that seem to be chance.
const fn hash(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const fn can_be_lost(event: &Event) -> bool {
    matches!(
        event,
        Event::Request(_) | Event::Demand(_) | Event::Served(_) | Event::Begun(_) | Event::Parked(_)
    )
}

/// What arrives.
fn lossy(events: &[Event], seed: u64) -> Vec<Event> {
    let mut arrived = Vec::with_capacity(events.len());
    let mut missed: HashMap<SocketId, u32> = HashMap::new();
    let (mut requests, mut others, mut told) = (0, 0, 0);
    for (nth, event) in events.iter().enumerate() {
        let at = event.at().unwrap_or(0);
        if at > told + SECOND {
            told = at;
            let lost = vec![("ring_requests".to_owned(), requests), ("ring".to_owned(), others)];
            arrived.push(Event::Books { events: nth as u64 - requests - others, lost, unparsed: Vec::new() });
        }
        let lost = can_be_lost(event) && hash(seed << 32 | nth as u64).is_multiple_of(OF);
        match event {
            Event::Request(request) if lost => {
                *missed.entry(request.socket).or_default() += 1 + request.missed;
                requests += 1;
            }
            Event::Request(request) => {
                let missed = request.missed + missed.remove(&request.socket).unwrap_or(0);
                arrived.push(Event::Request(Request { missed, ..request.clone() }));
            }
            _ if lost => others += 1,
            _ => arrived.push(event.clone()),
        }
    }
    arrived
}

/// Counts are bounded all the time, and at rest nobody waits, uses, or is uncertain.
fn bounded(events: &[Event]) -> Result<()> {
    let mut core = Core::new(Settings::default());
    let mut facts = Vec::new();
    let (mut next, mut last) = (0, 0);
    let (mut open, mut most) = (std::collections::HashSet::new(), 0);
    for event in events {
        match event {
            Event::Demand(demand) => drop(open.insert(demand.socket)),
            Event::Served(served) => drop(open.remove(&served.socket)),
            _ => {}
        }
        core.apply(event, &mut facts);
        facts.clear();
        most = most.max(open.len());
        last = event.at().unwrap_or(last);
        if last > next {
            next = last + 10 * MILLISECOND;
            core.apply(&Event::Tick { at: last }, &mut facts);
            for pool in core.snapshot(last).pools {
                let counts = pool.connections;
                ensure!(counts.used <= counts.total, "{counts:?}");
                let pending = pool.pending.map_or(0.0, |pending| pending.value);
                ensure!(
                    (0.0..=most as f64).contains(&pending),
                    "{pending} wait, and {most} demands were open"
                );
            }
        }
    }
    for step in 1..=10 {
        core.apply(&Event::Tick { at: last + step * REST / 10 }, &mut facts);
    }
    for pool in core.snapshot(last + REST).pools {
        let pending = pool.pending.map_or(0.0, |pending| pending.value);
        ensure!(pending == 0.0, "{pending} wait at rest, {:?}", pool.connections);
    }
    Ok(())
}

/// What is off is not trusted: waits, and the count of those that wait.
fn honest(row: &Row) -> Result<(), String> {
    let (real, seen) = (row.truth, row.inferred);
    let waits = share(real.mean, seen.mean).abs().max(share(real.p95, seen.p95).abs());
    let (waiting, _, off) = row.pending;
    if waits > WAITS && row.confidence.1 >= TRUSTED {
        return Err(format!(
            "waits are off by {:.0} % and trusted by {:.2}",
            waits * 100.0,
            row.confidence.1
        ));
    }
    if off > WAITING.0.max(WAITING.1 * waiting) && row.confidence.0 >= TRUSTED {
        return Err(format!("those that wait are off by {off:.2} and trusted by {:.2}", row.confidence.0));
    }
    Ok(())
}

#[test]
fn captures_of_which_one_in_twenty_records_is_lost() -> Result<()> {
    let mut failed = Vec::new();
    for (name, recording) in recordings(&kept())? {
        let (events, borrowings) = (read(&recording)?, truth(&recording.with_extension("truth"))?);
        for seed in SEEDS {
            let arrived = lossy(&events, seed);
            let lost = 1.0 - arrived.len() as f64 / events.len() as f64;
            ensure!((0.03..0.06).contains(&lost), "{name}: {lost} of the records are lost");
            let row = run(&name, &arrived, borrowings.clone());
            println!("{}", row.line(&format!("{name} {seed}")));
            failed.extend(honest(&row).err().map(|error| format!("{name} {seed}: {error}")));
            failed.extend(bounded(&arrived).err().map(|error| format!("{name} {seed}: {error}")));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}
