//! Takes records out of the ring, reads them, and puts them in kernel-time order: a portion at a time, which stays in the
//! processor's cache until it is told.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use super::{
    decode::Sighting,
    records::{Records, Totals},
};
use crate::event::{SocketId, Time};

/// Records taken at once at most, so that a portion stays in the processor's cache until it is told: a seventh of the agent's
/// work at 70,000 requests per second. At a tenth of that, what 20 ms bring is one portion, and wholly in order.
const PORTION: usize = 1024;
/// Records of one CPU are in order; those of two may be as far out of it as a probe takes, or as it is interrupted.
const DISORDER: Time = 2_000_000;

/// What a portion brought.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// So many of the sightings, from the first, are in their final order. Earlier ones may still come before the others.
    pub ready: usize,
    /// The ring was not empty.
    pub more: bool,
}

/// The reading end of the ring.
pub struct Intake {
    ring: RingBuf<MapData>,
    records: Records,
}

impl Intake {
    /// Reads from this ring.
    pub fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, records: Records::new() }
    }

    /// What statements had to be forgotten, by place.
    pub fn lost(&self) -> [(&'static str, u64); 3] {
        self.records.lost()
    }

    /// A connection is gone without a record of it.
    pub fn forget(&mut self, socket: SocketId) {
        self.records.forget(socket);
    }

    /// Something to wait on: readable when the kernel side finds the ring filling up.
    ///
    /// # Errors
    /// When there is no descriptor left, or no reactor runs.
    pub fn full(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let descriptor = self.ring.as_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by what is returned, and so is open as long as it is registered.
        unsafe { AsyncFd::register(descriptor) }.map_err(io::Error::from)
    }

    /// What was taken since the start.
    pub const fn totals(&self) -> Totals {
        self.records.totals()
    }

    /// Takes a portion of what is there, behind the sightings that are left of the one before.
    pub fn drain(&mut self, sightings: &mut Vec<Sighting>) -> Portion {
        self.records.begin();
        let mut more = true;
        for _ in 0..PORTION {
            let Some(record) = self.ring.next() else {
                more = false;
                break;
            };
            self.records.take(&record, sightings);
        }
        Portion { ready: order(sightings, more), more }
    }
}

/// Puts sightings in kernel-time order; of so many of them it is final, where more are to come.
fn order(sightings: &mut [Sighting], more: bool) -> usize {
    sightings.sort_by_key(|sighting| sighting.time);
    let newest = sightings.last().map_or(0, |sighting| sighting.time);
    let is_final = |sighting: &Sighting| !more || sighting.time.saturating_add(DISORDER) <= newest;
    sightings.partition_point(is_final)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn times(sightings: &[Sighting]) -> Vec<Time> {
        sightings.iter().map(|sighting| sighting.time).collect()
    }

    #[test]
    fn what_earlier_ones_may_follow_waits_for_them() {
        let at = |at: Time| Sighting::of(Event::Tick { at }, 0);
        let ms = DISORDER / 2;
        let mut sightings = vec![at(3 * ms), at(ms), at(5 * ms), at(4 * ms)];
        let ready = order(&mut sightings, true);
        assert_eq!((times(&sightings), ready), (vec![ms, 3 * ms, 4 * ms, 5 * ms], 2));
        sightings.drain(..ready);
        sightings.extend([at(6 * ms), at(4 * ms + 1)]);
        let ready = order(&mut sightings, false);
        assert_eq!((times(&sightings), ready), (vec![4 * ms, 4 * ms + 1, 5 * ms, 6 * ms], 4));
        assert_eq!(order(&mut [], true), 0);
    }
}
