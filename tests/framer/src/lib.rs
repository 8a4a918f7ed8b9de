//! The probes, compiled for this machine on a kernel that is plain memory, and a judge beside them.
//!
//! In come conversations: what a client and a server say, cut into system calls anywhere. Out come the
//! records that the very files of `poolwatch-ebpf` write of them. The package in `kernel/` stands in for the helpers
//! and maps of `aya_ebpf`; nothing of the probes' own logic is written again here. [`judge`] reads the
//! whole streams at once, knows nothing of calls, and says what the records must be.
#![allow(clippy::missing_panics_doc, reason = "panics are what a judge is for")]
#![allow(clippy::indexing_slicing, reason = "a test's library: a panic is a finding")]
#![allow(clippy::cast_possible_truncation, reason = "conversations are short")]
#![allow(missing_docs, reason = "a test's library: what is public is for the fuzz targets")]

pub mod choices;
pub mod conversation;
pub mod judge;
pub mod library;
pub mod machine;
pub mod message;
pub mod noise;
pub mod run;
pub mod side;
pub mod threads;
pub mod told;

/// The probes' files, each under the name that their own crate gives it.
macro_rules! probes {
    ($($name:ident: $path:literal),+ $(,)?) => {
        $(
            #[allow(
                dead_code, clippy::all, clippy::pedantic, clippy::indexing_slicing, unsafe_op_in_unsafe_fn,
                reason = "checked where it belongs: in the probes' own crate"
            )]
            #[path = $path]
            mod $name;
        )+
    };
}

probes! {
    asking: "../../../poolwatch-ebpf/src/asking.rs",
    binding: "../../../poolwatch-ebpf/src/binding.rs",
    capture: "../../../poolwatch-ebpf/src/capture.rs",
    demand: "../../../poolwatch-ebpf/src/demand.rs",
    emit: "../../../poolwatch-ebpf/src/emit.rs",
    ending: "../../../poolwatch-ebpf/src/ending.rs",
    filter: "../../../poolwatch-ebpf/src/filter.rs",
    frame: "../../../poolwatch-ebpf/src/frame.rs",
    hearing: "../../../poolwatch-ebpf/src/hearing.rs",
    hello: "../../../poolwatch-ebpf/src/hello.rs",
    inbound: "../../../poolwatch-ebpf/src/inbound.rs",
    kernel: "../../../poolwatch-ebpf/src/kernel.rs",
    maps: "../../../poolwatch-ebpf/src/maps.rs",
    messages: "../../../poolwatch-ebpf/src/messages.rs",
    offered: "../../../poolwatch-ebpf/src/offered.rs",
    opening: "../../../poolwatch-ebpf/src/opening.rs",
    payload: "../../../poolwatch-ebpf/src/payload.rs",
    plain: "../../../poolwatch-ebpf/src/plain.rs",
    probes: "../../../poolwatch-ebpf/src/probes/mod.rs",
    queue: "../../../poolwatch-ebpf/src/queue.rs",
    registers: "../../../poolwatch-ebpf/src/registers.rs",
    resync: "../../../poolwatch-ebpf/src/resync.rs",
    ring: "../../../poolwatch-ebpf/src/ring.rs",
    route: "../../../poolwatch-ebpf/src/route.rs",
    said: "../../../poolwatch-ebpf/src/said.rs",
    sealed: "../../../poolwatch-ebpf/src/sealed.rs",
    secured: "../../../poolwatch-ebpf/src/secured.rs",
    speaking: "../../../poolwatch-ebpf/src/speaking.rs",
    stranger: "../../../poolwatch-ebpf/src/stranger.rs",
    streams: "../../../poolwatch-ebpf/src/streams.rs",
    traffic: "../../../poolwatch-ebpf/src/traffic.rs",
    turn: "../../../poolwatch-ebpf/src/turn.rs",
    walk: "../../../poolwatch-ebpf/src/walk.rs",
}
