//! Takes everything out of the ring at once, reads it, and puts it in kernel-time order.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use super::{
    decode::{Decoded, Sighting, Unreadable, decode},
    session::Sessions,
};
use crate::event::{Event, SocketId};

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
    sessions: Sessions,
    told: Vec<Event>,
}

impl Intake {
    /// Reads from this ring.
    pub fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring, totals: Totals::default(), sessions: Sessions::new(), told: Vec::new() }
    }

    /// What statements had to be forgotten, by place.
    pub fn lost(&self) -> [(&'static str, u64); 3] {
        self.sessions.lost()
    }

    /// A connection is gone without a record of it.
    pub fn forget(&mut self, socket: SocketId) {
        self.sessions.close(socket);
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
                Ok(decoded) => {
                    self.totals.cut += take(decoded, &mut self.sessions, &mut self.told, sightings)
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

/// One record becomes sightings, the statements that ended with it first. Returns how many startup
/// messages were cut.
fn take(
    decoded: Decoded<'_>,
    sessions: &mut Sessions,
    told: &mut Vec<Event>,
    sightings: &mut Vec<Sighting>,
) -> u64 {
    let mut last = None;
    let pid = match decoded {
        Decoded::Message(record, piece) => {
            sessions.message(&record, piece, told);
            record.header.pid
        }
        Decoded::Execute(record) => {
            sessions.execute(&record, told);
            record.header.pid
        }
        Decoded::Statement(record) => {
            sessions.statement(&record, told);
            record.header.pid
        }
        Decoded::Request(mut request, record) => {
            sessions.request(&record, &mut request, told);
            last = Some(Sighting::of(Event::Request(request), record.header.pid));
            record.header.pid
        }
        Decoded::Sighting(sighting) => {
            if let Some(Event::Close { socket, .. }) = &sighting.event {
                sessions.close(*socket);
            }
            let pid = sighting.pid;
            last = Some(sighting);
            pid
        }
    };
    sightings.extend(told.drain(..).map(|event| Sighting::of(event, pid)));
    let cut = last.as_ref().is_some_and(|sighting| sighting.cut);
    sightings.extend(last);
    u64::from(cut)
}
