//! The tables of other tools beside this one, for docs/overhead.md.

use std::fmt::Write as _;

use anyhow::Result;

use crate::{bench::Work, pairs::Median, table::shown};

/// What one tool costs and sees; times in seconds.
pub struct Peer {
    /// The tool.
    pub name: &'static str,
    /// Transactions per second with it, as a share of those without any.
    pub ratio: Median,
    /// Processor time that each transaction costs more, the tool's own included.
    pub each: Median,
    /// Share of one processor that it uses itself.
    pub own: Median,
    /// Its resident memory in MiB.
    pub memory: Median,
    /// Queries that it saw, as a share of the transactions.
    pub seen: Median,
    /// What its mean time of a query is above pgbench's, where both have one.
    pub mean: Option<Median>,
}

impl Peer {
    fn line(&self) -> String {
        let cells = [
            self.name.to_owned(),
            shown(self.ratio, 1.0, 3),
            shown(self.each, 1e-6, 2),
            shown(self.own, 0.01, 2),
            format!("{:.0}", self.memory.value),
            shown(self.seen, 0.01, 3),
            self.mean.map_or_else(|| "–".to_owned(), |mean| shown(mean, 1e-6, 1)),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

/// One table.
pub fn text(work: &Work, peers: &[Peer]) -> Result<String> {
    let mut text = String::new();
    let rounds = peers.first().map_or(0, |peer| peer.ratio.count);
    writeln!(text, "pgbench, {}; {rounds} rounds:\n", work.name())?;
    writeln!(
        text,
        "| tool | transactions/s, as a share | processor per transaction more, µs | its own share of a processor, % | MiB | queries \
         seen, % of the transactions | its mean above pgbench's, µs |"
    )?;
    writeln!(text, "|{}", "---|".repeat(7))?;
    for peer in peers {
        writeln!(text, "{}", peer.line())?;
    }
    writeln!(text)?;
    Ok(text)
}
