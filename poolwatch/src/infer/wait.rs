//! Requests that wait for a connection, and how long they waited.
//!
//! Nothing speaks of waits here so far: all is absent, never a guess dressed as a number. Pools carry a
//! [`Waiting`], status and snapshot read it, and a method that infers waits has only to fill it.

use super::snapshot::{Inferred, Waits};
use crate::event::Time;

/// What is known of one pool's waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// Requests that wait.
    pub pending: Option<Inferred>,
    /// Since when some request has been waiting without a break.
    pub since: Option<Time>,
    /// Waits of the last 60 s.
    pub waits: Option<Waits>,
}
