//! Every bound of the core, in one place. What does not fit is counted under the name given here.

/// Processes known at once; the one that ended longest ago goes first (`processes`).
pub const PROCESSES: usize = 4096;
/// Connections known at once; further ones are not taken (`connections`).
pub const CONNECTIONS: usize = 131_072;
/// Pools known at once; further ones are not taken (`pools`).
pub const POOLS: usize = 8192;
/// Distinct SQLSTATE values as labels; further ones become `_OTHER`.
pub const SQLSTATES: usize = 64;
/// Distinct operation names as labels: the known first words of command tags; others become `_OTHER`.
pub const OPERATIONS: usize = 64;
/// Services whose counters live at once; the longest unused goes first (`services`).
pub const SERVICES: usize = 500;
/// Label sets whose counters live at once, per table; the longest unused goes first (`series`).
pub const SERIES: usize = 16_384;
