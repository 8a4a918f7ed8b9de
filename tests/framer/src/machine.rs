//! Hooks of the first tier, called as the kernel calls them: a socket, a result, and the system call's
//! registers, behind which lie buffers, vectors and messages.
//!
//! In come bytes in segments, out come records. The settings that the agent patches into the object
//! before loading it are patched into this program once.

use std::{
    collections::HashMap,
    ffi::c_void,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use aya_ebpf::machine;
use poolwatch_ebpf::wire::{CALLS, Connection, Counter, Half, Offsets, call, family, phase};

use crate::maps;

unsafe extern "Rust" {
    safe fn sock_send(context: *mut c_void) -> i32;
    safe fn sock_receive(context: *mut c_void) -> i32;
    safe fn tcp_state(context: *mut c_void) -> i32;
}

unsafe extern "C" {
    static CALL_FORMS: [u8; CALLS];
}

/// How a call names its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `read`, `write`: one buffer, whatever the segments.
    Buffer,
    /// `readv`, `writev`
    Vector,
    /// `recvmsg`, `sendmsg`
    Message,
}

impl Form {
    /// One for each number.
    pub const fn of(number: u8) -> Self {
        match number % 3 {
            0 => Self::Buffer,
            1 => Self::Vector,
            _ => Self::Message,
        }
    }

    const fn number(self, sends: bool) -> usize {
        self as usize * 2 + sends as usize
    }
}

/// Where things lie in memory.
const BUFFERS: u64 = 0x10_0000_0000;
const BUFFER_STEP: u64 = 0x1000_0000;
const VECTOR: u64 = 0x20_0000_0000;
const MESSAGE: u64 = 0x21_0000_0000;
const REGISTERS: u64 = 0x9000_0000;
const SOCK: u64 = 0xa000_0000;
const SOCK_STEP: u64 = 0x1000;
/// `MSG_PEEK`
pub const PEEK: u64 = 2;

const OFFSETS: Offsets = Offsets {
    family: 0,
    dport: 2,
    num: 4,
    daddr: 8,
    v6_daddr: 16,
    sk_socket: 32,
    sk_err: 40,
    tcp_wstamp: 0,
    tcp_copied: 44,
    sk_shutdown: 48,
    sk_type: 50,
    sk_protocol: 52,
    tcp_sent: 56,
    registers: 0,
    registers_number: 0,
    registers_fourth: 32,
    registers_passed: 40,
    registers_result: 48,
    registers_stack: 56,
    registers_flags: 64,
    ..EMPTY
};

// SAFETY: only integers.
const EMPTY: Offsets = unsafe { std::mem::zeroed() };

const fn forms() -> [u8; CALLS] {
    let mut forms = [0; CALLS];
    let kinds = [call::BUFFER, call::VECTOR, call::MESSAGE];
    let mut i = 0;
    while i < 3 {
        forms[2 * i] = kinds[i] | call::RECEIVES;
        forms[2 * i + 1] = kinds[i] | call::SENDS;
        i += 1;
    }
    forms
}

