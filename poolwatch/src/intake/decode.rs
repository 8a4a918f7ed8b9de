//! One record's bytes → one event. The formats are those of `poolwatch_ebpf::wire`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use poolwatch_ebpf::wire::{
    Close, ConnectFailed, Exec, Execute, Exit, Fork, Header, Kind, Message, Open, Record,
    Request as RequestRecord, STARTUP_LEN, Secured, Startup, Statement as StatementRecord, by, ended_by,
    family, flags,
};

use super::demand;
use crate::{
    event::{Ending, Event, ProcessId, Request, RequestKind, Server, SocketId, SqlState, Transaction},
    postgres::{startup::StartupParameters, tag},
};

/// An event, and what the agent needs to know beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What happened; `None` for a fork or an exec, of which only the process matters.
    pub event: Option<Event>,
    /// When.
    pub time: u64,
    /// Process that it is about; 0 = none.
    pub pid: u32,
    /// Records of this socket that were lost just before.
    pub missed: u32,
    /// A StartupMessage was cut before the parameters that were looked for.
    pub cut: bool,
    /// Of a new connection, or of one that failed. Apart, because few have it and each is copied on its way.
    pub opener: Option<Box<Opener>>,
}

/// What is known beside of who opened a connection, or tried to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opener {
    /// Command name of the thread.
    pub comm: String,
    /// Inode number of the socket; 0 = not known.
    pub inode: u64,
}

impl Sighting {
    /// An event that says everything itself.
    pub fn of(event: Event, pid: u32) -> Self {
        // What has no time is told before everything else.
        let time = event.at().unwrap_or(0);
        Self { event: Some(event), time, pid, missed: 0, cut: false, opener: None }
    }
}

/// What one record says.
#[derive(Clone, Debug)]
pub enum Decoded<'a> {
    /// An event, or nothing but news of a process.
    Sighting(Sighting),
    /// An answered request, to be read by [`request`].
    Request(RequestRecord),
    /// A piece of what a client said.
    Message(Message, &'a [u8]),
    /// An Execute.
    Execute(Execute),
    /// The end of one of several statements.
    Statement(StatementRecord),
}

/// Why a record could not be read. Each is counted under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Fewer bytes than the record has.
    Short,
    /// A kind that this agent does not know.
    Kind,
    /// A field with a value that it cannot have.
    Field,
}

impl Unreadable {
    /// The value of `poolwatch_unparsed_total{reason}`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "record_short",
            Self::Kind => "record_kind",
            Self::Field => "record_field",
        }
    }
}

/// Reads one record.
///
/// # Errors
/// [`Unreadable`], when the bytes are no record.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Unreadable> {
    let header = Header::read(bytes).ok_or(Unreadable::Short)?;
    Ok(match Kind::from_number(header.kind).ok_or(Unreadable::Kind)? {
        Kind::Request => Decoded::Request(read(bytes)?),
        Kind::Message => {
            let record: Message = read(bytes)?;
            let end = size_of::<Message>().saturating_add(record.kept.try_into().unwrap_or(usize::MAX));
            let piece = bytes.get(size_of::<Message>()..end).ok_or(Unreadable::Short)?;
            Decoded::Message(record, piece)
        }
        Kind::Execute => Decoded::Execute(read(bytes)?),
        Kind::Statement => Decoded::Statement(read(bytes)?),
        kind => Decoded::Sighting(sighting(&header, kind, bytes)?),
    })
}

fn sighting(header: &Header, kind: Kind, bytes: &[u8]) -> Result<Sighting, Unreadable> {
    let mut sighting = Sighting {
        event: None,
        time: header.time,
        pid: header.pid,
        missed: header.missed,
        cut: false,
        opener: None,
    };
    sighting.event = match kind {
        Kind::Open => {
            let record: Open = read(bytes)?;
            sighting.opener = Some(Box::new(opener(record.comm, record.inode)));
            Some(open(&record)?)
        }
        Kind::Startup => {
            let parameters = parameters(&read::<Startup>(bytes)?)?;
            sighting.cut = parameters.truncated;
            Some(Event::Startup {
                socket: SocketId(header.socket),
                at: header.time,
                user: parameters.user,
                database: parameters.database,
                replication: parameters.replication,
            })
        }
        Kind::Secured => Some(secured(&read(bytes)?)?),
        Kind::Close => Some(close(&read(bytes)?)),
        Kind::ConnectFailed => {
            let record: ConnectFailed = read(bytes)?;
            sighting.opener = Some(Box::new(opener(record.comm, 0)));
            Some(connect_failed(&record)?)
        }
        Kind::Exit => {
            let record: Exit = read(bytes)?;
            Some(Event::Exit {
                process: ProcessId::from_kernel(header.pid, record.process_started),
                at: header.time,
            })
        }
        Kind::Demand => Some(demand::demand(&read(bytes)?)?),
        Kind::Served => Some(demand::served(&read(bytes)?)),
        Kind::Begun => Some(demand::begun(&read(bytes)?)?),
        Kind::Parked => Some(demand::parked(&read(bytes)?)?),
        Kind::Borrow => Some(demand::borrow(&read(bytes)?)?),
        Kind::Exec => read::<Exec>(bytes).map(|_| None)?,
        Kind::Fork => read::<Fork>(bytes).map(|_| None)?,
        Kind::Request | Kind::Message | Kind::Execute | Kind::Statement => None,
    };
    Ok(sighting)
}

