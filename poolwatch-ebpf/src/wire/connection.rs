//! The connection map's value: what the probes remember of one connection.
//!
//! User space reads it in a scan (a request that is under way has no record yet) and writes it once,
//! for connections that are older than the probes.

/// Requests in flight that a connection keeps itself; further ones go to a map of all connections.
pub const QUEUE: usize = 64;
/// Bytes kept of the head of a server message, to find the command tag or SQLSTATE in.
pub const HEAD: usize = 64;

/// Reads of a connection that only may lead to PostgreSQL, and that showed nothing of it: a socket that another program
/// receives a stream on.
pub const IN_VAIN: u8 = u8::MAX;

/// Which messages the client sends at this point.
pub mod phase {
    /// Packets without a type byte: SSLRequest, GSSENCRequest, StartupMessage.
    pub const STARTUP: u8 = 0;
    /// Messages with a type byte.
    pub const MESSAGES: u8 = 1;
}

/// A request that was sent and not answered yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// First byte sent, nanoseconds of `CLOCK_MONOTONIC`.
    pub started: u64,
    /// Bytes sent, at most 2³² − 1.
    pub sent: u32,
    /// `Execute` messages in it, at most 2²⁴ − 1, above a [`super::RequestKind`] in the lowest byte.
    pub what: u32,
}

impl Waiting {
    /// A [`super::RequestKind`] as its number.
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        self.what as u8
    }

    /// `Execute` messages in it.
    #[inline(always)]
    pub const fn executes(&self) -> u32 {
        self.what >> 8
    }
}

/// Names a request among those that found no room in a connection's own queue.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Deep {
    /// The connection.
    pub socket: u64,
    /// Index in its queue.
    pub index: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

/// One direction of the stream.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Half {
    /// Bytes of the current message's body that were not seen yet.
    pub remaining: u32,
    /// Bytes of an incomplete header in `header`.
    pub header_len: u32,
    /// An incomplete header.
    pub header: [u8; 8],
    /// 1 = where messages begin is not known.
    pub lost: u32,
    /// What the current message's body is kept for; see the probes' `capture`.
    pub capture: u32,
    /// `sendmmsg`/`recvmmsg`: the vector that the last call of this half used.
    pub vector: u64,
    /// `sendmmsg`/`recvmmsg`: the message of the vector that comes next.
    pub vector_next: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