/// Overwrites what the program believes to be constant, as the loader of the real one does.
fn patch<T>(setting: *const T, value: T) {
    let page = 4096;
    let from = setting.addr() & !(page - 1);
    let to = (setting.addr() + size_of::<T>()).next_multiple_of(page);
    let begin = setting.cast::<u8>().wrapping_sub(setting.addr() - from).cast_mut().cast();
    // SAFETY: these pages are this program's own data; what lies there is read by `read_volatile` only.
    let opened = unsafe { libc::mprotect(begin, to - from, libc::PROT_READ | libc::PROT_WRITE) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: writable now, and no hook runs yet.
    unsafe { setting.cast_mut().write_volatile(value) };
}

/// The probes' variables are there once, and a machine at a time has them.
static VARIABLES: Mutex<()> = Mutex::new(());

/// A kernel with probes attached, nothing connected. Only one at a time: others wait for its end.
pub struct Machine {
    /// Bytes that were read from each socket, as TCP counts them.
    copied: HashMap<u64, u32>,
    /// Bytes that were sent on each, in the same way.
    sent: HashMap<u64, u64>,
    /// Not to be sent to another thread either, where the maps are others.
    _alone: MutexGuard<'static, ()>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    pub fn new() -> Self {
        static PATCHED: Once = Once::new();
        PATCHED.call_once(|| {
            patch(&raw const maps::OFFSETS, OFFSETS);
            patch(&raw const CALL_FORMS, forms());
        });
        let alone = VARIABLES.lock().unwrap_or_else(PoisonError::into_inner);
        machine::reset();
        // What the machine before it marked.
        // SAFETY: nobody else has the variables, and zeros are what they begin with.
        unsafe { (&raw mut maps::STRANGERS).write_bytes(0, 1) };
        Self { copied: HashMap::new(), sent: HashMap::new(), _alone: alone }
    }

    /// A TCP socket calls `connect()`.
    pub fn connect(&mut self, socket: u64) {
        self.copied(socket, 0);
        self.state(socket, 7, 2, 0);
    }

    /// User space found it older than the probes; `certain` = it leads to PostgreSQL.
    pub fn adopt(&mut self, socket: u64, certain: bool) {
        let connection = Connection {
            socket: Self::identity(socket),
            pid: 7,
            family: family::INET,
            phase: phase::MESSAGES,
            told: u8::from(certain),
            proven: u8::from(certain),
            midstream: 1,
            rx: Half { lost: 1, ..Half::default() },
            ..Connection::EMPTY
        };
        maps::CONNECTIONS.insert(connection.socket, connection, 0).expect("room for one");
    }

    /// A TCP socket was closed by this side, or reset with an errno.
    pub fn close(&mut self, socket: u64, errno: i32) {
        self.state(socket, 1, 7, errno);
    }

    fn state(&mut self, socket: u64, old: u64, new: u64, errno: i32) {
        Self::next_hook();
        let sk = self.sock(socket, errno);
        let mut words = [sk, old, new];
        tcp_state(words.as_mut_ptr().cast());
    }

    /// Another thread runs from now on; its number is its process's, too, when it is below 1000.
    pub fn thread(&mut self, process: u32, thread: u32) {
        machine::with(|m| m.thread = u64::from(process) << 32 | u64::from(thread));
    }

    /// The client sent these segments in one call.
    pub fn send(&mut self, socket: u64, segments: &[&[u8]], form: Form) {
        let length = Self::call(segments, form, true);
        *self.sent.entry(socket).or_insert(0) += length;
        let mut words = [self.sock(socket, 0), length, 0];
        sock_send(words.as_mut_ptr().cast());
    }

    /// The client received these segments in one call.
    pub fn receive(&mut self, socket: u64, segments: &[&[u8]], form: Form, flags: u64) {
        let length = Self::call(segments, form, false);
        self.copied(socket, if flags & PEEK == 0 { length } else { 0 });
        let mut words = [self.sock(socket, 0), length, flags];
        sock_receive(words.as_mut_ptr().cast());
    }

    /// A call whose result is an error or 0.
    pub fn fruitless(&mut self, socket: u64, result: i32, sends: bool) {
        Self::call(&[], Form::Buffer, sends);
        let mut words = [self.sock(socket, 0), i64::from(result).cast_unsigned(), 0];
        if sends {
            sock_send(words.as_mut_ptr().cast())
        } else {
            sock_receive(words.as_mut_ptr().cast())
        };
    }

    /// A call whose payload is on no page that is there.
    pub fn unreadable(&mut self, socket: u64, length: usize, sends: bool) {
        Self::call(&[], Form::Buffer, sends);
        self.copied(socket, if sends { 0 } else { length as u64 });
        let mut words = [self.sock(socket, 0), length as u64, 0];
        if sends {
            sock_send(words.as_mut_ptr().cast())
        } else {
            sock_receive(words.as_mut_ptr().cast())
        };
    }

    /// The socket's identity in records.
    pub const fn identity(socket: u64) -> u64 {
        SOCK + socket * SOCK_STEP
    }

    /// The clock.
    pub fn now(&self) -> u64 {
        machine::with(|m| m.now)
    }

    /// Bytes that the ring has room for.
    pub fn ring(&mut self, room: usize) {
        machine::with(|m| m.ring_room = room);
    }

    /// Takes what is in the ring.
    pub fn records(&mut self) -> Vec<Vec<u8>> {
        machine::with(|m| {
            assert!(m.reserved.is_empty(), "reserved and neither submitted nor discarded");
            m.ring_used = 0;
            std::mem::take(&mut m.records)
        })
    }

    /// One of the kernel side's books.
    pub fn count(&self, counter: Counter) -> u64 {
        // SAFETY: the slot lives as long as the machine.
        maps::COUNTERS.get_ptr(counter as u32).map_or(0, |slot| unsafe { *slot })
    }

    /// What the probes remember of a connection.
    pub fn connection(&self, socket: u64) -> Option<Connection> {
        // SAFETY: no hook runs that could change it.
        maps::CONNECTIONS.get_ptr(Self::identity(socket)).map(|connection| unsafe { *connection })
    }

    /// Entries in the maps that grow: connections, candidates, startups, waiting requests, other sockets.
    pub fn entries(&self) -> [usize; 5] {
        [
            maps::CONNECTIONS.len(),
            maps::CANDIDATES.len(),
            maps::STARTUPS.len(),
            maps::DEEP.len(),
            maps::INBOUND.len(),
        ]
    }

    fn sock(&self, socket: u64, errno: i32) -> u64 {
        let sent = self.sent.get(&socket).copied().unwrap_or(0);
        place(socket, errno, self.copied.get(&socket).copied().unwrap_or(0), sent)
    }

    fn copied(&mut self, socket: u64, length: u64) {
        let copied = self.copied.entry(socket).or_insert(0x7fff_ff00);
        *copied = copied.wrapping_add(u32::try_from(length).unwrap_or(0));
    }

    /// Time goes on, and what was removed is freed.
    fn next_hook() {
        machine::with(|m| {
            m.now += 1000;
            m.user.clear();
            m.kernel.clear();
        });
        maps::CONNECTIONS.bury();
        maps::CANDIDATES.bury();
        maps::STARTUPS.bury();
        maps::DEEP.bury();
        maps::INBOUND.bury();
    }

    /// Lays out a call's arguments; its length.
    fn call(segments: &[&[u8]], form: Form, sends: bool) -> u64 {
        Self::next_hook();
        let whole: Vec<u8>;
        let (mut vector, mut length) = (Vec::new(), 0);
        let segments = if form == Form::Buffer {
            whole = segments.concat();
            &[&whole[..]][..]
        } else {
            segments
        };
        for (i, segment) in segments.iter().enumerate() {
            let address = BUFFERS + i as u64 * BUFFER_STEP;
            vector.extend_from_slice(&address.to_ne_bytes());
            vector.extend_from_slice(&(segment.len() as u64).to_ne_bytes());
            length += segment.len() as u64;
            machine::with(|m| m.user.put(address, segment.to_vec()));
        }
        let (second, third) = match form {
            Form::Buffer => (BUFFERS, length),
            Form::Vector => (VECTOR, segments.len() as u64),
            Form::Message => (MESSAGE, 0),
        };
        let mut message = vec![0; 56];
        message[16..24].copy_from_slice(&VECTOR.to_ne_bytes());
        message[24..32].copy_from_slice(&(segments.len() as u64).to_ne_bytes());
        let words = [third, second, 3, form.number(sends) as u64, 0];
        machine::with(|m| {
            m.registers = REGISTERS;
            m.user.put(VECTOR, vector);
            m.user.put(MESSAGE, message);
            m.kernel.put(REGISTERS, words.iter().flat_map(|word| word.to_ne_bytes()).collect());
        });
        length
    }
}

/// Makes the kernel's `struct sock`; its address, which is also its cookie here.
fn place(socket: u64, errno: i32, copied: u32, sent: u64) -> u64 {
    let address = SOCK + socket * SOCK_STEP;
    let mut bytes = vec![0; 64];
    bytes[0..2].copy_from_slice(&family::INET.to_ne_bytes());
    bytes[2..4].copy_from_slice(&5432_u16.to_be_bytes());
    bytes[4..6].copy_from_slice(&40_000_u16.to_ne_bytes());
    bytes[8..12].copy_from_slice(&[127, 0, 0, 1]);
    bytes[40..44].copy_from_slice(&errno.to_ne_bytes());
    bytes[44..48].copy_from_slice(&copied.to_ne_bytes());
    // Both directions are shut down when the state changes.
    bytes[48] = 3;
    // A TCP stream.
    bytes[50] = 1;
    bytes[52] = 6;
    bytes[56..64].copy_from_slice(&sent.to_ne_bytes());
    machine::with(|m| m.kernel.put(address, bytes));
    address
}
