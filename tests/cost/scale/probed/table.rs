//! What the agent takes and loses with its probes, for docs/overhead.md.

use std::fmt::Write as _;

use anyhow::Result;

use super::{Flood, Probed};
use crate::{
    scale::table::{head, row},
    verdict::{MET, MISSED, never_more},
};

/// The agent takes at most so many MiB when nobody is watched, and beside a thousand connections and statements.
const IDLE: f64 = 32.0;
const CROWD: f64 = 64.0;

/// What was found, in words and a table.
pub fn text(probed: &Probed) -> Result<String> {
    let mut text = String::new();
    let taken = probed.taken;
    writeln!(
        text,
        "With its probes the agent takes {:.0} MiB when nobody is watched (at most {:.0} since its start), and {:.0} MiB \
         beside {} connections with a statement of its own each.\n",
        taken.idle.resident, taken.idle.peak, taken.crowd.peak, taken.connections
    )?;
    text.push_str(&head(&[
        "ring, bytes",
        "seconds",
        "requests/s",
        "requests, by the clients",
        "by the server",
        "seen",
        "counted as lost",
        "unaccounted for",
        "the agent's share of a processor, %",
    ]));
    probed.floods.iter().for_each(|flood| text.push_str(&flooded(flood)));
    text.push('\n');
    let said = verdicts(probed).into_iter().map(|(what, verdict)| format!("{what}: {verdict}"));
    writeln!(text, "- With probes: {}.", said.collect::<Vec<_>>().join("; "))?;
    Ok(text)
}

fn flooded(flood: &Flood) -> String {
    let lost: Vec<_> = flood.lost.iter().map(|(place, count)| format!("{count} `{place}`")).collect();
    row(&[
        flood.ring.to_string(),
        format!("{:.0}", flood.seconds),
        format!("{:.0}", flood.asked as f64 / flood.seconds),
        flood.asked.to_string(),
        flood.executed.to_string(),
        flood.seen.to_string(),
        if lost.is_empty() { "0".to_owned() } else { lost.join(", ") },
        flood.unaccounted().to_string(),
        format!("{:.0}", flood.processor * 100.0),
    ])
}

/// Every limit of what was found with probes.
pub fn verdicts(probed: &Probed) -> Vec<(String, &'static str)> {
    let Probed { taken, floods } = probed;
    let known = |is: bool| if is { MET } else { MISSED };
    let mut verdicts = vec![
        (format!("{IDLE:.0} MiB idle"), never_more(taken.idle.resident, 0.0, IDLE)),
        (format!("{CROWD:.0} MiB with a crowd"), never_more(taken.crowd.peak, 0.0, CROWD)),
    ];
    if let Some(flood) = floods.first() {
        verdicts.push(("nothing lost".to_owned(), known(flood.lost.is_empty())));
    }
    verdicts.push((
        "every request accounted for".to_owned(),
        known(floods.iter().all(|flood| flood.unaccounted() == 0)),
    ));
    verdicts
}
