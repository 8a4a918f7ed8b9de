//! The tables of what poolwatch costs others, for docs/overhead.md.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use anyhow::Result;

use poolwatch_tests::marks;

use crate::{pairs::Median, verdict};

/// What makes one of them.
const COMMAND: &str = "cargo xtask bench overhead -- --table";

/// What one kind of work costs more; times in seconds.
pub struct Cost {
    /// The work.
    pub name: String,
    /// Transactions per second without poolwatch.
    pub per_second: Median,
    /// The same with it, as a share.
    pub ratio: Median,
    /// The same while it watches another process.
    pub ratio_of_other: Median,
    /// What the median transaction takes longer.
    pub p50: Median,
    /// What the 99th percentile takes longer.
    pub p99: Median,
    /// Processor time that each transaction costs more, poolwatch's own included.
    pub each: Median,
    /// The same while it watches another process.
    pub each_of_other: Median,
    /// Share of one processor that poolwatch uses itself.
    pub agent: Median,
    /// Its resident memory in MiB.
    pub memory: Median,
}

/// What a web service costs more; times in seconds.
pub struct Web {
    /// The service and its load.
    pub name: String,
    /// Requests per second without poolwatch.
    pub per_second: Median,
    /// Processor time of each request without it.
    pub each_without: Median,
    /// Processor time that each request costs more, poolwatch's own included.
    pub each: Median,
    /// What a request takes longer in the mean.
    pub mean: Median,
    /// The same as a share of the mean.
    pub mean_share: Median,
    /// What the median request takes longer.
    pub p50: Median,
    /// What the 99th percentile takes longer.
    pub p99: Median,
    /// The same as a share of it.
    pub p99_share: Median,
    /// Share of one processor that poolwatch uses itself.
    pub agent: Median,
    /// Largest share of requests that failed, in any run.
    pub failed: f64,
}

/// What a system call of somebody else costs more, in nanoseconds.
pub struct Tax {
    /// The tier of probes.
    pub tier: String,
    /// The call.
    pub call: String,
    /// Without poolwatch.
    pub without: Median,
    /// More with it.
    pub more: Median,
}

/// What one probe takes of the processor.
pub struct Part {
    /// Of what work.
    pub work: String,
    /// Name of its program.
    pub probe: String,
    /// How often it runs for a transaction.
    pub runs: f64,
    /// How long each time, in seconds.
    pub each: f64,
}

/// Everything.
#[derive(Default)]
pub struct Found {
    /// By work.
    pub costs: Vec<Cost>,
    /// By service.
    pub webs: Vec<Web>,
    /// By tier and call.
    pub taxes: Vec<Tax>,
    /// By probe, if the kernel was asked.
    pub parts: Vec<Part>,
}

/// `value [low, high]`, in units of `unit`.
pub fn shown(median: Median, unit: f64, digits: usize) -> String {
    let Median { value, low, high, .. } = median;
    let [value, low, high] = [value, low, high].map(|number| number / unit);
    format!("{value:.digits$} [{low:.digits$}, {high:.digits$}]")
}

impl Cost {
    /// A row of the table.
    pub fn line(&self) -> String {
        let cells = [
            self.name.clone(),
            format!("{:.0}", self.per_second.value),
            shown(self.ratio, 1.0, 3),
            shown(self.ratio_of_other, 1.0, 3),
            shown(self.p50, 1e-6, 1),
            shown(self.p99, 1e-6, 0),
            shown(self.each, 1e-6, 2),
            shown(self.each_of_other, 1e-6, 2),
            shown(self.agent, 0.01, 2),
            format!("{:.0}", self.memory.value),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

impl Web {
    /// A row of the table.
    pub fn line(&self) -> String {
        let cells = [
            self.name.clone(),
            format!("{:.0}", self.per_second.value),
            format!("{:.0}", self.each_without.value / 1e-6),
            shown(self.each, 1e-6, 1),
            shown(self.mean, 1e-6, 0),
            shown(self.p50, 1e-6, 0),
            shown(self.p99, 1e-6, 0),
            shown(self.agent, 0.01, 2),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

impl Tax {
    /// A row of the table.
    pub fn line(&self) -> String {
        let cells = [
            self.tier.clone(),
            self.call.clone(),
            format!("{:.0}", self.without.value),
            shown(self.more, 1.0, 1),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

impl Part {
    fn line(&self) -> String {
        let Self { work, probe, runs, each } = self;
        format!("| {work} | `{probe}` | {runs:.2} | {:.0} |", each * 1e9)
    }
}

impl Found {
    /// Writes what was found into the page, in the place of the table with this name.
    pub fn write(&self, page: &Path, table: &str, whole: bool) -> Result<()> {
        let put = if whole { marks::write } else { marks::renew };
        put(page, &format!("{COMMAND} {table}"), &self.text()?)
    }

    fn text(&self) -> Result<String> {
        let mut text = String::new();
        let mut pairs = BTreeSet::new();
        pairs.extend(self.costs.iter().map(|cost| cost.ratio.count));
        pairs.extend(self.webs.iter().map(|web| web.mean.count));
        pairs.extend(self.taxes.iter().map(|tax| tax.more.count));
        let pairs: Vec<String> = pairs.iter().map(usize::to_string).collect();
        writeln!(text, "Medians of {} pairs, and where they lie with 95 %.", pairs.join(" or "))?;
        rows(&mut text, &COSTS, self.costs.iter().map(Cost::line))?;
        rows(&mut text, &WEBS, self.webs.iter().map(Web::line))?;
        rows(&mut text, &TAXES, self.taxes.iter().map(Tax::line))?;
        rows(&mut text, &VERDICTS, verdict::verdicts(self).iter().map(verdict::Verdict::line))?;
        if !self.parts.is_empty() {
            writeln!(
                text,
                "\nTime in the probes, as the kernel counts it, without the way into those in libraries:"
            )?;
        }
        rows(&mut text, &PARTS, self.parts.iter().map(Part::line))?;
        Ok(text)
    }
}

/// A table with this head; none without a row.
fn rows(text: &mut String, head: &[&str], lines: impl Iterator<Item = String>) -> Result<()> {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        writeln!(text, "\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()))?;
    }
    for line in lines {
        writeln!(text, "{line}")?;
    }
    Ok(())
}

const COSTS: [&str; 10] = [
    "pgbench",
    "transactions/s without",
    "with, as a share",
    "while another is watched",
    "p50 longer, µs",
    "p99 longer, µs",
    "processor per transaction more, µs",
    "while another is watched",
    "poolwatch's share of a processor, %",
    "MiB",
];
const WEBS: [&str; 8] = [
    "web service",
    "requests/s without",
    "processor per request without, µs",
    "more, µs",
    "mean longer, µs",
    "p50 longer, µs",
    "p99 longer, µs",
    "poolwatch's share of a processor, %",
];
const TAXES: [&str; 4] = ["probes", "a system call of another process", "without, ns", "more, ns"];
const VERDICTS: [&str; 3] = ["what is asked", "measured", "verdict"];
const PARTS: [&str; 4] = ["work", "probe", "times per transaction, client and server", "ns each time"];
