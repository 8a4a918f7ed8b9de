//! The harness of the tests that need a kernel, a server or a recorded stream.
//!
//! Everything here starts the real thing: PostgreSQL, its client tools, applications with real pools, and
//! the agent as its users run it. Nothing imitates one of them. What a test starts dies with it: each
//! process is stopped when its owner is dropped, and by the kernel should the test itself be killed.

pub mod agent;
pub mod app;
pub mod client;
pub mod clock;
pub mod containers;
pub mod demand;
pub mod handover;
pub mod held;
pub mod http;
pub mod marks;
pub mod need;
pub mod newer;
pub mod page;
pub mod place;
pub mod pools;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod stack;
pub mod tracing;
pub mod truth;
pub mod wire;