/// What the probes remember of one connection.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The socket's identity, as in every record's header.
    pub socket: u64,
    /// `connect()`; 0 = not seen.
    pub connected: u64,
    /// Start of the process that opened it, nanoseconds since boot.
    pub process_started: u64,
    /// Inode number of the socket.
    pub inode: u64,
    /// Process that sent last.
    pub pid: u32,
    /// Requests of this socket whose record found no room in the ring since its last record.
    pub missed: u32,
    /// One of [`super::family`].
    pub family: u16,
    /// One of [`phase`].
    pub phase: u8,
    /// One of [`super::by`]; 0 = readable.
    pub secured: u8,
    /// One of [`super::by`] that the client asked for and the server has not answered; 0 = none.
    pub awaiting: u8,
    /// Bits of [`super::ended_by`] seen so far.
    pub ending: u8,
    /// 1 = an Open record was written, or user space knows the connection anyway.
    pub told: u8,
    /// 1 = it surely speaks PostgreSQL.
    pub proven: u8,
    /// 1 = older than the probes.
    pub midstream: u8,
    /// 1 = a `ReadyForQuery` was seen.
    pub ready: u8,
    /// Malformed messages of a connection that is not proven.
    pub strikes: u8,
    /// 1 = pairing of answers was lost: no credit for early answers until one is paired again.
    pub no_credit: u8,
    /// Answers that were seen before their request.
    pub early: u32,
    /// When the early answer was read.
    pub early_at: u64,
    /// Its transaction status.
    pub early_status: u32,
    /// Length that the StartupMessage declared.
    pub startup_len: u32,
    /// Thread (tgid << 32 | tid) that sent last.
    pub sender: u64,
    /// When the last byte was sent or received.
    pub last: u64,
    /// Client to server.
    pub tx: Half,
    /// Server to client.
    pub rx: Half,
    /// Last eight bytes received, kept while `rx.lost`.
    pub trail: u64,
    /// First byte of the request that is being sent; 0 = none.
    pub sending: u64,
    /// Its bytes so far.
    pub sending_bytes: u64,
    /// Its `Execute` messages so far.
    pub sending_executes: u32,
    /// Requests sent so far, which numbers the one that is being sent.
    pub asked: u32,
    /// Requests answered so far, which numbers the oldest one in flight.
    pub answered: u32,
    /// Requests merged into the queue's last entry.
    pub overflow: u32,
    /// Of these, already answered.
    pub overflow_done: u32,
    /// Bits of [`super::flags`] for the next record.
    pub flags: u32,
    /// First byte of the current answer; 0 = none.
    pub first_byte: u64,
    /// Bytes of the current answer.
    pub received: u64,
    /// `CommandComplete` and `EmptyQueryResponse` of the current answer.
    pub completions: u32,
    /// `DataRow` of the current answer.
    pub rows: u32,
    /// `ErrorResponse` of the current answer.
    pub errors: u32,
    /// TCP's count of bytes read, as it stood after the last of them.
    pub copied: u32,
    /// 1 = it is known.
    pub copied_known: u32,
    /// Bytes used of `head`.
    pub head_len: u32,
    /// Statements of the current answer that ended.
    pub outcomes: u32,
    /// `DataRow` of the statement that is being answered.
    pub statement_rows: u32,
    /// `DataRow` of the last statement that ended.
    pub last_rows: u32,
    /// Bytes of the client's message of which the body is told.
    pub body_len: u32,
    /// When the last statement ended.
    pub outcome_at: u64,
    /// SQLSTATE of the first error of the current answer.
    pub sqlstate: [u8; 5],
    /// How the last statement ended; 0 = none did, or it was told.
    pub outcome: u8,
    /// 1 = an `Execute` of the unnamed portal is not told yet.
    pub held: u8,
    /// Whether its portal was bound for it.
    pub held_bound: u8,
    /// Command tag of the last statement, cut.
    pub tag: [u8; super::TAG_LEN],
    /// Messages that might have named a statement and were not told since its last record.
    pub unheard: u32,
    /// Statement of the `Execute` that is held.
    pub held_statement: u64,
    /// Its request.
    pub held_request: u32,
    /// `Execute` messages before it in that request.
    pub held_nth: u32,
    /// Statement that the unnamed portal is bound to; 0 = not known here.
    pub bound: u64,
    /// 1 = it was bound since the last `Execute` of it.
    pub rebound: u8,
    /// Type byte of the message of which the body is told.
    pub letter: u8,
    /// 1 = the server takes COPY data for an `Execute`: it ignores any `Sync` until their end.
    pub copy_in: u8,
    /// `Sync` messages that stand for one that the server ignored.
    pub swallow: u8,
    /// Bytes of that body that were told.
    pub told_bytes: u32,
    /// Requests behind the queue's own, in the map of all connections.
    pub deep: u32,
    /// 1 = the counts above are still those of an early answer.
    pub kept: u8,
    /// 1 = a message that belongs to a request was sent since the last request was whole.
    pub asking: u8,
    /// 1 = its process was asked for something before the request that began last.
    pub serves: u8,
    /// 1 = the request that is being sent or in flight is to be told as begun.
    pub beginning: u8,
    /// 1 = TCP is done with it, and its client may not have read everything.
    pub unread: u8,
    /// 1 = it is encrypted, and its messages are read where the TLS library takes and hands them over.
    pub plain: u8,
    /// 1 = it was seen to begin with a TLS older than 1.3.
    pub older_tls: u8,
    /// Reads of one that is not proven since it last sent: from [`IN_VAIN`] on none is looked at until it sends.
    pub in_vain: u8,
    /// Head of the server message that is being kept; twice the room, so that a masked offset plus a
    /// masked length stay inside it.
    pub head: [u8; 2 * HEAD],
    /// Ever-growing index of the oldest waiting request; the slot is its remainder by [`QUEUE`].
    pub queue_head: u32,
    /// Ever-growing index behind the newest one.
    pub queue_tail: u32,
    /// Thread that received last.
    pub reader: u32,
    /// TLS records of an encrypted connection, client to server.
    pub sealed_tx: Half,
    /// Server to client.
    pub sealed_rx: Half,
    /// Turns: when the answer was read so far; 0 = nothing of it was.
    pub read: u64,
    /// Turns: up to when the answer is told; 0 = it is not told.
    pub told_read: u64,
    /// Turns: longest TLS record of the answer, in bytes.
    pub longest: u32,
    /// Turns taken before it was ready.
    pub turns: u32,
    /// Turns: waits for input of the thread that sent a message without body, before it did.
    pub alone_in: u64,
    /// Waiting requests.
    pub queue: [Waiting; QUEUE],
}

impl Connection {
    /// All zeros.
    pub const EMPTY: Self = {
        // SAFETY: repr(C) integers and arrays of them: zeros are a value.
        unsafe { core::mem::zeroed() }
    };

    /// When TCP was done with it, where its client has not read the end yet.
    pub fn done(&self) -> Option<u64> {
        (self.unread != 0).then_some(self.last)
    }

    /// Start of the oldest request that is under way; `None` when there is none.
    pub fn since(&self) -> Option<u64> {
        if self.told_read != 0 && self.told_read == self.read {
            return None;
        }
        let oldest = if self.queue_head == self.queue_tail {
            self.sending
        } else {
            self.queue.get(self.queue_head as usize % QUEUE)?.started
        };
        (oldest != 0).then_some(oldest)
    }
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C), only integers and arrays of them, no padding.
    unsafe impl aya::Pod for super::Connection {}
    // SAFETY: repr(C), only integers, no padding.
    unsafe impl aya::Pod for super::Deep {}
    // SAFETY: repr(C), only integers, no padding.
    unsafe impl aya::Pod for super::Waiting {}
}

// With the map's own 56 bytes an element must fit the kernel allocator's 2,048-byte class.
const _: () = assert!(size_of::<Connection>() <= 2048 - 56 && size_of::<Waiting>() == 16);
const _: () = assert!(size_of::<Deep>() == 16);
