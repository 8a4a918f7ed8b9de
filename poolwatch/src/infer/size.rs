//! A pool's size limit: configured, else declared, else learned, else unknown (contract §1).
//!
//! In come settings, what the process declares, and how the pool stands; out goes the limit with its source.
//! One declared number applies to each pool of its process, unless a pool was seen with more connections in
//! use: then it is not that pool's number, and the pool is without it from then on.

use super::{
    max::{Plateau, Queue},
    settings::Settings,
    snapshot::{Connections, MaxSource},
    wait::Waiting,
};
use crate::event::{Declared, Process, Time};

/// An estimate below this is nobody who waits, and one that is less trusted is weak.
const SOMEBODY: f64 = 0.5;
const TRUSTED: f64 = 0.5;
/// The method that takes a full pool for a limit: it proves none.
const CIRCULAR: &str = "queue_model";

/// What is known of one pool's limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    configured: Option<u32>,
    declared: Option<u32>,
    above_declared: bool,
    plateau: Plateau,
    kept: Option<u32>,
}

impl Size {
    /// What is set for the service and what its process declares.
    pub fn new(settings: &Settings, process: &Process) -> Self {
        let mut size = Self::default();
        size.prepare(settings, process);
        size
    }

    /// What is set for the service and what the process declares; again after `exec`.
    pub fn prepare(&mut self, settings: &Settings, process: &Process) {
        self.configured = settings.max_of(&process.service);
        let declared = limit(&process.declared);
        if self.declared != declared {
            (self.declared, self.above_declared) = (declared, false);
        }
    }

    /// The limit that another process of the service has shown.
    pub const fn inherit(&mut self, limit: u32) {
        self.plateau.inherit(limit);
    }

    /// A connection was tried in vain.
    pub const fn tried(&mut self) {
        self.plateau.connect();
    }

    /// How the pool stands from `at` on. True when the limit may be another than before.
    pub fn observe(&mut self, at: Time, connections: &Connections, waiting: &Waiting) -> bool {
        let above = self.declared.is_some_and(|limit| connections.used > limit);
        let news = above && !std::mem::replace(&mut self.above_declared, true);
        let learned = self.plateau.observe(at, connections, queue(waiting));
        news || learned
    }

    /// The limit and where it is known from.
    pub fn max(&self) -> Option<(u32, MaxSource)> {
        let declared = self.declared.filter(|_| !self.above_declared);
        let configured = self.configured.map(|size| (size, MaxSource::Configured));
        configured
            .or_else(|| declared.map(|size| (size, MaxSource::Declared)))
            .or_else(|| self.plateau.limit().map(|size| (size, MaxSource::Learned)))
    }

    /// More connections were in use than the process declares.
    pub const fn is_above_declared(&self) -> bool {
        self.above_declared
    }

    /// A limit that the pool has shown since the last call.
    pub fn take_shown(&mut self) -> Option<u32> {
        let shown = self.plateau.shown();
        let news = shown.filter(|_| shown != self.kept);
        self.kept = shown;
        news
    }
}

/// A declared number that can be a limit.
fn limit(declared: &Declared) -> Option<u32> {
    declared.max.and_then(|max| u32::try_from(max).ok()).filter(|max| *max > 0)
}

fn queue(waiting: &Waiting) -> Queue {
    match waiting.pending {
        Some(pending) if pending.value < SOMEBODY || pending.evidence == CIRCULAR => Queue::Empty,
        Some(pending) if pending.confidence < TRUSTED => Queue::Weak,
        Some(_) => Queue::Waiting,
        None => Queue::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{ProcessId, SECOND},
        infer::{process::unnamed, snapshot::Inferred},
    };

    fn size(configured: Option<u32>, declared: Option<i64>) -> Size {
        let mut process = unnamed(ProcessId { pid: 1, started: 1 });
        process.declared.max = declared;
        let pool_max = configured.map(|size| (None, size)).into_iter().collect();
        Size::new(&Settings { pool_max, ..Settings::default() }, &process)
    }

    fn used(used: u32) -> Connections {
        Connections { used, total: used, ..Connections::default() }
    }

    fn pending(value: f64, confidence: f64) -> Waiting {
        Waiting { pending: Some(Inferred { value, evidence: "uprobe", confidence }), ..Waiting::default() }
    }

    fn plateau(size: &mut Size, connections: u32, waiting: &Waiting) {
        size.observe(SECOND, &used(connections), waiting);
        size.observe(2 * SECOND, &used(connections), waiting);
    }

    #[test]
    fn configured_goes_before_declared_before_learned() {
        let waiting = pending(1.0, 0.9);
        let mut all = size(Some(20), Some(10));
        plateau(&mut all, 5, &waiting);
        assert_eq!(all.max(), Some((20, MaxSource::Configured)));
        let mut declared = size(None, Some(10));
        plateau(&mut declared, 5, &waiting);
        assert_eq!(declared.max(), Some((10, MaxSource::Declared)));
        let mut learned = size(None, None);
        assert_eq!(learned.max(), None);
        plateau(&mut learned, 5, &waiting);
        assert_eq!(learned.max(), Some((5, MaxSource::Learned)));
        assert_eq!((learned.take_shown(), learned.take_shown()), (Some(5), None));
    }

    #[test]
    fn a_declared_number_that_cannot_be_a_limit_is_none() {
        for nonsense in [0, -1, i64::MIN, i64::MAX, i64::from(u32::MAX) + 1] {
            let mut size = size(None, Some(nonsense));
            size.observe(0, &used(3), &Waiting::default());
            assert_eq!((size.max(), size.is_above_declared()), (None, false), "{nonsense}");
        }
    }

    #[test]
    fn a_pool_above_the_declared_number_is_without_it() {
        let mut size = size(None, Some(5));
        assert!(!size.observe(0, &used(5), &Waiting::default()));
        assert_eq!(size.max(), Some((5, MaxSource::Declared)));
        assert!(size.observe(1, &used(6), &Waiting::default()));
        assert!(!size.observe(2, &used(1), &Waiting::default()));
        assert_eq!((size.max(), size.is_above_declared()), (None, true));
        plateau(&mut size, 8, &pending(2.0, 0.9));
        assert_eq!(size.max(), Some((8, MaxSource::Learned)));
    }

    #[test]
    fn less_than_one_who_waits_or_a_model_of_the_queue_teaches_nothing() {
        let mut modelled = pending(3.0, 0.9);
        modelled.pending = modelled.pending.map(|pending| Inferred { evidence: CIRCULAR, ..pending });
        for waiting in [Waiting::default(), pending(0.4, 0.9), modelled] {
            let mut size = size(None, None);
            plateau(&mut size, 5, &waiting);
            assert_eq!(size.max(), None);
        }
        let mut size = size(None, None);
        plateau(&mut size, 5, &pending(3.0, 0.3));
        assert_eq!(size.max(), Some((5, MaxSource::Learned)), "weak, but for a second");
    }

    #[test]
    fn an_inherited_limit_is_learned_but_not_shown() {
        let mut size = size(None, None);
        size.inherit(7);
        assert_eq!((size.max(), size.take_shown()), (Some((7, MaxSource::Learned)), None));
    }
}
