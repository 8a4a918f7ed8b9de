//! Who a process is: told before its first connection, and again when it has become another or was named.
//!
//! Sightings and processes come in, [`Event::Process`] goes out, for those that the user wants to see.

use super::watcher::Watcher;
use crate::{
    clock, discover,
    discover::Seen,
    event::{Declared, Event, Process, ProcessId},
    intake::Sighting,
};

impl Watcher {
    /// Takes what was seen, now or once it is known how its process's container is called.
    pub(super) fn take(&mut self, sighting: Sighting, events: &mut Vec<Event>) {
        if let Some(Event::Open { process, .. } | Event::ConnectFailed { process, .. }) = &sighting.event {
            self.wait(*process);
        }
        if self.containers.holds(&sighting) {
            self.containers.hold(sighting);
        } else {
            self.see(sighting, events);
        }
    }

    fn wait(&mut self, id: ProcessId) {
        if !self.containers.may_wait(id.pid) || self.known.process(id.pid) == Some(id) {
            return;
        }
        let seen = discover::process(id.pid).ok().filter(|seen| seen.id == id);
        // Its end is to be told even if it comes at once.
        if seen.is_some_and(|seen| self.containers.wait(seen, clock::now())) {
            self.hold(id.pid);
        }
    }

    /// Tells of processes that waited for names, and again of those that were told of without.
    pub(super) fn tell_named(&mut self, events: &mut Vec<Event>) {
        let news = self.containers.news(clock::now());
        for waiting in news.over {
            self.admit(&waiting.seen, events);
            for sighting in waiting.sightings {
                self.see(sighting, events);
            }
        }
        for id in news.named {
            if self.known.process(id.pid) == Some(id)
                && let Ok(seen) = discover::process(id.pid)
            {
                self.admit(&seen, events);
            }
        }
    }

    /// Tells who a process is, once. False when the user does not want it.
    pub(super) fn introduce(&mut self, id: ProcessId, comm: Option<&str>, events: &mut Vec<Event>) -> bool {
        if self.known.process(id.pid) == Some(id) {
            return true;
        }
        match discover::process(id.pid) {
            Ok(seen) if seen.id == id => self.admit(&seen, events),
            // It ended meanwhile: its command name is all that is left of it.
            _ => self.tell(nameless(id, comm.unwrap_or_default()), events),
        }
    }

    /// A process runs another program, or is a new child: tell who it is now, if it was told before.
    pub(super) fn renew(&mut self, pid: u32, events: &mut Vec<Event>) {
        if self.known.process(pid).is_some()
            && let Ok(seen) = discover::process(pid)
        {
            self.admit(&seen, events);
            self.part_from_lender(pid, events);
            self.part_from_library(pid);
        }
    }

    /// The user does not want this process, which is not known.
    pub(super) fn denied(&self, pid: u32) -> bool {
        let unwanted = |seen: &Seen| {
            let process = seen.named(self.containers.names(seen));
            !self.targets.services.wants(&process.service)
        };
        self.known.process(pid).is_none() && discover::process(pid).is_ok_and(|seen| unwanted(&seen))
    }

    fn admit(&mut self, seen: &Seen, events: &mut Vec<Event>) -> bool {
        let process = seen.named(self.containers.names(seen));
        let wanted = self.tell(process, events);
        if wanted {
            self.containers.meet(seen);
        }
        wanted
    }

    fn tell(&mut self, process: Process, events: &mut Vec<Event>) -> bool {
        let pid = process.id.pid;
        if !self.targets.services.wants(&process.service) {
            let _ = self.maps.deny(pid).inspect_err(|error| tracing::warn!(pid, %error, "cannot leave out"));
            self.drop_if_gone(pid);
            return false;
        }
        self.hold(pid);
        self.known.meet(process.id);
        events.push(Event::Process(Box::new(process)));
        true
    }

    fn hold(&mut self, pid: u32) {
        if self.maps.holds(pid).is_err() {
            self.refused += 1;
        }
        self.drop_if_gone(pid);
    }

    /// The kernel side has seen the end of a process that is not there any more, and would keep what it was told after that until
    /// another has the number.
    fn drop_if_gone(&mut self, pid: u32) {
        if discover::is_over(pid) {
            self.maps.part(pid);
        }
    }
}

fn nameless(id: ProcessId, comm: &str) -> Process {
    Process {
        id,
        service: comm.to_owned(),
        name: comm.to_owned(),
        container: None,
        pod: None,
        namespace: None,
        declared: Declared::default(),
    }
}
