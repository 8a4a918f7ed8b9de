//! Records' bytes in, in the order of the ring; out go sightings, and statements joined to their texts.
//!
//! Total: whatever the bytes are, they become sightings or a count.

use poolwatch_ebpf::wire::Request as RequestRecord;

use super::{
    decode::{self, Decoded, Sighting, Unreadable, decode},
    session::Sessions,
};
use crate::event::{Event, HashMap, Request, SocketId, Transaction};

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

/// Reads records and remembers what their connections said.
#[derive(Default)]
pub struct Records {
    totals: Totals,
    sessions: Sessions,
    /// Newest turns of the portion, by their place in it.
    turns: HashMap<SocketId, usize>,
}

impl Records {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What statements had to be forgotten, by place.
    pub fn lost(&self) -> [(&'static str, u64); 3] {
        self.sessions.lost()
    }

    /// A connection is gone without a record of it.
    pub fn forget(&mut self, socket: SocketId) {
        self.sessions.close(socket);
    }

    /// What was taken since the start.
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// What was taken before may have changed its place.
    pub fn begin(&mut self) {
        self.turns.clear();
    }

    /// Takes one record.
    pub fn take(&mut self, record: &[u8], sightings: &mut Vec<Sighting>) {
        self.totals.records += 1;
        if let Err(unreadable) = decode(record).and_then(|decoded| self.read(decoded, sightings)) {
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

    /// One record becomes sightings, the statements that ended with it first.
    fn read(&mut self, decoded: Decoded<'_>, sightings: &mut Vec<Sighting>) -> Result<(), Unreadable> {
        match decoded {
            Decoded::Message(record, piece) => {
                self.sessions.message(&record, piece, &mut teller(record.header.pid, sightings));
            }
            Decoded::Execute(record) => {
                self.sessions.execute(&record, &mut teller(record.header.pid, sightings));
            }
            Decoded::Statement(record) => {
                self.sessions.statement(&record, &mut teller(record.header.pid, sightings));
            }
            Decoded::Request(record) => self.request(&record, sightings)?,
            Decoded::Sighting(sighting) => {
                if let Some(Event::Close { socket, .. }) = &sighting.event {
                    self.sessions.close(*socket);
                }
                self.totals.cut += u64::from(sighting.cut);
                sightings.push(sighting);
            }
        }
        Ok(())
    }

    fn request(&mut self, record: &RequestRecord, sightings: &mut Vec<Sighting>) -> Result<(), Unreadable> {
        let mut request = decode::request(record)?;
        if request.transaction == Transaction::Unknown {
            let turn = self.turn(request, sightings);
            sightings.extend(turn.map(|turn| Sighting::of(Event::Request(turn), record.header.pid)));
            return Ok(());
        }
        let mut tell = teller(record.header.pid, sightings);
        self.sessions.request(record, &mut request, &mut tell);
        tell(Event::Request(request));
        Ok(())
    }

    /// A turn was taken; one that goes on with another of the same portion is that one's end.
    fn turn(&mut self, request: Request, sightings: &mut [Sighting]) -> Option<Request> {
        if request.merged > 0 {
            self.turns.insert(request.socket, sightings.len());
            return Some(request);
        }
        let before = self.turns.get(&request.socket).and_then(|place| sightings.get_mut(*place));
        let Some(Sighting { event: Some(Event::Request(before)), time, .. }) = before else {
            return Some(request);
        };
        if before.socket != request.socket || before.started != request.started {
            return Some(request);
        }
        *time = request.ended;
        *before = Request { merged: before.merged, missed: before.missed, ..request };
        None
    }
}

/// Makes sightings of a process's events.
fn teller(pid: u32, sightings: &mut Vec<Sighting>) -> impl FnMut(Event) {
    move |event| sightings.push(Sighting::of(event, pid))
}
