//! Tools that people would otherwise take, on the same work in the same run: what they cost, and what they see. `cargo
//! xtask bench peers` starts this.

mod table;
mod tool;

use anyhow::{Context as _, Result};
use poolwatch_tests::{
    marks, place,
    postgres::{Server, Way},
};

use self::{
    table::Peer,
    tool::{Seen, Tool},
};
use crate::{
    Options,
    bench::{self, Run, Work},
    group::Group,
    pairs::Median,
    watched::{Used, memory},
};

/// What makes the table.
const COMMAND: &str = "cargo xtask bench peers";

/// As fast as it goes, and at a rate that a service may have.
const RATES: [Option<u32>; 2] = [None, Some(1000)];

/// Measures all of them.
pub fn run(options: &Options) -> Result<()> {
    let scratch = place::scratch()?;
    let (group, server) = bench::serve(scratch.path())?;
    let mut tools = Vec::new();
    let mut text = String::new();
    for tool in Tool::ALL {
        match tool.lack() {
            None => tools.push(tool),
            Some(reason) => {
                println!("SKIP {}: {reason}", tool.name());
                text = format!("{text}{} was not measured: {reason}.\n\n", tool.name());
            }
        }
    }
    for rate in RATES {
        let seconds = options.seconds;
        let work = Work { way: Way::Tcp4, selects: true, clients: 8, rate, tls: None, seconds };
        let peers = measure(&work, &tools, &server, &group, options.pairs)?;
        text = format!("{text}{}", table::text(&work, &peers)?);
    }
    println!("{text}");
    options.page.as_ref().map_or(Ok(()), |page| marks::write(page, COMMAND, &text))
}

/// A run with a tool beside it, what the tool used, and what it saw.
type Beside = (Run, Used, Seen);

/// One round: without any, then with each; every other time in the other order.
struct Round {
    alone: Run,
    beside: Vec<Beside>,
}

fn round(work: &Work, tools: &[Tool], server: &Server, group: &Group, backwards: bool) -> Result<Round> {
    let mut beside = Vec::new();
    let first = if backwards { None } else { Some(work.run(server, group)?) };
    let mut order: Vec<Tool> = tools.to_vec();
    if backwards {
        order.reverse();
    }
    for tool in order {
        beside.push(one(work, tool, server, group).context(tool.name())?);
    }
    if backwards {
        beside.reverse();
    }
    Ok(Round { alone: first.map_or_else(|| work.run(server, group), Ok)?, beside })
}

fn one(work: &Work, tool: Tool, server: &Server, group: &Group) -> Result<Beside> {
    let running = tool.start(server)?;
    let own = Group::new("tool")?;
    own.add(running.pid())?;
    let before = own.used()?;
    let run = running.scraped(|| work.run(server, group))?;
    let time = own.used()?.saturating_sub(before).as_secs_f64();
    let used = Used { time, memory: memory(running.pid())?, probes: Vec::new() };
    Ok((run, used, running.end()?))
}

fn measure(work: &Work, tools: &[Tool], server: &Server, group: &Group, pairs: u32) -> Result<Vec<Peer>> {
    let rounds: Vec<Round> =
        (0..pairs).map(|n| round(work, tools, server, group, n % 2 == 1)).collect::<Result<_>>()?;
    let peer = |(place, tool): (usize, &Tool)| -> Result<Peer> {
        let over = |of: &dyn Fn(&Run, &Beside) -> Option<f64>| {
            let values = rounds.iter().filter_map(|round| of(&round.alone, round.beside.get(place)?));
            Median::of(values.collect())
        };
        let always = |of: &dyn Fn(&Run, &Beside) -> f64| {
            over(&|alone, beside| Some(of(alone, beside))).context("no pair")
        };
        Ok(Peer {
            name: tool.name(),
            ratio: always(&|alone, (run, ..)| run.per_second / alone.per_second)?,
            each: always(&|alone, (run, used, _)| {
                (run.used + used.time) / run.count - alone.used / alone.count
            })?,
            own: always(&|_, (_, used, _)| used.time / f64::from(work.seconds))?,
            memory: always(&|_, (_, used, _)| used.memory)?,
            seen: always(&|_, (run, _, seen)| seen.queries / run.count)?,
            // At a rate, pgbench counts from when it should have begun.
            mean: over(&|_, (run, _, seen)| work.rate.map_or(Some(seen.mean? - run.mean), |_| None)),
        })
    };
    tools.iter().enumerate().map(peer).collect()
}
