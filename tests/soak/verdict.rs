//! What is asked of the agent over the hour, held against the samples. Growth is told by medians of the first and the last third
//! of the time after the warm-up: single samples go up and down with the load.

use poolwatch_tests::held::Table;

use crate::{
    load::Counts,
    sample::{Sample, Told},
};

/// Part of the time in which memory may still grow: tables, windows of a minute, the allocator's own.
const WARM_UP: f64 = 0.25;
/// Growth of memory that is none, as a share.
const FLAT: f64 = 0.01;
/// Growth of a map that is none: its entries come and go.
const SWAY: f64 = 0.10;
const SWAY_ENTRIES: f64 = 2.0;
/// Maps that hold what lives on: the server's port, and the thread that asks for the page.
const LIVE_ON: [&str; 2] = ["PORTS", "THREADS"];
/// Connects a second that are asked for.
const CHURN: f64 = 10.0;

/// Everything.
pub struct Story {
    /// When it began, UTC.
    pub began: String,
    /// Only the load was watched, not the whole machine.
    pub own: bool,
    /// How long the load lasted, seconds.
    pub lasted: f64,
    /// Maps before the load.
    pub before: Vec<Table>,
    /// While it ran.
    pub samples: Vec<Sample>,
    /// When it had gone for a while.
    pub after: Sample,
    /// What the server says.
    pub counts: Counts,
    /// What the agent says.
    pub page: Told,
}

/// One thing that is asked.
pub struct Verdict {
    asked: &'static str,
    measured: String,
    /// It is so.
    pub met: bool,
}

impl Verdict {
    /// A row of the table.
    pub fn line(&self) -> String {
        format!("| {} | {} | {} |", self.asked, self.measured, if self.met { "met" } else { "missed" })
    }
}

impl Story {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.counts.statements as f64 / self.lasted
    }

    /// All of them.
    pub fn verdicts(&self) -> Vec<Verdict> {
        vec![
            self.memory(),
            self.descriptors(),
            self.maps(),
            self.nothing_left(),
            self.lost(),
            self.exact(),
            self.churn(),
        ]
    }

    fn memory(&self) -> Verdict {
        let [first, last] = self.ends(|sample| sample.resident as f64);
        let growth = last / first - 1.0;
        let measured = format!(
            "{:.2} MiB, then {:.2} MiB: {:+.2} %",
            first / f64::from(1 << 20),
            last / f64::from(1 << 20),
            growth * 100.0
        );
        Verdict {
            asked: "resident memory is flat after the warm-up (within 1 %)",
            measured,
            met: growth <= FLAT,
        }
    }

    fn descriptors(&self) -> Verdict {
        // The least: whoever asks for the page holds one more for a moment.
        let smallest = |values: Vec<f64>| values.into_iter().fold(f64::INFINITY, f64::min);
        let [first, last] = self.thirds(|sample| sample.descriptors as f64).map(smallest);
        Verdict {
            asked: "no growth of descriptors",
            measured: format!("{first}, then {last}"),
            met: last <= first,
        }
    }

    fn maps(&self) -> Verdict {
        let entries = |name: &str, sample: &Sample| {
            let table = sample.tables.iter().find(|table| table.name == name);
            table.map_or(0.0, |table| table.entries as f64)
        };
        let ends = |table: &Table| (table.name.clone(), self.ends(|sample| entries(&table.name, sample)));
        let all: Vec<(String, [f64; 2])> = self.before.iter().map(ends).collect();
        let grown = |[first, last]: [f64; 2]| last > first + (first * SWAY).max(SWAY_ENTRIES);
        let shown: Vec<String> =
            all.iter().map(|(name, [first, last])| format!("{name} {first} → {last}")).collect();
        Verdict {
            asked: "no growth of any map (within 10 % or two entries)",
            measured: shown.join(", "),
            met: !all.iter().any(|(_, ends)| grown(*ends)),
        }
    }

    fn nothing_left(&self) -> Verdict {
        let before =
            |name: &str| self.before.iter().find(|table| table.name == name).map_or(0, |t| t.entries);
        let left: Vec<String> = self
            .after
            .tables
            .iter()
            .filter(|table| !LIVE_ON.contains(&table.name.as_str()) && table.entries > before(&table.name))
            .map(|table| format!("{} {}", table.name, table.entries))
            .collect();
        let measured =
            if left.is_empty() { format!("{} entries", self.after.entries()) } else { left.join(", ") };
        Verdict {
            asked: "35 s after the load nothing of it is left in the maps",
            measured,
            met: left.is_empty(),
        }
    }

    fn lost(&self) -> Verdict {
        let lost = self.after.lost;
        let measured = format!("{lost} at {:.0} requests/s", self.rate());
        Verdict { asked: "nothing lost, nothing unparsed", measured, met: lost == 0.0 }
    }

    fn exact(&self) -> Verdict {
        let (made, seen) = (self.counts.statements, self.page.requests);
        Verdict {
            asked: "every statement that the server executed is one request",
            measured: format!("{made} executed, {seen} seen"),
            met: made == seen,
        }
    }

    fn churn(&self) -> Verdict {
        let per_second = self.page.opened / self.lasted;
        let Told { opened, closed, .. } = self.page;
        let measured = format!(
            "{opened} opened, {closed} closed: {per_second:.1}/s from {} processes",
            self.counts.processes
        );
        #[expect(clippy::float_cmp, reason = "counts are whole numbers, exact in a float")]
        let met = opened == closed && per_second >= CHURN;
        Verdict { asked: "at least 10 connects/s, and as many ends", measured, met }
    }

    /// Medians of the first and the last third after the warm-up.
    fn ends(&self, of: impl Fn(&Sample) -> f64) -> [f64; 2] {
        self.thirds(of).map(|values| median(&values))
    }

    fn thirds(&self, of: impl Fn(&Sample) -> f64) -> [Vec<f64>; 2] {
        let warm = |sample: &&Sample| sample.seconds >= self.lasted * WARM_UP;
        let values: Vec<f64> = self.samples.iter().filter(warm).map(of).collect();
        let third = values.len().div_ceil(3);
        let first = values.get(..third).unwrap_or_default();
        let last = values.get(values.len() - third..).unwrap_or_default();
        [first.to_vec(), last.to_vec()]
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
