//! Takes everything out of the ring at once, reads it, and puts it in kernel-time order.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use super::decode::{Sighting, Unreadable, decode};

/// Sightings taken in one drain at most, so that one drain's memory is bounded; the rest follows.
const BATCH: usize = 65_536;

/// What was taken since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records taken.
    pub records: u64,
    /// Records that could not be read, by [`Unreadable`].
    pub unreadable: [u64; 3],
    /// Startup messages that were cut.
    pub cut: u64,
}

/// The reading end of the ring.
pub struct Intake {
    ring: RingBuf<MapData>,
    totals: Totals,
}

impl Intake {
    /// Reads from this ring.
    pub const fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, totals: Totals { records: 0, unreadable: [0; 3], cut: 0 } }
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
        self.totals
    }

    /// Takes what is there, in kernel-time order. True when more may be left.
    pub fn drain(&mut self, sightings: &mut Vec<Sighting>) -> bool {
        sightings.clear();
        while sightings.len() < BATCH {
            let Some(record) = self.ring.next() else { break };
            self.totals.records += 1;
            match decode(&record) {
                Ok(sighting) => {
                    self.totals.cut += u64::from(sighting.cut);
                    sightings.push(sighting);
                }
                Err(unreadable) => {
                    let slot = match unreadable {
                        Unreadable::Short => 0,
                        Unreadable::Kind => 1,
                        Unreadable::Field => 2,
                    };
                    if let Some(count) = self.totals.unreadable.get_mut::<usize>(slot) {
                        *count += 1;
                    }
                }
            }
        }
        // Records of one CPU are in order; those of two may be a few microseconds out of it.
        sightings.sort_by_key(|sighting| sighting.time);
        sightings.len() >= BATCH
    }
}
