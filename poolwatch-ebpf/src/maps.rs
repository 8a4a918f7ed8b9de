//! Every map with its bound, and every setting that the agent patches before loading.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use poolwatch_ebpf::wire::{
    CALLS, Connection, Counter, Deep, Inbound, Message, Offsets, PIECE_LEN, STARTUP_LEN, Startup, Thread,
    Waiting,
};

use crate::{
    binding::{Bound, Object, Speaker},
    hearing::Heard,
    offered::Offered,
    plain::Inside,
    route::Head,
    speaking::Writer,
    streams::Streams,
    walk::Walk,
};

const LAZY: usize = BPF_F_NO_PREALLOC as usize;

/// A TCP socket between `connect()` and its first byte.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Candidate {
    /// `connect()`, nanoseconds of `CLOCK_MONOTONIC`.
    pub connected: u64,
    /// Start of the process, nanoseconds since boot.
    pub process_started: u64,
    /// Command name of the thread.
    pub comm: [u8; 16],
    /// The process.
    pub pid: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

/// A [`Message`] and its piece.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Telling {
    pub message: Message,
    pub piece: [u8; PIECE_LEN + 1],
}

/// Records for the agent. The agent may change the size before loading.
#[btf_map]
pub static RECORDS: RingBuf<[u8; 0], { 4 << 20 }> = RingBuf::new();

/// Connections by socket identity. What does not fit counts as `ConnectionsFull`.
#[btf_map]
pub static CONNECTIONS: HashMap<u64, Connection, 32_768, LAZY> = HashMap::new();

/// New TCP sockets by identity; an entry leaves with the socket's first byte or its end.
/// What does not fit counts as `CandidatesFull`.
#[btf_map]
pub static CANDIDATES: HashMap<u64, Candidate, 32_768, LAZY> = HashMap::new();

/// StartupMessages that are being sent; an entry leaves when the message is whole, or with its connection.
/// As many as there are connections: whoever begins many and ends none takes no room from the others.
#[btf_map]
pub static STARTUPS: HashMap<u64, Startup, 32_768, LAZY> = HashMap::new();

/// Requests in flight for which their connection's own queue has no room. What does not fit is merged
/// into the last one that did, and counts as `QueueFull`.
#[btf_map]
pub static DEEP: HashMap<Deep, Waiting, 65_536, LAZY> = HashMap::new();

/// Sockets of processes with connections, by identity, that are no connection themselves: those that were
/// accepted, and others so that they are known at once. An entry leaves with its socket; of UNIX sockets, which
/// may end without a sign, the agent looks that up. What does not fit counts as `InboundFull`.
#[btf_map]
pub static INBOUND: HashMap<u64, Inbound, 32_768, LAZY> = HashMap::new();

/// Those of them on which HTTP/2 is spoken; an entry leaves with its socket. What does not fit counts as `InboundFull`.
#[btf_map]
pub static STREAMS: HashMap<u64, Streams, 32_768, LAZY> = HashMap::new();

/// Threads that read a demand, or waited for input while that was counted; an entry leaves with its thread.
/// What does not fit counts as `ThreadsFull`.
#[btf_map]
pub static THREADS: HashMap<u32, Thread, 16_384, LAZY> = HashMap::new();

/// Calls of TLS libraries that threads are in; an entry leaves with the call or its thread. What does not fit counts as
/// `ThreadsFull`.
#[btf_map]
pub static INSIDE: HashMap<u64, Inside, 16_384, LAZY> = HashMap::new();

/// Objects of TLS libraries; an entry leaves with its object or connection, and with those that nobody used for longest.
/// One that is missed is bound again.
#[btf_map]
pub static OBJECTS: LruHashMap<Object, Bound, 16_384> = LruHashMap::new();

/// Whose plaintext connections have, by socket; an entry leaves with its connection.
#[btf_map]
pub static SPEAKERS: HashMap<u64, Speaker, 32_768, LAZY> = HashMap::new();

/// What threads received on encrypted connections and nobody is known to have deciphered.
#[btf_map]
pub static HEARD: LruHashMap<u64, Heard, 1_024> = LruHashMap::new();

/// What threads had encrypted that they did not send yet, by objects that are not bound.
#[btf_map]
pub static SAID: LruHashMap<u64, Inside, 1_024> = LruHashMap::new();

/// Who writes what connections send that are not bound yet, by socket; an entry leaves when its connection is bound.
#[btf_map]
pub static WRITERS: LruHashMap<u64, Writer, 1_024> = LruHashMap::new();

/// Plaintext that a library shows a thread, who has not taken it yet.
#[btf_map]
pub static OFFERED: LruHashMap<u64, Offered, 1_024> = LruHashMap::new();

/// StartupMessages of objects that are not bound yet. One that is missed leaves its connection without names.
#[btf_map]
pub static SPOKEN: LruHashMap<Object, Startup, 256> = LruHashMap::new();

/// Processes that are listed, denied or hold connections; an entry leaves with the process.
#[btf_map]
pub static PROCESSES: HashMap<u32, u32, 16_384, LAZY> = HashMap::new();

/// Marks of sockets that are nothing to us, by the end of their number; the newest of two takes the place.
pub const STRANGERS_LEN: usize = 65_536;
/// A variable and no map: its address stands in the program, and what everybody passes through is half as long.
#[unsafe(no_mangle)]
pub static mut STRANGERS: [u64; STRANGERS_LEN] = [0; STRANGERS_LEN];

/// Which marks of strangers count: what changes with each thing that becomes of interest, see `stranger.rs`. The agent
/// writes it, too, to the map that its section becomes.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.age")]
pub static mut AGE: u64 = 1;

