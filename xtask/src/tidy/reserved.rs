//! What only a few files may do: read a clock, and write `unsafe`.
//!
//! The rule is about what is shipped: the agent and the probes. Tests time and start what they like.

use super::{Finding, Source};

/// The agent's files that may be unsafe, each for one reason.
const UNSAFE: [&str; 4] = [
    // `clock_gettime`
    "poolwatch/src/clock.rs",
    // Entering a process's network namespace to list its sockets.
    "poolwatch/src/discover/namespace.rs",
    // Records as the kernel wrote them into the ring.
    "poolwatch/src/intake/ring.rs",
    // `malloc_trim`
    "poolwatch/src/probes/memory.rs",
];

/// Types whose `now` reads a clock.
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

/// Checks one file.
pub fn check(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("poolwatch/src/") && !source.path.starts_with("xtask/src/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !UNSAFE.contains(&source.path.as_str()) {
        let lines = source.lines_with("unsafe");
        findings
            .extend(lines.map(|line| Finding::new(source, line, "`unsafe` outside the files listed for it")));
    }
    let timed = ["poolwatch/src/clock.rs", "xtask/src/stopwatch.rs"].contains(&source.path.as_str());
    if !timed {
        let lines = clocks(source);
        findings
            .extend(lines.map(|line| Finding::new(source, line, "a clock is read here: take `now` instead")));
    }
    findings
}

fn clocks(source: &Source) -> impl Iterator<Item = usize> {
    let calls = source.words.windows(4).filter_map(|words| match words {
        [clock, a, b, now] if a.text == ":" && b.text == ":" && now.text == "now" => {
            CLOCKS.contains(&clock.text.as_str()).then_some(now.line)
        }
        _ => None,
    });
    calls.chain(source.lines_with("clock_gettime"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Source::new(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unsafe_only_where_it_is_listed() {
        let text = "fn a() {}\nfn b() { unsafe { c() } }\n// unsafe in words\n";
        assert_eq!(lines("poolwatch/src/export/a.rs", text), [2]);
        assert_eq!(lines("poolwatch/src/intake/ring.rs", text), [0; 0]);
        assert_eq!(lines("poolwatch-ebpf/src/probes/a.rs", text), [0; 0]);
    }

    #[test]
    fn clocks_only_in_the_clock() {
        let text =
            "use std::time::Instant;\nfn a() { Instant::now(); }\nfn b() { std::time::SystemTime::now(); }";
        assert_eq!(lines("poolwatch/src/agent.rs", text), [2, 3]);
        assert_eq!(lines("poolwatch/src/clock.rs", text), [0; 0]);
        assert_eq!(lines("poolwatch/src/agent.rs", "fn a(now: u64) -> u64 { Time::now(now) }"), [0; 0]);
    }
}
