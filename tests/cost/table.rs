//! The tables of what poolwatch costs others, for docs/overhead.md.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use poolwatch_tests::marks;

use crate::{pairs::Median, verdict};

/// What makes them.
const COMMAND: &str = "cargo xtask bench overhead";

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

impl Found {
    /// Writes the tables into the page.
    pub fn write(&self, page: &Path) -> Result<()> {
        marks::write(page, COMMAND, &self.text()?)
    }

    fn text(&self) -> Result<String> {
        let mut text = String::new();
        let pairs = self.costs.first().map_or(0, |cost| cost.ratio.count);
        writeln!(text, "Medians of {pairs} pairs, and where they lie with 95 %.\n")?;
        writeln!(
            text,
            "| pgbench | transactions/s without | with, as a share | while another is watched | p50 longer, µs | p99 longer, µs | \
             processor per transaction more, µs | while another is watched | poolwatch's share of a processor, % | MiB |"
        )?;
        writeln!(text, "|{}", "---|".repeat(10))?;
        for cost in &self.costs {
            writeln!(text, "{}", cost.line())?;
        }
        writeln!(
            text,
            "\n| web service | requests/s without | processor per request without, µs | more, µs | mean longer, µs | p50 longer, µs | \
             p99 longer, µs | poolwatch's share of a processor, % |\n|{}",
            "---|".repeat(8)
        )?;
        for web in &self.webs {
            writeln!(text, "{}", web.line())?;
        }
        writeln!(
            text,
            "\n| probes | a system call of another process | without, ns | more, ns |\n|---|---|---|---|"
        )?;
        for tax in &self.taxes {
            writeln!(text, "{}", tax.line())?;
        }
        writeln!(text, "\n| what is asked | measured | verdict |\n|---|---|---|")?;
        for verdict in verdict::verdicts(self) {
            writeln!(text, "{}", verdict.line())?;
        }
        writeln!(
            text,
            "\nTime in the probes, as the kernel counts it, without the way into those in libraries:\n"
        )?;
        writeln!(
            text,
            "| work | probe | times per transaction, client and server | ns each time |\n|---|---|---|---|"
        )?;
        for Part { work, probe, runs, each } in &self.parts {
            writeln!(text, "| {work} | `{probe}` | {runs:.2} | {:.0} |", each * 1e9)?;
        }
        Ok(text)
    }
}
