//! What a page says of one role, found by its text.
//!
//! A page with a hundred roles is asked for hundreds of times here: the strict reader is for other tests.

use anyhow::{Result, ensure};
use poolwatch_tests::agent::Agent;

const REQUESTS: &str = "db_client_operation_duration_seconds_count{";
const OPENED: &str = "poolwatch_connections_opened_total{";
const CLOSED: &str = "poolwatch_connections_closed_total{";
const BLIND: &str = "poolwatch_process_blind{";
const HONEST: [&str; 2] = ["poolwatch_events_lost_total{", "poolwatch_unparsed_total{"];

/// A page.
pub struct Page {
    text: String,
}

/// What poolwatch says of a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests.
    pub requests: u64,
    /// Those with an error.
    pub failed: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
}

impl Page {
    /// As it is now.
    pub fn of(agent: &Agent) -> Result<Self> {
        let (status, text) = agent.get("/metrics")?;
        ensure!(status == 200, "/metrics answers {status}: {text}");
        Ok(Self { text })
    }

    /// Lines of a metric with their values.
    fn lines<'p>(&'p self, metric: &'p str) -> impl Iterator<Item = (&'p str, u64)> {
        self.text.lines().filter(move |line| line.starts_with(metric)).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            // Counts are written as whole numbers.
            Some((series, value.parse().ok()?))
        })
    }

    /// The reason for which connections of this process cannot be read.
    pub fn blind(&self, pid: u32) -> Option<String> {
        let of = format!("process_pid=\"{pid}\"");
        let (series, _) = self.lines(BLIND).find(|(series, value)| series.contains(&of) && *value == 1)?;
        let (_, reason) = series.split_once("reason=\"")?;
        reason.split('"').next().map(str::to_owned)
    }
}

/// What a page says of a role.
pub fn count(page: &Page, role: &str) -> Counted {
    let of = format!("db_user=\"{role}\"");
    let sum = |metric, but: &str| -> u64 {
        page.lines(metric)
            .filter(|(series, _)| series.contains(&of) && (but.is_empty() || !series.contains(but)))
            .map(|(_, value)| value)
            .sum()
    };
    Counted {
        requests: sum(REQUESTS, ""),
        failed: sum(REQUESTS, "error_type=\"\""),
        opened: sum(OPENED, ""),
        closed: sum(CLOSED, ""),
    }
}

/// What was lost or not understood in between.
pub fn lost(before: &Page, after: &Page) -> Vec<String> {
    let mut losses = Vec::new();
    for metric in HONEST {
        for (series, value) in after.lines(metric) {
            let was = before.lines(metric).find(|(old, _)| *old == series).map_or(0, |(_, value)| value);
            if value > was {
                losses.push(format!(
                    "{} x {}",
                    value - was,
                    series.trim_start_matches(metric).trim_end_matches('}')
                ));
            }
        }
    }
    losses
}
