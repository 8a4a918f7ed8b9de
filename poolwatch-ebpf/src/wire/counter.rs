//! The kernel side's own books: one slot per thing that can go wrong or be counted.

/// A slot of the per-CPU counter array.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Records put into the ring.
    Emitted = 0,
    /// Records that found no room in the ring, those of requests apart.
    RingFull = 1,
    /// Connections that found no room in the connection map.
    ConnectionsFull = 2,
    /// New sockets that found no room in the candidate map.
    CandidatesFull = 3,
    /// Requests merged because more were in flight than the queues hold.
    QueueFull = 4,
    /// Client bytes that are no PostgreSQL message.
    ClientUnparsed = 5,
    /// Server bytes that are no PostgreSQL message.
    ServerUnparsed = 6,
    /// Payload that could not be read (splice, sendfile, io_uring, a page that is not there).
    PayloadUnread = 7,
    /// Answers with more messages than one walk may take.
    WalkCapped = 8,
    /// Answers seen before their request.
    Early = 9,
    /// Candidates that turned out not to speak PostgreSQL.
    Rejected = 10,
    /// A connection became readable again after a loss.
    Resynced = 11,
    /// Processes that found no room in the map of watched processes.
    ProcessesFull = 12,
    /// CancelRequest connections (recognised, never part of a pool).
    Cancelled = 13,
    /// Records of requests that found no room in the ring.
    RequestsRingFull = 14,
    /// Messages that might have named a statement and were not told, to leave the ring to requests.
    TextsRingFull = 15,
    /// Sockets that found no room in the map of accepted ones.
    InboundFull = 16,
    /// Threads that found no room in the map of threads.
    ThreadsFull = 17,
}

impl Counter {
    /// Slots in the counter array.
    pub const SLOTS: u32 = 18;
}
