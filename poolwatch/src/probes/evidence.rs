//! The probes of waiting: loaded with all others, attached only while somebody wants to know, since every
//! system call of the machine passes them.
//!
//! It keeps all programs and links alive: dropped, everything is detached. What became of each probe is said
//! as for all others.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    programs::{RawTracePoint, raw_trace_point::RawTracePointLinkId, uprobe::UProbeLinkId},
};

use super::{
    catalog::{Hook, PROBES, Probe},
    failure::outcome_of,
    verdict::{self, Outcome},
};
use crate::event::ProbeState;

/// See the module's head.
pub struct Evidence {
    pub(super) ebpf: Ebpf,
    /// In the catalogue's order.
    states: Vec<ProbeState>,
    /// Some of them changed since they were told.
    news: bool,
    attached: Vec<(&'static Probe, RawTracePointLinkId)>,
    /// In pools' libraries, by process.
    pub(super) borrowers: BTreeMap<u32, Vec<(&'static Probe, UProbeLinkId)>>,
    /// In TLS libraries, by process.
    pub(super) libraries: BTreeMap<u32, Vec<(&'static Probe, UProbeLinkId)>>,
}

impl Evidence {
    pub(super) const fn new(ebpf: Ebpf, states: Vec<ProbeState>) -> Self {
        Self {
            ebpf,
            states,
            news: false,
            attached: Vec::new(),
            borrowers: BTreeMap::new(),
            libraries: BTreeMap::new(),
        }
    }

    /// What became of each probe, in the catalogue's order, if that changed since the last call.
    pub fn take_news(&mut self) -> Option<Vec<ProbeState>> {
        std::mem::take(&mut self.news).then(|| self.states.clone())
    }

    /// At least one of them is attached.
    pub const fn is_attached(&self) -> bool {
        !self.attached.is_empty()
    }

    /// Attaches those that wait for it, the last of the catalogue first, so that whoever is told to sleep is told to
    /// wake. What fails is said by [`Self::take_news`], and not tried again.
    pub fn attach(&mut self) {
        let escalated = |probe: &&Probe| probe.escalated && matches!(probe.hook, Hook::Raw(_));
        for probe in PROBES.iter().rev().filter(escalated) {
            if self.state(probe).is_none_or(|state| *state != verdict::state(probe, &Outcome::Calm)) {
                continue;
            }
            let outcome = match attach(&mut self.ebpf, probe) {
                Ok(link) => {
                    self.attached.push((probe, link));
                    Outcome::Attached
                }
                Err(outcome) => outcome,
            };
            self.set(probe, &outcome);
        }
    }

    /// Detaches them, the first of the catalogue first.
    pub fn detach(&mut self) {
        for (probe, link) in std::mem::take(&mut self.attached).into_iter().rev() {
            let program = self.ebpf.program_mut(probe.name).map(<&mut RawTracePoint>::try_from);
            let outcome = match program {
                Some(Ok(program)) => program.detach(link).map_or_else(|e| outcome_of(&e), |()| Outcome::Calm),
                _ => Outcome::Failed("the object has no such program".to_owned()),
            };
            self.set(probe, &outcome);
        }
    }

    fn state(&self, probe: &Probe) -> Option<&ProbeState> {
        self.states.iter().find(|state| state.probe == probe.name)
    }

    pub(super) fn set(&mut self, probe: &Probe, outcome: &Outcome) {
        let new = verdict::state(probe, outcome);
        if let Some(state) = self.states.iter_mut().find(|state| state.probe == probe.name && **state != new)
        {
            *state = new;
            self.news = true;
        }
    }
}

fn attach(ebpf: &mut Ebpf, probe: &Probe) -> Result<RawTracePointLinkId, Outcome> {
    let missing = || Outcome::Failed("the object has no such program".to_owned());
    let Hook::Raw(tracepoint) = probe.hook else { return Err(missing()) };
    let program = ebpf.program_mut(probe.name).ok_or_else(missing)?;
    let program = <&mut RawTracePoint>::try_from(program).map_err(|error| outcome_of(&error))?;
    program.attach(tracepoint).map_err(|error| outcome_of(&error))
}
