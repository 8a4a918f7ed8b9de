//! Takes everything out of the ring at once, reads it, and puts it in kernel-time order.

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
use crate::event::SocketId;

/// Sightings taken in one drain at most, so that one drain's memory is bounded; the rest follows.
const BATCH: usize = 65_536;

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

    /// Takes what is there, in kernel-time order. True when more may be left.
    pub fn drain(&mut self, sightings: &mut Vec<Sighting>) -> bool {
        sightings.clear();
        while sightings.len() < BATCH {
            let Some(record) = self.ring.next() else { break };
            self.records.take(&record, sightings);
        }
        // Records of one CPU are in order; those of two may be a few microseconds out of it.
        sightings.sort_by_key(|sighting| sighting.time);
        sightings.len() >= BATCH
    }
}
