//! Records as the probes wrote them, read back into the judge's own words.
//!
//! What two records tell together (a Bind that was told, and the Execute behind it) is joined here as
//! simply as can be: portals by name, in the order of the ring.

use std::collections::HashMap;

use poolwatch_ebpf::wire::{
    BOUND, Execute, Header, Kind, Message, Record, Request, Statement, flags, name_hash,
};

use crate::judge::{Asked, Executed, Outcome, Text, Verdict};

/// A socket's records.
#[derive(Default)]
pub struct Told {
    pub verdict: Verdict,
    pub kinds: Vec<Kind>,
    pub requests: Vec<Request>,
    /// Lost, by the records' own headers.
    pub missed: u32,
    pub unheard: u32,
    /// Statements that are not the next of their request.
    pub gaps: u32,
    outcomes: HashMap<u32, Vec<Outcome>>,
    portals: HashMap<Vec<u8>, (u64, bool)>,
    body: Vec<u8>,
}

/// Reads the records of one socket.
pub fn told(records: &[Vec<u8>], socket: u64) -> Told {
    let mut told = Told::default();
    for record in records {
        let header = Header::read(record).expect("a whole header");
        let kind = Kind::from_number(header.kind).expect("a record of a known kind");
        if header.socket == socket {
            told.kinds.push(kind);
            told.missed += header.missed;
            told.unheard += header.unheard;
            told.read(kind, record);
        }
    }
    told.verdict.executes.sort_by_key(|execute| execute.place);
    told
}

fn whole<T: Record>(record: &[u8]) -> T {
    T::read(record).expect("a whole record")
}

impl Told {
    fn read(&mut self, kind: Kind, record: &[u8]) {
        match kind {
            Kind::Message => self.message(&whole(record), &record[size_of::<Message>()..]),
            Kind::Execute => {
                let execute: Execute = whole(record);
                assert!(execute.flags & !BOUND == 0 && execute.reserved == 0, "{execute:?}");
                self.executed((execute.request, execute.nth), execute.statement, execute.flags != 0);
            }
            Kind::Statement => {
                let statement: Statement = whole(record);
                let outcomes = self.outcomes.entry(statement.request).or_default();
                self.gaps += u32::from(statement.nth as usize != outcomes.len());
                let Statement { outcome: letter, rows, tag, .. } = statement;
                outcomes.push(Outcome { letter, rows, tag });
            }
            Kind::Request => self.request(whole(record)),
            _ => {}
        }
    }

    fn message(&mut self, message: &Message, piece: &[u8]) {
        assert_eq!(message.kept as usize, piece.len(), "{message:?}");
        assert_eq!(message.offset as usize, self.body.len(), "{message:?}");
        self.body.extend_from_slice(piece);
        if self.body.len() < message.told() as usize {
            return;
        }
        let body = std::mem::take(&mut self.body);
        let place = (message.request, message.nth);
        let mut names = body.split(|byte| *byte == 0);
        match message.letter {
            b'B' => {
                let portal = names.next().unwrap_or(b"").to_vec();
                self.portals.insert(portal, (name_hash(names.next().unwrap_or(b"")), true));
            }
            b'E' => {
                let (statement, bound) = self.bound(names.next().unwrap_or(b""));
                self.verdict.executes.push(Executed { place, statement, bound });
            }
            letter => self.verdict.texts.push(Text { letter, place, length: message.length as usize, body }),
        }
    }

    fn bound(&mut self, portal: &[u8]) -> (Option<u64>, bool) {
        let portal = self.portals.get_mut(portal);
        portal.map_or((None, false), |portal| (Some(portal.0), std::mem::take(&mut portal.1)))
    }

    /// An Execute of the unnamed portal.
    fn executed(&mut self, place: (u32, u32), statement: u64, bound: bool) {
        let told = self.bound(b"");
        let (statement, bound) = if statement == 0 { told } else { (Some(statement), bound) };
        self.verdict.executes.push(Executed { place, statement, bound });
    }

    fn request(&mut self, request: Request) {
        let mut outcomes = self.outcomes.remove(&request.request).unwrap_or_default();
        if request.executed != 0 {
            let nth = request.executes.wrapping_sub(1);
            self.executed((request.request, nth), request.statement, request.bound != 0);
        }
        if request.outcome != 0 {
            outcomes.push(Outcome { letter: request.outcome, rows: request.last_rows, tag: request.tag });
        }
        if request.flags & flags::APPROXIMATE == 0 {
            assert_eq!(outcomes.len(), request.outcomes as usize, "{request:?}");
        }
        self.requests.push(request);
        self.verdict.requests.push(Asked {
            kind: request.kind,
            executes: request.executes,
            completions: request.completions,
            rows: request.rows,
            errors: request.errors,
            status: request.status,
            received: request.received,
            sqlstate: request.sqlstate,
            outcomes,
        });
    }
}
