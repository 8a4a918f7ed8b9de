//! The records that cross from the kernel to the agent.
//!
//! Plain data in native byte order, the same layout on both sides, asserted below. Every record
//! begins with a [`wire::Header`]; the header's `kind` says which struct the bytes are.
//! This half of the crate touches nothing: no maps, no helpers, no allocation.
#![no_std]

pub mod wire;
