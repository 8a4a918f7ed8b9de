//! Every bound of the core, in one place. What does not fit is counted under the name given here.

/// Processes known at once. One that has ended is kept for a while so that news that come late do not
/// raise it; the one that ended longest ago makes room first. When all live, a further one is not taken
/// (`processes`).
pub const PROCESSES: usize = 4096;
/// Connections known at once; further ones are not taken (`connections`).
pub const CONNECTIONS: usize = 131_072;
/// Pools known at once; further ones are not taken (`pools`).
pub const POOLS: usize = 8192;
/// Changes of a pool's used connections that are held back to be put in order; a fuller buffer is swept
/// early, and a start that comes too late for the sweep is moved to it and counted (`edges`).
pub const EDGES: usize = 16_384;
/// Sockets that are spoken of before they are introduced, kept until somebody asks; further ones are
/// not kept, their requests are counted like the others' (`unknown_connection`).
pub const STRANGERS: usize = 1024;
/// Open demands of one process; further ones are not counted (`demands`).
pub const DEMANDS: usize = 65_536;
/// Routes of one process that are told apart; further ones are one.
pub const ROUTES: usize = 256;
/// Threads of one process that are remembered; one that was silent for a minute makes room, further ones are not
/// followed (`threads`).
pub const THREADS: usize = 4096;
/// Borrowers of one process that wait at once, as told by a probe; further ones are not counted (`borrowers`).
pub const BORROWERS: usize = 65_536;
/// Pools of one process's library that are told apart; further ones are one.
pub const LENDERS: usize = 64;
/// Queries that are remembered; of more, the one told first is forgotten, by the rule of who tells them. One holds
/// at most some 450 bytes (a summary has up to 255), all of them 15 MB. What names one that is not
/// remembered is counted (`unknown_query`).
pub const QUERIES: usize = crate::event::QUERIES;
/// Queries of one service and database that are counted at once, over all of these; the one that took the least
/// time makes room, what it counted goes to `other` (`queries`).
pub const TOP_QUERIES: usize = 4096;
/// One of them takes at most so many bytes, its text included: 3.4 MB for all.
pub const TOP_QUERY_BYTES: usize = 832;
/// Of these, so many have series of their own on the page; the others are in its `other`.
pub const SHOWN_QUERIES: usize = 200;
/// Limits that pools have shown, kept for later processes of their services; the one shown longest ago makes
/// room (`learned`).
pub const LEARNED: usize = 4096;
/// Distinct SQLSTATE values as labels; further ones become `_OTHER`.
pub const SQLSTATES: usize = 64;
/// Distinct operation names as labels: the known first words of command tags; others become `_OTHER`.
pub const OPERATIONS: usize = 64;
/// Services whose counters live at once; the longest unused goes first (`services`).
pub const SERVICES: usize = 500;
/// Label sets whose counters live at once, per table; the longest unused goes first (`series`).
pub const SERIES: usize = 16_384;
