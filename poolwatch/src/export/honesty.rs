//! What the agent says of itself on the page: losses, what it could not read, probes, its version.
//!
//! Totals come in with the snapshot; the exporter's own losses are added to them.

use super::{metrics, page::Page, tables::Losses};
use crate::infer::snapshot::Snapshot;

/// Gives the samples to the page.
pub fn render(snapshot: &Snapshot, losses: Losses, page: &mut Page) {
    let books = &snapshot.books;
    page.number(&metrics::EVENTS, Vec::new(), books.events as f64);
    for (place, count) in &books.lost {
        page.number(&metrics::EVENTS_LOST, vec![("where", place.clone())], *count as f64);
    }
    for (place, count) in losses.by_place() {
        page.number(&metrics::EVENTS_LOST, vec![("where", place.to_owned())], count as f64);
    }
    for (reason, count) in &books.unparsed {
        page.number(&metrics::UNPARSED, vec![("reason", reason.clone())], *count as f64);
    }
    // A probe whose work another tier does is not missing.
    for probe in snapshot.probes.iter().filter(|probe| probe.verdict != "not_applicable") {
        page.info(&metrics::PROBE_ATTACHED, vec![("probe", probe.probe.clone())], probe.attached);
    }
    build(page);
}

fn build(page: &mut Page) {
    let architecture = ("architecture", std::env::consts::ARCH.to_owned());
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    page.info(&metrics::BUILD_INFO, vec![architecture, version], true);
}
