//! What `aya_ebpf` gives the probes, over a [`machine`] of plain memory, one for each thread.
//!
//! Names and signatures are `aya_ebpf`'s, so that the probes' files compile unchanged. A map's value
//! keeps its address, and stays readable until the next hook after its removal, as the kernel's does.
#![allow(missing_docs, reason = "the names are aya_ebpf's, and documented there")]
#![allow(clippy::missing_panics_doc, reason = "a panic here is a test's failure")]
#![allow(clippy::missing_safety_doc, reason = "aya_ebpf's functions, each with its reason there")]

pub mod bindings;
pub mod btf_maps;
#[path = "calls.rs"]
pub mod helpers;
pub mod machine;
pub mod programs;

pub use self::programs::EbpfContext;

/// The attributes are `aya_ebpf`'s own: on this machine they only name sections.
pub mod macros {
    pub use aya_ebpf_macros::{btf_map, btf_tracepoint, raw_tracepoint, uprobe, uretprobe};
}

/// Where `aya_ebpf` keeps the types of ring entries.
pub mod maps {
    pub mod ring_buf {
        pub use crate::btf_maps::{RingBufBytes, RingBufEntry};
    }
}
