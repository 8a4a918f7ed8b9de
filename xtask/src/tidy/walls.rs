//! Which room of the agent may use which: nothing on the right of the house calls something on the left.
//!
//! The rooms, left to right: probes, intake, discover, then `infer`, then `export`. `event` is the
//! vocabulary between them; `agent` wires all of them together.

use super::{Finding, Source};

/// Each room and what it may import. A room that is not here cannot be built: decide first where it stands.
const WALLS: [(&str, &[&str]); 14] = [
    ("event", &[]),
    ("postgres", &["event"]),
    ("privilege", &[]),
    ("clock", &["event"]),
    ("infer", &["event"]),
    ("recording", &["event", "infer", "clock"]),
    ("export", &["event", "infer", "clock"]),
    // It resolves flags and files into the settings of the rooms that have some.
    ("config", &["event", "clock", "infer", "export"]),
    ("probes", &["event", "config"]),
    ("discover", &["event", "config", "privilege"]),
    ("intake", &["event", "postgres", "probes", "config"]),
    ("check", &["event", "config", "probes", "discover", "privilege"]),
    (
        "agent",
        &[
            "event",
            "postgres",
            "privilege",
            "clock",
            "infer",
            "recording",
            "export",
            "config",
            "probes",
            "discover",
            "intake",
            "check",
        ],
    ),
    // The agent's right side, fed from a file.
    ("replay", &["event", "infer", "recording", "export", "config", "agent"]),
];

/// Rooms that know the records of the kernel side; everybody else knows events.
const WIRE: [&str; 2] = ["intake", "probes"];

/// Rooms without I/O, clock, log or kernel, and the names that would break that.
const PURE: [&str; 2] = ["infer", "postgres"];
const IMPURE_STD: [&str; 5] = ["env", "fs", "io", "process", "thread"];
const IMPURE: [&str; 8] = ["aya", "axum", "libc", "procfs", "prometheus", "tokio", "tracing", "netlink"];

/// Checks one file of the agent.
pub fn check(source: &Source) -> Vec<Finding> {
    let Some(room) = room(&source.path) else { return Vec::new() };
    let Some((_, allowed)) = WALLS.iter().find(|(name, _)| *name == room) else {
        return vec![Finding::new(source, 1, format!("`{room}` is not in the table of walls"))];
    };
    let mut findings = imports(source, room, allowed);
    if !WIRE.contains(&room) {
        let wire = source.lines_with("poolwatch_ebpf");
        findings.extend(wire.map(|line| Finding::new(source, line, format!("`{room}` reads wire records"))));
    }
    if PURE.contains(&room) {
        findings.extend(impurities(source, room));
    }
    findings
}

/// The first part of the path below the agent's sources; none for the files that list the rooms.
fn room(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("poolwatch/src/")?;
    let room = inner.split('/').next()?.trim_end_matches(".rs");
    (room != "lib" && room != "main").then_some(room)
}

fn imports(source: &Source, room: &str, allowed: &[&str]) -> Vec<Finding> {
    let names = source.names_after("crate").into_iter();
    // Only rooms: a macro or an item of the crate's root is not a wall.
    let rooms = names.filter(|(name, _)| WALLS.iter().any(|(known, _)| known == name));
    rooms
        .filter(|(name, _)| *name != room && !allowed.contains(name))
        .map(|(name, line)| Finding::new(source, line, format!("`{room}` must not use `{name}`")))
        .collect()
}

fn impurities(source: &Source, room: &str) -> Vec<Finding> {
    let std = source.names_after("std").into_iter().filter(|(name, _)| IMPURE_STD.contains(name));
    let others = IMPURE.into_iter().flat_map(|name| source.lines_with(name).map(move |line| (name, line)));
    std.chain(others)
        .map(|(name, line)| Finding::new(source, line, format!("`{room}` is pure: no `{name}`")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn the_right_may_use_what_it_is_told() {
        assert_eq!(
            findings("poolwatch/src/infer/pool.rs", "use crate::{event::Time, infer::fact};"),
            [""; 0]
        );
        assert_eq!(
            findings("poolwatch/src/export/page.rs", "use crate::infer::snapshot::Snapshot;"),
            [""; 0]
        );
        assert_eq!(findings("poolwatch/src/main.rs", "use poolwatch::agent;"), [""; 0]);
    }

    #[test]
    fn the_right_never_calls_the_left() {
        let found = findings("poolwatch/src/infer/pool.rs", "use crate::{event, intake::ring};");
        assert_eq!(found, ["`infer` must not use `intake`"]);
        assert_eq!(findings("poolwatch/src/export/a.rs", "fn f() { crate::discover::scan() }").len(), 1);
        assert_eq!(findings("poolwatch/src/intake/a.rs", "use crate::infer::Core;").len(), 1);
    }

    #[test]
    fn a_new_room_needs_its_place() {
        assert_eq!(findings("poolwatch/src/attic/mod.rs", ""), ["`attic` is not in the table of walls"]);
    }

    #[test]
    fn wire_records_stay_left() {
        assert_eq!(
            findings("poolwatch/src/infer/a.rs", "use poolwatch_ebpf::wire;"),
            ["`infer` reads wire records"]
        );
        assert_eq!(findings("poolwatch/src/intake/a.rs", "use poolwatch_ebpf::wire;"), [""; 0]);
    }

    #[test]
    fn pure_rooms_do_no_io() {
        let text =
            "use std::{collections::BTreeMap, fs};\nuse std::net::IpAddr;\nfn f() { tracing::info!(\"\") }";
        let found = findings("poolwatch/src/infer/a.rs", text);
        assert_eq!(found, ["`infer` is pure: no `fs`", "`infer` is pure: no `tracing`"]);
    }

    #[test]
    fn the_table_names_only_rooms() {
        let known = |name: &str| WALLS.iter().any(|(room, _)| *room == name);
        assert!(WALLS.iter().flat_map(|(_, allowed)| *allowed).all(|name| known(name)));
    }
}