fn opener(comm: [u8; 16], inode: u64) -> Opener {
    let comm = String::from_utf8_lossy(comm.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    Opener { comm, inode }
}

fn read<T: Record>(bytes: &[u8]) -> Result<T, Unreadable> {
    T::read(bytes).ok_or(Unreadable::Short)
}

fn open(record: &Open) -> Result<Event, Unreadable> {
    Ok(Event::Open {
        socket: SocketId(record.header.socket),
        process: ProcessId::from_kernel(record.header.pid, record.process_started),
        server: server(
            record.family,
            record.server_address,
            record.server_port,
            &record.path,
            record.path_len,
        )?,
        at: record.header.time,
        connected: (record.connected != 0).then_some(record.connected),
        midstream: record.midstream != 0,
    })
}

fn server(of: u16, address: [u8; 16], port: u16, path: &[u8], length: u32) -> Result<Server, Unreadable> {
    match of {
        family::INET => {
            let [a, b, c, d, ..] = address;
            Ok(Server::Tcp(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port))
        }
        family::INET6 => Ok(Server::Tcp(Ipv6Addr::from(address).to_canonical(), port)),
        family::UNIX => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let path = path.get(..length.min(path.len())).unwrap_or_default();
            Server::at_path(path).ok_or(Unreadable::Field)
        }
        _ => Err(Unreadable::Field),
    }
}

fn parameters(record: &Startup) -> Result<StartupParameters, Unreadable> {
    let kept = usize::try_from(record.kept).unwrap_or(STARTUP_LEN).min(STARTUP_LEN);
    StartupParameters::parse(record.body.get(..kept).unwrap_or_default()).ok_or(Unreadable::Field)
}

/// What a record says of a request.
///
/// # Errors
/// [`Unreadable::Field`].
pub fn request(record: &RequestRecord) -> Result<Request, Unreadable> {
    let kind = match record.kind {
        1 => RequestKind::Startup,
        2 => RequestKind::Query,
        3 => RequestKind::Sync,
        4 => RequestKind::FunctionCall,
        _ => return Err(Unreadable::Field),
    };
    let turn = record.flags & flags::TURN != 0;
    let transaction = match record.status {
        0 if turn => Transaction::Unknown,
        b'I' => Transaction::Idle,
        b'T' => Transaction::Open,
        b'E' => Transaction::Failed,
        _ => return Err(Unreadable::Field),
    };
    let ended = record.header.time;
    // Two threads on one socket: the answer can be read before the hook of its request runs.
    let started = (record.started != 0).then(|| record.started.min(ended));
    Ok(Request {
        socket: SocketId(record.header.socket),
        pid: record.header.pid,
        missed: record.header.missed,
        started,
        first_byte: (record.first_byte != 0).then(|| record.first_byte.min(ended)),
        ended,
        kind,
        transaction,
        merged: record.merged,
        executes: record.executes,
        completions: record.completions,
        rows: record.rows,
        errors: record.errors,
        sent: record.sent,
        received: record.received,
        operation: tag::kept_operation(&record.tag),
        sqlstate: SqlState::new(record.sqlstate),
        query: None,
        approximate: record.flags & flags::APPROXIMATE != 0,
        turn: demand::turn(record.thread, record.turn),
    })
}

fn secured(record: &Secured) -> Result<Event, Unreadable> {
    let by = match record.by {
        by::TLS => "tls",
        by::GSS => "gss",
        by::IO_URING => "io_uring",
        by::PLAIN => "plain",
        _ => return Err(Unreadable::Field),
    };
    Ok(Event::Secured { socket: SocketId(record.header.socket), at: record.header.time, by: by.to_owned() })
}

fn close(record: &Close) -> Event {
    let seen = |bit: u16| record.ended_by & bit != 0;
    Event::Close {
        socket: SocketId(record.header.socket),
        at: record.header.time,
        ending: Ending {
            terminate: seen(ended_by::TERMINATE),
            end_of_file: seen(ended_by::END_OF_FILE),
            reset: seen(ended_by::RESET),
            startup: seen(ended_by::STARTUP),
            errno: (record.errno != 0).then_some(record.errno),
            sqlstate: SqlState::new(record.sqlstate),
        },
    }
}

fn connect_failed(record: &ConnectFailed) -> Result<Event, Unreadable> {
    Ok(Event::ConnectFailed {
        process: ProcessId::from_kernel(record.header.pid, record.process_started),
        server: server(record.family, record.server_address, record.server_port, &[], 0)?,
        at: record.header.time,
        connected: record.connected,
        errno: u16::try_from(record.errno).ok().filter(|errno| *errno != 0),
    })
}
