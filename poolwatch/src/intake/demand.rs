//! Records of demands, of the threads that work on them and of borrowers → events.

use poolwatch_ebpf::wire::{
    Begun as BegunRecord, Borrow as BorrowRecord, Demand as DemandRecord, Parked as ParkedRecord,
    Served as ServedRecord, borrowing, parking, protocol,
};

use super::decode::Unreadable;
use crate::event::{
    Begun, Borrow, Borrowing, Demand, Event, Parked, Parking, Protocol, Served, SocketId, Turn,
};

/// A thread's turn; no thread has the number 0.
pub const fn turn(thread: u32, nth: u64) -> Option<Turn> {
    if thread == 0 { None } else { Some(Turn { thread, nth }) }
}

pub fn demand(record: &DemandRecord) -> Result<Event, Unreadable> {
    let protocol = match record.protocol {
        protocol::HTTP => Protocol::Http,
        protocol::HTTP2 => Protocol::Http2,
        protocol::POSTGRES => Protocol::Postgres,
        protocol::TLS => Protocol::Tls,
        protocol::OTHER => Protocol::Other,
        protocol::STREAM => Protocol::Stream,
        _ => return Err(Unreadable::Field),
    };
    Ok(Event::Demand(Demand {
        socket: SocketId(record.header.socket),
        pid: record.header.pid,
        at: record.header.time,
        turn: turn(record.thread, record.turn).ok_or(Unreadable::Field)?,
        protocol,
        route: (record.readable != 0).then_some(record.route),
    }))
}

pub const fn served(record: &ServedRecord) -> Event {
    Event::Served(Served {
        socket: SocketId(record.header.socket),
        pid: record.header.pid,
        at: record.header.time,
        turn: turn(record.thread, record.turn),
    })
}

pub fn begun(record: &BegunRecord) -> Result<Event, Unreadable> {
    Ok(Event::Begun(Begun {
        socket: SocketId(record.header.socket),
        at: record.header.time,
        turn: turn(record.thread, record.turn).ok_or(Unreadable::Field)?,
        letter: record.letter,
        bytes: record.bytes,
    }))
}

pub const fn parked(record: &ParkedRecord) -> Result<Event, Unreadable> {
    let parking = match record.parking {
        parking::ASLEEP => Parking::Asleep,
        parking::WOKEN => Parking::Woken,
        parking::OVER => Parking::Over,
        _ => return Err(Unreadable::Field),
    };
    let (pid, thread, at) = (record.header.pid, record.thread, record.header.time);
    Ok(Event::Parked(Parked { pid, thread, address: record.address, at, parking }))
}

pub const fn borrow(record: &BorrowRecord) -> Result<Event, Unreadable> {
    let borrowing = match record.borrowing {
        borrowing::ASKS => Borrowing::Asks,
        borrowing::GRANTED => Borrowing::Granted,
        borrowing::REFUSED => Borrowing::Refused,
        _ => return Err(Unreadable::Field),
    };
    let (pid, at, borrower, pool) = (record.header.pid, record.header.time, record.borrower, record.pool);
    Ok(Event::Borrow(Borrow { pid, borrower, pool, thread: record.thread, at, borrowing }))
}
