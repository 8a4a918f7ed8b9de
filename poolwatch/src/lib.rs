//! poolwatch shows every PostgreSQL connection pool on a machine from the outside.
//!
//! The rooms, in the order in which data walks through them:
//! [`probes`] attach the kernel side, [`intake`] turns its records into [`event::Event`]s, [`discover`]
//! adds what `/proc` and the socket tables know, [`infer`] turns events into facts and snapshots, and
//! [`export`] renders those. [`postgres`] is the pure library of the wire protocol, [`recording`] saves
//! and replays the event stream. Nothing on the right ever calls something on the left.

pub mod agent;
pub mod check;
pub mod clock;
pub mod config;
pub mod discover;
pub mod event;
pub mod export;
pub mod infer;
pub mod intake;
pub mod postgres;
pub mod privilege;
pub mod probes;
pub mod recording;
pub mod replay;
