//! Limits that pools have shown, kept for later processes of the same services.
//!
//! In come pools that have shown a limit, out goes the one for a new pool of the same service, server, database
//! and user: a restarted process need not be saturated again before its limit is known. Processes that live
//! at the same time (prefork servers) share it likewise, each until it shows its own.

use std::collections::BTreeMap;

use super::{Core, key::PoolKey, labels::Place, limits, pool::Pool, pools::PoolRef};
use crate::event::Time;

/// Whose limit it is, whatever the process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Service.
    pub service: String,
    /// Server.
    pub server: Place,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
}

/// Limits that pools have shown, kept for later processes of the same services.
#[derive(Debug, Default)]
pub struct Limits {
    table: BTreeMap<Owner, (Time, u32)>,
}

impl Limits {
    /// The limit that was shown last.
    pub fn of(&self, owner: &Owner) -> Option<u32> {
        self.table.get(owner).map(|(_, limit)| *limit)
    }

    /// Keeps a limit. False when the one that was kept longest had to make room.
    pub fn keep(&mut self, owner: Owner, limit: u32, at: Time) -> bool {
        let mut fits = true;
        if self.table.len() >= limits::LEARNED && !self.table.contains_key(&owner) {
            let oldest = self.table.iter().min_by_key(|(_, (at, _))| *at).map(|(owner, _)| owner.clone());
            fits = oldest.is_none_or(|oldest| self.table.remove(&oldest).is_none());
        }
        self.table.insert(owner, (at, limit));
        fits
    }
}

impl Owner {
    fn of(pool: &Pool) -> Self {
        let PoolKey { server, database, user, .. } = pool.key.clone();
        Self { service: pool.process.service.clone(), server, database, user }
    }
}

impl Core {
    /// Keeps what a pool has shown since the last call.
    pub(super) fn keep_shown(&mut self, pool: PoolRef, at: Time) {
        let Some(pool) = self.pools.get_mut(pool) else { return };
        if let Some(limit) = pool.size.take_shown()
            && !self.shown.keep(Owner::of(pool), limit, at)
        {
            self.books.lose("learned", 1);
        }
    }

    /// Gives a new pool the limit that one before it has shown.
    pub(super) fn recall(&self, pool: &mut Pool, at: Time) {
        if let Some(limit) = self.shown.of(&Owner::of(pool)) {
            pool.inherit(limit, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, ProcessId, SECOND, Server, SocketId},
        infer::{
            process::unnamed,
            settings::Settings,
            snapshot::{Inferred, MaxSource},
            wait::Waiting,
        },
    };

    fn owner(service: usize) -> Owner {
        let server = Place { address: "10.0.0.5".into(), port: 5432 };
        Owner { service: service.to_string(), server, database: "shop".into(), user: "app".into() }
    }

    #[test]
    fn limits_are_kept_and_the_oldest_makes_room() {
        let mut table = Limits::default();
        for service in 0..limits::LEARNED {
            assert!(table.keep(owner(service), 5, 1000 + service as u64));
        }
        assert!(table.keep(owner(0), 6, 9000));
        assert!(!table.keep(owner(limits::LEARNED), 7, 9001));
        assert_eq!((table.of(&owner(0)), table.of(&owner(1))), (Some(6), None));
        assert_eq!(table.table.len(), limits::LEARNED);
    }

    fn open(core: &mut Core, pid: u32, socket: u64, at: Time) {
        let process = ProcessId { pid, started: 1 };
        let server = Server::Unix("/run/postgresql".into(), 5432);
        let mut facts = Vec::new();
        let startup = |user: &str| Event::Startup {
            socket: SocketId(socket),
            at,
            user: user.to_owned(),
            database: "shop".into(),
            replication: false,
        };
        let mut named = unnamed(process);
        named.service = "api".into();
        core.apply(&Event::Process(Box::new(named)), &mut facts);
        let socket = SocketId(socket);
        let connected = Some(at);
        core.apply(&Event::Open { socket, process, server, at, connected, midstream: false }, &mut facts);
        core.apply(&startup("app"), &mut facts);
    }

    /// As if its only connection were used and somebody waited for a second.
    fn saturate(core: &mut Core, at: Time) {
        for id in core.pools.all() {
            let pool = core.pools.get_mut(id).unwrap();
            let pending = Some(Inferred { value: 2.0, evidence: "uprobe", confidence: 0.9 });
            pool.waiting = Waiting { pending, ..Waiting::default() };
            (pool.counts.used, pool.counts.opening) = (1, 0);
            pool.tick(at, &mut Vec::new());
            pool.tick(at + SECOND, &mut Vec::new());
        }
    }

    fn max(core: &Core) -> Vec<Option<(u32, MaxSource)>> {
        core.pools.iter().map(|pool| pool.max).collect()
    }

    #[test]
    fn the_next_process_of_the_service_inherits_the_limit() {
        let mut core = Core::new(Settings::default());
        open(&mut core, 1, 1, 0);
        assert_eq!(max(&core), [None]);
        saturate(&mut core, SECOND);
        assert_eq!(max(&core), [Some((1, MaxSource::Learned))]);
        core.apply(
            &Event::Exit { process: ProcessId { pid: 1, started: 1 }, at: 3 * SECOND },
            &mut Vec::new(),
        );
        assert!(max(&core).is_empty());
        open(&mut core, 2, 2, 4 * SECOND);
        assert_eq!(max(&core), [Some((1, MaxSource::Learned))]);
        assert_eq!(core.shown.table.len(), 1);
    }
}
