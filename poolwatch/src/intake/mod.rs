//! Ring → bytes → [`Event`](crate::event::Event)s, in kernel-time order within one drain.
//!
//! Total: whatever the bytes are, they become an event or a count. Never panics, never blocks.

mod decode;
mod demand;
mod records;
mod ring;
mod session;

pub use self::{
    decode::{Opener, Sighting, Unreadable, decode},
    records::{Records, Totals},
    ring::Intake,
};