/// 1 = a connection was used by `recvmmsg` or `sendmmsg`, which hardly any is.
#[btf_map]
pub static VECTORS: Array<u64, 1> = Array::new();

/// When the reader was last woken for a new connection.
#[btf_map]
pub static WOKEN: Array<u64, 1> = Array::new();

/// Ports whose failed connects are told; written by the agent.
#[btf_map]
pub static PORTS: HashMap<u16, u32, 256> = HashMap::new();

/// The books, one slot per [`Counter`].
#[btf_map]
pub static COUNTERS: PerCpuArray<u64, { Counter::SLOTS as usize }> = PerCpuArray::new();

/// The walk that this CPU is doing: its cursors are here and not on the stack, where the verifier
/// would follow every value of theirs.
#[btf_map]
pub static WALKS: PerCpuArray<Walk, 1> = PerCpuArray::new();

/// User bytes that this CPU is looking at.
#[btf_map]
pub static CHUNKS: PerCpuArray<[u8; crate::walk::CHUNK_ROOM], 1> = PerCpuArray::new();

/// The head of what was read on this CPU.
#[btf_map]
pub static HEADS: PerCpuArray<Head, 1> = PerCpuArray::new();

/// The message that this CPU is telling of.
#[btf_map]
pub static TELLING: PerCpuArray<Telling, 1> = PerCpuArray::new();

/// Zeros, to make new connections from.
#[btf_map]
pub static EMPTY_CONNECTION: Array<Connection, 1> = Array::new();

/// Zeros, to make new startups from.
#[btf_map]
pub static EMPTY_STARTUP: Array<Startup, 1> = Array::new();

#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets {
    family: 0,
    dport: 0,
    num: 0,
    daddr: 0,
    v6_daddr: 0,
    sk_socket: 0,
    sk_err: 0,
    tcp_wstamp: 0,
    unix_peer: 0,
    unix_addr: 0,
    unix_len: 0,
    unix_name: 0,
    socket_inode: 0,
    socket_sk: 0,
    inode_number: 0,
    inode_mode: 0,
    file_inode: 0,
    file_private: 0,
    files_table: 0,
    table_files: 0,
    table_size: 0,
    task_files: 0,
    task_pid: 0,
    task_tgid: 0,
    task_leader: 0,
    task_started: 0,
    task_signal: 0,
    signal_live: 0,
    registers: 0,
    registers_number: 0,
    registers_fourth: 0,
    registers_result: 0,
    registers_passed: 0,
    registers_second_of_go: 0,
    registers_third_of_go: 0,
    registers_goroutine: 0,
    registers_stack: 0,
    registers_flags: 0,
    sk_shutdown: 0,
    tcp_copied: 0,
    task_flags: 0,
    task_ring: 0,
    sk_type: 0,
    sk_protocol: 0,
    tcp_sent: 0,
};

/// What each system call does, by its number; see `wire::call`.
#[unsafe(no_mangle)]
static CALL_FORMS: [u8; CALLS] = [0; CALLS];

/// What each system call waits for, by its number; see `wire::pause`.
#[unsafe(no_mangle)]
static CALL_PAUSES: [u8; CALLS] = [0; CALLS];

/// One of `wire::watch`.
#[unsafe(no_mangle)]
static WATCH: u32 = 0;

/// Messages walked per call: at six nanoseconds each, less than a millisecond.
#[unsafe(no_mangle)]
static HOPS: u32 = 131_072;

/// 1 = nothing of a statement's text or name is told.
#[unsafe(no_mangle)]
static NO_SQL: u32 = 0;

/// 1 = nothing is told of what an encrypted connection does.
#[unsafe(no_mangle)]
static NO_TURNS: u32 = 0;

/// Bytes in the ring above which texts are not told any more, so that requests still find room.
#[unsafe(no_mangle)]
static NO_TEXT_ABOVE: u64 = 3 << 20;

/// Bytes in the ring above which the reader is woken.
#[unsafe(no_mangle)]
static WAKE_ABOVE: u64 = 2 << 20;

/// Reads a patched setting; volatile, since the compiler believes the value written above.
macro_rules! setting {
    ($setting:expr) => {
        unsafe { core::ptr::read_volatile(&raw const $setting) }
    };
}

/// One offset.
macro_rules! offset {
    ($field:ident) => {
        $crate::maps::setting!($crate::maps::OFFSETS.$field)
    };
}

pub(crate) use {offset, setting};

pub fn watch() -> u32 {
    setting!(WATCH)
}

pub fn hops() -> u32 {
    setting!(HOPS)
}

pub fn wake_above() -> u64 {
    setting!(WAKE_ABOVE)
}

pub fn tells_sql() -> bool {
    setting!(NO_SQL) == 0
}

pub fn takes_turns() -> bool {
    setting!(NO_TURNS) == 0
}

pub fn no_text_above() -> u64 {
    setting!(NO_TEXT_ABOVE)
}

pub fn call_form(number: u64) -> u8 {
    of_call(&raw const CALL_FORMS, number)
}

pub fn call_pause(number: u64) -> u8 {
    of_call(&raw const CALL_PAUSES, number)
}

#[inline(always)]
fn of_call(table: *const [u8; CALLS], number: u64) -> u8 {
    if number >= CALLS as u64 {
        return 0;
    }
    // Masked once more: the verifier does not connect the check above with this use.
    let index = core::hint::black_box(number) & (CALLS as u64 - 1);
    unsafe { core::ptr::read_volatile(table.cast::<u8>().add(index as usize)) }
}

/// Adds to a counter.
#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        unsafe { *slot += 1 };
    }
}

const _: () = assert!(STARTUP_LEN == 1024);
