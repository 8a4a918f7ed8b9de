//! Ring → bytes → [`Event`](crate::event::Event)s, in kernel-time order within one drain.
//!
//! Total: whatever the bytes are, they become an event or a count. Never panics, never blocks.

mod decode;
mod ring;
mod session;

pub use self::{
    decode::{Sighting, Unreadable, decode},
    ring::{Intake, Totals},
};
