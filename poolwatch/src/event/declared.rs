//! What a process declares of its pools in its own environment and arguments: numbers, nothing else.
//!
//! A plain copy of four numbers: no text can be kept in it, whatever a variable held. They are as they were
//! found, nonsense included, because nonsense is worth showing.

use serde::{Deserialize, Serialize};

/// The numbers that a process declares; one set for all of its pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Connections that a pool keeps at least.
    pub min: Option<i64>,
    /// Connections that a pool has at most.
    pub max: Option<i64>,
    /// Milliseconds after which an idle connection is closed; 0 = never.
    pub idle_timeout: Option<i64>,
    /// Milliseconds that a borrower waits for a connection; 0 = for ever, or not at all.
    pub connection_timeout: Option<i64>,
}

impl Declared {
    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
