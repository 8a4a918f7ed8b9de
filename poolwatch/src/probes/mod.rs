//! Loads, sets and attaches the kernel side, and speaks to its maps.
//!
//! In comes what the user wants watched; out go the ring, the books and one verdict per probe. An
//! absent probe makes a feature unsupported, not the agent dead.

mod borrowers;
mod btf;
mod calls;
pub mod catalog;
mod evidence;
mod failure;
mod layout;
mod libraries;
mod load;
mod log;
mod maps;
mod memory;
pub mod verdict;
mod wanted;

pub use self::{
    borrowers::{Exit, Place},
    evidence::Evidence,
    layout::read as layout,
    libraries::Gate,
    load::{Attached, Refusal, Survey, attach, survey},
    log::ProbeLog,
    maps::{Aside, KernelBooks, Maps, Older, Standing},
    wanted::{Wanted, Watch},
};
