//! The probes: they observe socket calls, filter, frame, and emit one record per answered request.
//!
//! Each probe file has a thin entry and a `try_…` that does the work. `kernel.rs` alone knows kernel
//! structures, `emit.rs`, `said.rs` and `demand.rs` alone write the ring, `maps.rs` holds every map and setting.
#![no_std]
#![no_main]
#![allow(clippy::missing_safety_doc, reason = "every function here runs under the kernel's verifier")]

mod asking;
mod binding;
mod capture;
mod demand;
mod emit;
mod ending;
mod filter;
mod frame;
mod hearing;
mod hello;
mod inbound;
mod kernel;
mod maps;
mod messages;
mod offered;
mod opening;
mod payload;
mod plain;
mod probes;
mod queue;
mod registers;
mod resync;
mod ring;
mod route;
mod said;
mod sealed;
mod secured;
mod speaking;
mod stranger;
mod streams;
mod traffic;
mod turn;
mod walk;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

// The helpers that read kernel memory are open to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
