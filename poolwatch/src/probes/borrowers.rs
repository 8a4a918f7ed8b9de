//! Probes in the libraries of pools: attached in one process's own program, where its functions are.

use std::{num::NonZeroU32, path::Path};

use aya::programs::{
    ProgramError, UProbe,
    uprobe::{UProbeAttachPoint, UProbeLinkId, UProbeScope},
};

use poolwatch_ebpf::wire::exit;

use super::{
    catalog::{Hook, PROBES, Probe},
    evidence::Evidence,
    failure::outcome_of,
    verdict::Outcome,
};

/// A function in a program's file.
#[derive(Clone, Debug)]
pub struct Place {
    /// Offset of an instruction that all calls pass with their arguments.
    pub passed: u64,
    /// Where it is left.
    pub exits: Vec<Exit>,
}

/// Where a function is left, and what the probe there is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    at: u64,
    cookie: u64,
}

impl Exit {
    /// At this offset, with what the register of the first result holds.
    pub const fn with_register(at: u64) -> Self {
        Self { at, cookie: exit::REGISTER }
    }

    /// With nil.
    pub const fn with_nil(at: u64) -> Self {
        Self { at, cookie: exit::NIL }
    }

    /// With what lies on the stack, so many bytes above its lowest address.
    pub const fn with_stack(at: u64, distance: u32) -> Self {
        Self { at, cookie: exit::STACK | (distance as u64) << exit::DISTANCE }
    }

    /// Only by those that pass while the processor's zero flag is that.
    #[must_use]
    pub const fn only_if(self, zero: bool) -> Self {
        let when = if zero { exit::ZERO } else { exit::NOT_ZERO };
        Self { cookie: self.cookie | when, ..self }
    }

    /// The plainest needs no cookie, which kernels before 5.15 do not know.
    pub(super) fn point(&self) -> UProbeAttachPoint<'static> {
        UProbeAttachPoint {
            location: self.at.into(),
            cookie: Some(self.cookie).filter(|cookie| *cookie != 0),
        }
    }
}

/// Processes in whose library probes are attached at once; of further ones other evidence speaks.
const PROCESSES: usize = 256;

/// A probe in a program, to detach it.
pub(super) type Link = (&'static Probe, UProbeLinkId);

impl Evidence {
    /// Attaches in a process's program: on returns first, so that whoever is told to ask is told to be answered.
    /// False if it is not one of those, or there is no room.
    ///
    /// # Errors
    /// What the kernel refused; nothing of it is attached then.
    pub fn attach_to(&mut self, pid: u32, functions: &[Place]) -> Result<bool, Outcome> {
        if functions.is_empty() || self.borrowers.contains_key(&pid) || self.borrowers.len() >= PROCESSES {
            return Ok(false);
        }
        let program = Path::new("/proc").join(pid.to_string()).join("exe");
        let mut links = Vec::new();
        let attached = functions.iter().try_for_each(|function| {
            let exits = function.exits.iter().map(|exit| ("borrower_answered", exit.point()));
            let mut sites = exits.chain([("borrower_asks", function.passed.into())]);
            sites.try_for_each(|(name, at)| self.attach_in(name, pid, &program, at, &mut links))
        });
        match attached {
            Ok(()) => {
                self.borrowers.insert(pid, links);
                self.say_of_borrowers(&Outcome::Attached);
                Ok(true)
            }
            Err(outcome) => {
                self.take_off(links);
                Err(outcome)
            }
        }
    }

    /// Attaches at an offset of a file, for one process.
    pub(super) fn attach_in(
        &mut self,
        name: &str,
        pid: u32,
        file: &Path,
        at: impl Into<UProbeAttachPoint<'static>>,
        links: &mut Vec<Link>,
    ) -> Result<(), Outcome> {
        let missing = || Outcome::Failed("the object has no such program".to_owned());
        let probe = PROBES.iter().find(|probe| probe.name == name).ok_or_else(missing)?;
        let scope = NonZeroU32::new(pid).map(UProbeScope::OneProcess).ok_or_else(missing)?;
        let link = self.with_program(probe, |program| program.attach(at, file, scope))?;
        links.push((probe, link));
        Ok(())
    }

    /// Detaches from a process that is looked at no longer, or has ended.
    pub fn detach_from(&mut self, pid: u32) {
        let Some(links) = self.borrowers.remove(&pid) else { return };
        self.take_off(links);
        if self.borrowers.is_empty() {
            self.say_of_borrowers(&Outcome::Calm);
        }
    }

    pub(super) fn take_off(&mut self, links: Vec<Link>) {
        for (probe, link) in links {
            // The probes of a program that ended are gone already.
            if let Err(outcome) = self.with_program(probe, |program| program.detach(link)) {
                tracing::debug!(probe = probe.name, ?outcome, "cannot detach");
            }
        }
    }

    fn with_program<T>(
        &mut self,
        probe: &Probe,
        act: impl FnOnce(&mut UProbe) -> Result<T, ProgramError>,
    ) -> Result<T, Outcome> {
        let program = self.ebpf.program_mut(probe.name);
        let program = program.ok_or_else(|| Outcome::Failed("the object has no such program".to_owned()))?;
        <&mut UProbe>::try_from(program).and_then(act).map_err(|error| outcome_of(&error))
    }

    /// It failed in a process; where it works in others, it works.
    pub fn fail_to_attach(&mut self, outcome: &Outcome) {
        if self.borrowers.is_empty() {
            self.say_of_borrowers(outcome);
        }
    }

    fn say_of_borrowers(&mut self, outcome: &Outcome) {
        for probe in PROBES.iter().filter(|probe| probe.hook == Hook::Function) {
            self.set(probe, outcome);
        }
    }
}
