//! Facts that are log lines: a pool's status changed, a process ended.
//!
//! At most one line per pool (or process name) in ten seconds, judged by `now` alone. A change that
//! comes too early waits and is told when its time has come, with the number of those it stands for;
//! so the last line of a pool is always its last status.

use std::{collections::HashMap, sync::Arc};

use crate::{
    event::{SECOND, Time},
    infer::{
        fact::{Fact, Labels, Status},
        limits,
    },
};

/// Time between two lines about the same thing.
pub const PAUSE: Time = 10 * SECOND;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// For the record.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody should act.
    Error,
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How loud.
    pub loudness: Loudness,
    /// What happened.
    pub text: String,
    /// Lines about the same thing that were left out before this one.
    pub suppressed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum About {
    Pool(Arc<Labels>, u32),
    Process(String),
}

#[derive(Debug, Default)]
struct Topic {
    /// When a line may be written again.
    next: Time,
    held: Option<Line>,
}

/// Decides which facts become lines, and when.
#[derive(Debug, Default)]
pub struct LogLines {
    topics: HashMap<About, Topic>,
    /// The earliest time at which some topic has something to do.
    due: Option<Time>,
    /// Lines left out because there were too many topics; told with the next line.
    unheard: u64,
}

impl LogLines {
    /// The lines to write now. To be called with no facts as well while time passes.
    pub fn observe(&mut self, facts: &[Fact], now: Time) -> Vec<Line> {
        let mut lines = self.overdue(now);
        for fact in facts {
            if let Some((about, line)) = line_of(fact) {
                lines.extend(self.hear(about, line, now));
            }
        }
        if let Some(first) = lines.first_mut() {
            first.suppressed += std::mem::take(&mut self.unheard);
        }
        lines
    }

    fn hear(&mut self, about: About, mut line: Line, now: Time) -> Option<Line> {
        if !self.topics.contains_key(&about) && self.topics.len() >= limits::POOLS {
            self.unheard += 1;
            return None;
        }
        let topic = self.topics.entry(about).or_default();
        if topic.next <= now {
            topic.next = now.saturating_add(PAUSE);
            self.due = Some(self.due.map_or(topic.next, |due| due.min(topic.next)));
            return Some(line);
        }
        line.suppressed += topic.held.take().map_or(0, |held| held.suppressed + 1);
        topic.held = Some(line);
        None
    }

    /// Tells what was held back long enough, and forgets the topics of which there is nothing to tell.
    fn overdue(&mut self, now: Time) -> Vec<Line> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        self.topics.retain(|about, topic| {
            if topic.next <= now {
                let Some(line) = topic.held.take() else { return false };
                lines.push((about.clone(), line));
                topic.next = now.saturating_add(PAUSE);
            }
            true
        });
        self.due = self.topics.values().map(|topic| topic.next).min();
        lines.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

impl Line {
    /// Writes the line to the log.
    pub fn write(&self) {
        let suppressed = self.suppressed;
        match self.loudness {
            Loudness::Info => tracing::info!(suppressed, "{}", self.text),
            Loudness::Warn => tracing::warn!(suppressed, "{}", self.text),
            Loudness::Error => tracing::error!(suppressed, "{}", self.text),
        }
    }
}

fn line_of(fact: &Fact) -> Option<(About, Line)> {
    match fact {
        Fact::StatusChanged { labels, pid, from, to, reason } => {
            let text = format!(
                "pool {} of {} (pid {pid}) is {} (was {}): {reason}",
                labels.pool,
                labels.service,
                word(*to),
                word(*from),
            );
            let loudness = match to {
                Status::Normal => Loudness::Info,
                Status::Warning => Loudness::Warn,
                Status::Critical => Loudness::Error,
            };
            Some((About::Pool(Arc::clone(labels), *pid), Line { loudness, text, suppressed: 0 }))
        }
        Fact::ProcessEnded { pid, name, connections } => {
            let text = format!("process {name} (pid {pid}) ended with {connections} connections open");
            Some((About::Process(name.clone()), Line { loudness: Loudness::Info, text, suppressed: 0 }))
        }
        _ => None,
    }
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Normal => "normal",
        Status::Warning => "warning",
        Status::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(pool: &str, from: Status, to: Status) -> Fact {
        let labels = Labels {
            service: "api".into(),
            namespace: None,
            server_address: "10.0.0.5".into(),
            server_port: 5432,
            database: "shop".into(),
            user: "app".into(),
            pool: pool.into(),
        };
        Fact::StatusChanged { labels: Arc::new(labels), pid: 42, from, to, reason: "used 10 of 10".into() }
    }

    #[test]
    fn a_change_reads_as_a_sentence() {
        let lines = LogLines::default().observe(&[changed("a", Status::Normal, Status::Critical)], 0);
        let [line] = lines.as_slice() else { panic!("one line expected: {lines:?}") };
        assert_eq!(line.text, "pool a of api (pid 42) is critical (was normal): used 10 of 10");
        assert_eq!(line.loudness, Loudness::Error);
    }

    #[test]
    fn what_comes_too_early_is_told_later_and_counted() {
        use Status::{Critical, Normal, Warning};
        let mut log = LogLines::default();
        assert_eq!(log.observe(&[changed("a", Normal, Warning)], SECOND).len(), 1);
        for second in 2..6 {
            let (from, to) = if second % 2 == 0 { (Warning, Critical) } else { (Critical, Warning) };
            assert!(log.observe(&[changed("a", from, to)], second * SECOND).is_empty());
        }
        assert!(log.observe(&[], 11 * SECOND - 1).is_empty());
        let told = log.observe(&[], 11 * SECOND);
        assert_eq!(told.len(), 1);
        assert!(told[0].text.contains("is warning"));
        assert_eq!(told[0].suppressed, 3);
        assert!(log.observe(&[], 30 * SECOND).is_empty());
        assert!(log.topics.is_empty());
    }

    #[test]
    fn pools_do_not_silence_each_other() {
        let facts =
            [changed("a", Status::Normal, Status::Warning), changed("b", Status::Normal, Status::Warning)];
        assert_eq!(LogLines::default().observe(&facts, 0).len(), 2);
    }

    #[test]
    fn too_many_topics_are_counted_not_kept() {
        let mut log = LogLines::default();
        let ended = |pid| Fact::ProcessEnded { pid, name: format!("job-{pid}"), connections: 1 };
        let facts: Vec<_> = (0..9000).map(ended).collect();
        assert_eq!(log.observe(&facts, 0).len(), limits::POOLS);
        assert_eq!(log.topics.len(), limits::POOLS);
        let lines = log.observe(&[ended(1_000_000)], PAUSE);
        assert_eq!(lines[0].suppressed, 0, "told with the first batch already");
    }
}
