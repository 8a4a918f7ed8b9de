//! Probes in TLS libraries: attached for one process, in the file that it has mapped.

use std::path::Path;

use super::{
    borrowers::Exit,
    catalog::{Hook, PROBES},
    evidence::Evidence,
    verdict::Outcome,
};

/// Where probes are set at a function of a library; offsets of its file.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The program at its entry, where its arguments are still as they were passed.
    pub entered: Option<(&'static str, u64)>,
    /// The program where its result stands.
    pub done: &'static str,
    /// Where it is left, and where its result is then.
    pub exits: Vec<Exit>,
    /// The program that catches it by the address that it returns to, and its first instruction.
    pub caught: Option<(&'static str, u64)>,
}

/// Processes in whose library probes are attached at once; what others encrypt is known by turns.
const PROCESSES: usize = 256;

impl Evidence {
    /// Attaches for a process: on returns first, so that whoever is seen to enter is seen to return. False if there is no
    /// room, or it is attached already.
    ///
    /// # Errors
    /// What the kernel refused; nothing of it is attached then.
    pub fn attach_library(&mut self, pid: u32, files: &[(&Path, Vec<Gate>)]) -> Result<bool, Outcome> {
        if self.libraries.contains_key(&pid) || self.libraries.len() >= PROCESSES {
            return Ok(false);
        }
        let mut links = Vec::new();
        let attached = files.iter().try_for_each(|(file, gates)| {
            let exits = gates.iter().flat_map(|gate| gate.exits.iter().map(|exit| (gate.done, exit.point())));
            let caught = gates.iter().filter_map(|gate| gate.caught);
            let entries = gates.iter().filter_map(|gate| gate.entered);
            let plain = caught.chain(entries).map(|(name, at)| (name, at.into()));
            exits.chain(plain).try_for_each(|(name, at)| self.attach_in(name, pid, file, at, &mut links))
        });
        if let Err(outcome) = attached {
            self.take_off(links);
            return Err(outcome);
        }
        self.libraries.insert(pid, links);
        self.say_of_libraries(&Outcome::Attached);
        Ok(true)
    }

    /// Attached for this process.
    pub fn is_in_library(&self, pid: u32) -> bool {
        self.libraries.contains_key(&pid)
    }

    /// Detaches from a process that holds no such connection any more, or has ended.
    pub fn detach_library(&mut self, pid: u32) {
        let Some(links) = self.libraries.remove(&pid) else { return };
        self.take_off(links);
        if self.libraries.is_empty() {
            self.say_of_libraries(&Outcome::Calm);
        }
    }

    /// It failed in a process; where it works in others, it works.
    pub fn fail_in_library(&mut self, outcome: &Outcome) {
        if self.libraries.is_empty() {
            self.say_of_libraries(outcome);
        }
    }

    fn say_of_libraries(&mut self, outcome: &Outcome) {
        for probe in PROBES.iter().filter(|probe| matches!(probe.hook, Hook::Library(_))) {
            self.set(probe, outcome);
        }
    }
}
