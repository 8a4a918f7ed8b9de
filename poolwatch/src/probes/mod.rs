//! Loads, sets and attaches the kernel side, and speaks to its maps.
//!
//! In comes what the user wants watched; out go the ring, the books and one verdict per probe. An
//! absent probe makes a feature unsupported, not the agent dead.

mod btf;
mod calls;
pub mod catalog;
mod layout;
mod load;
mod log;
mod maps;
pub mod verdict;

pub use self::{
    layout::read as layout,
    load::{Attached, Refusal, Survey, Wanted, Watch, attach, survey},
    log::ProbeLog,
    maps::{KernelBooks, Maps, Older, Standing},
};
