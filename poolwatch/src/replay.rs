//! `poolwatch replay`: a recording goes through the same core and exporter as the live events did.
//!
//! A page belongs to the moment at which somebody read it: what is shown is the state at the last
//! scrape of the recording, or at its end when nobody read the page.

use std::{collections::HashMap, fmt::Write, path::Path, sync::Arc};

use crate::{
    agent::told::Told,
    config::Output,
    event::{Event, Time},
    export::{ExportSettings, Exporter, Filter, Picture, Question},
    infer::{
        Core,
        fact::{Fact, Labels},
        snapshot::PoolSnapshot,
    },
    recording::{self, ReadError},
};

/// What a replay shows, and what was wrong with the recording.
#[derive(Debug)]
pub struct Replayed {
    /// The page, the JSON or the summary.
    pub shown: String,
    /// Why the recording could not be read to its end; what came before is shown.
    pub problem: Option<ReadError>,
}

/// Replays a file.
///
/// # Errors
/// When nothing of it can be read.
pub fn run(file: &Path, output: Output) -> Result<Replayed, ReadError> {
    let (header, events) = recording::open(file)?;
    let export = ExportSettings {
        labels: header.labels,
        label_user: header.label_user,
        own_process: false,
        clock: header.clock,
    };
    let mut told = Told::new(Core::new(header.settings), Exporter::new(export));
    let question = match output {
        Output::Metrics => Question::Metrics,
        Output::Json | Output::Summary => Question::Health(Filter::default()),
    };
    let mut story = Story::default();
    let mut last = None;
    let mut problem = None;
    for event in events {
        match event {
            Ok(event) => {
                if let Some(picture) = story.go_on(&mut told, &event, &question) {
                    last = Some(picture);
                }
            }
            Err(found) => {
                problem = Some(found);
                break;
            }
        }
    }
    let shown = if output == Output::Summary {
        story.summary(&told)
    } else {
        last.unwrap_or_else(|| told.picture(question, story.at)).render().body
    };
    Ok(Replayed { shown, problem })
}

/// What passed by.
#[derive(Debug, Default)]
struct Story {
    events: u64,
    requests: u64,
    statements: u64,
    scrapes: u64,
    since: Option<Time>,
    at: Time,
    /// Every wait of each pool, by its labels and process.
    waits: HashMap<(Arc<Labels>, u32), Vec<Time>>,
}

impl Story {
    /// Tells the event; a scrape is to be answered as it was then.
    fn go_on(&mut self, told: &mut Told, event: &Event, question: &Question) -> Option<Picture> {
        told.tell(event);
        for fact in told.facts() {
            if let Fact::Waited { labels, pid, took } = fact {
                self.waits.entry((Arc::clone(labels), *pid)).or_default().push(*took);
            }
        }
        self.events += 1;
        self.requests += u64::from(matches!(event, Event::Request(_)));
        self.statements += u64::from(matches!(event, Event::Statement(_)));
        if let Some(at) = event.at() {
            self.since.get_or_insert(at);
            self.at = self.at.max(at);
        }
        let Event::Scrape { at } = *event else { return None };
        self.scrapes += 1;
        Some(told.picture(question.clone(), at))
    }

    fn summary(&self, told: &Told) -> String {
        let seconds = self.at.saturating_sub(self.since.unwrap_or(self.at)) as f64 / 1e9;
        let mut text = format!(
            "{} events in {seconds:.1} s: {} answered requests, {} statements, {} scrapes\n",
            self.events, self.requests, self.statements, self.scrapes
        );
        for pool in told.snapshot(self.at).pools {
            let connections = pool.connections;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{} of {} (pid {}): {} used, {} idle, {} opening, {} unknown; {} requests",
                pool.labels.pool,
                pool.labels.service,
                pool.process.id.pid,
                connections.used,
                connections.idle,
                connections.opening,
                connections.unknown,
                pool.requests.total,
            );
            self.tell_waits(&pool, &mut text);
        }
        text
    }

    /// The waits of the whole recording, to the last one: no classes, no window.
    fn tell_waits(&self, pool: &PoolSnapshot, text: &mut String) {
        let waits = self.waits.get(&(Arc::clone(&pool.labels), pool.process.id.pid));
        let (Some(waits), Some(recent)) = (waits, pool.waits) else { return };
        let mut sorted = waits.clone();
        sorted.sort_unstable();
        let seconds = |nanoseconds: f64| nanoseconds / 1e9;
        let mean = seconds(sorted.iter().map(|wait| *wait as f64).sum::<f64>() / sorted.len().max(1) as f64);
        // Of `of` waits, one is longer.
        let all_but_one = |of: usize| {
            let place = (sorted.len() - sorted.len() / of).saturating_sub(1);
            seconds(sorted.get(place).copied().unwrap_or(0) as f64)
        };
        let longest = seconds(sorted.last().copied().unwrap_or(0) as f64);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  waits: {} known, mean {mean:.6} s, p95 {:.6} s, p99 {:.6} s, longest {:.6} s, evidence {}, confidence {:.2}",
            sorted.len(),
            all_but_one(20),
            all_but_one(100),
            longest,
            recent.evidence,
            recent.confidence,
        );
    }
}

#[cfg(test)]
mod tests;
