//! What the agent itself uses: processor, memory, descriptors, threads, read from its own `/proc`.
//!
//! The only part of the page that does not come from events, so a replay leaves it out. What cannot
//! be read is absent.

use procfs::{ProcResult, process::LimitValue, process::Process};

use super::{
    metrics::{self, Metric},
    page::Page,
};

/// Gives the samples to the page.
pub fn render(page: &mut Page) {
    let Ok(me) = Process::myself() else { return };
    let mut show = |metric: &'static Metric, value: f64| page.number(metric, Vec::new(), value);
    if let Ok(stat) = me.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        show(&metrics::OWN_CPU, stat.utime.saturating_add(stat.stime) as f64 / ticks);
        show(&metrics::OWN_RESIDENT, stat.rss.saturating_mul(procfs::page_size()) as f64);
        show(&metrics::OWN_VIRTUAL, stat.vsize as f64);
        show(&metrics::OWN_THREADS, stat.num_threads as f64);
        if let Ok(boot) = procfs::boot_time_secs() {
            show(&metrics::OWN_START, boot as f64 + stat.starttime as f64 / ticks);
        }
    }
    if let Ok(open) = me.fd_count() {
        show(&metrics::OWN_DESCRIPTORS, open as f64);
    }
    if let Ok(Some(most)) = most_descriptors(&me) {
        show(&metrics::OWN_DESCRIPTORS_MAX, most as f64);
    }
}

/// `None` without a limit.
fn most_descriptors(me: &Process) -> ProcResult<Option<u64>> {
    Ok(match me.limits()?.max_open_files.soft_limit {
        LimitValue::Value(most) => Some(most),
        LimitValue::Unlimited => None,
    })
}
