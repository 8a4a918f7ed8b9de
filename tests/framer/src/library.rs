//! A TLS library's functions, as the probes see them called: what goes in and comes out of them beside the records on the
//! socket.
//!
//! In come plaintext and the order of calls, out come records. Two ways of libraries are known: one that uses the socket inside
//! its own calls, and one that is handed memory.

use std::ffi::c_void;

use aya_ebpf::machine;
use poolwatch_ebpf::wire::standing;

use crate::{
    machine::{Form, Machine},
    maps,
    message::packet,
};

unsafe extern "Rust" {
    safe fn plain_read(context: *mut c_void) -> u32;
    safe fn plain_write(context: *mut c_void) -> u32;
    safe fn plain_done(context: *mut c_void) -> u32;
    safe fn plain_freed(context: *mut c_void) -> u32;
    safe fn plain_rust_read(context: *mut c_void) -> u32;
    safe fn plain_rust_write(context: *mut c_void) -> u32;
    safe fn plain_rust_gather(context: *mut c_void) -> u32;
    safe fn plain_rust_done(context: *mut c_void) -> u32;
    safe fn plain_rust_shown(context: *mut c_void) -> u32;
    safe fn plain_rust_consume(context: *mut c_void) -> u32;
}

const REGISTERS: u64 = 0x9000_0000;
const BUFFER: u64 = 0x30_0000_0000;
/// Where a thread's stack ends, and what lies there.
const STACK: u64 = 0x7f_ff00_0000;
const ON_STACK: u64 = STACK;
/// A connection of rustls has what it reads from somewhere in itself.
const READER: u64 = 0x1f8;
/// Bytes of a record beyond its plaintext, by TLS 1.3.
const BEYOND: usize = 22;
const SSL_REQUEST: u32 = 80_877_103;

/// A process with probes in its library.
pub struct Library {
    pub machine: Machine,
}

impl Default for Library {
    fn default() -> Self {
        Self::new()
    }
}

impl Library {
    pub fn new() -> Self {
        let mut machine = Machine::new();
        machine.thread(7, 7);
        maps::PROCESSES.insert(7, standing::HOLDS | standing::PLAIN, 0).expect("room for one");
        Self { machine }
    }

    /// Connects, and agrees with the server on encryption.
    pub fn encrypt(&mut self, socket: u64) {
        self.machine.connect(socket);
        self.machine.send(socket, &[&packet(SSL_REQUEST, &[])], Form::Buffer);
        self.machine.receive(socket, &[b"S"], Form::Buffer, 0);
    }

    /// Records with so many bytes of plaintext are sent.
    pub fn send(&mut self, socket: u64, plain: usize) {
        self.machine.send(socket, &[&vec![0x17; plain + BEYOND]], Form::Buffer);
    }

    /// Records with so many bytes of plaintext are received.
    pub fn receive(&mut self, socket: u64, plain: usize) {
        self.machine.receive(socket, &[&vec![0x17; plain + BEYOND]], Form::Buffer, 0);
    }

    fn call(hook: fn(*mut c_void) -> u32, object: u64, plain: &[u8], most: usize, result: i64) {
        let words = [most as u64, BUFFER, object, 0, 0, 0, result.cast_unsigned()];
        machine::with(|m| {
            m.now += 1000;
            m.user.clear();
            m.kernel.clear();
            m.user.put(BUFFER, plain.to_vec());
            m.kernel.put(REGISTERS, words.iter().flat_map(|word| word.to_ne_bytes()).collect());
        });
        hook(std::ptr::without_provenance_mut(usize::try_from(REGISTERS).expect("BUG: an address")));
    }

    /// `SSL_write`, in which something may happen.
    pub fn write(&mut self, object: u64, plain: &[u8], inside: impl FnOnce(&mut Self)) {
        Self::call(plain_write, object, plain, plain.len(), 0);
        inside(self);
        let written = i64::try_from(plain.len()).expect("BUG: a length");
        Self::call(plain_done, 0, plain, 0, written);
    }

    /// `SSL_read`, in which something may happen; no plaintext is told as the library does, by −1.
    pub fn read(&mut self, object: u64, plain: &[u8], inside: impl FnOnce(&mut Self)) {
        Self::call(plain_read, object, &[], 16_384, 0);
        inside(self);
        let read = if plain.is_empty() { -1 } else { i64::try_from(plain.len()).expect("BUG: a length") };
        Self::call(plain_done, 0, plain, 0, read);
    }

    /// Calls a function of rustls: registers in, and its result as `Ok` or an error.
    fn rust(hook: fn(*mut c_void) -> u32, passed: [u64; 3], plain: &[u8], stack: &[u64], result: [u64; 2]) {
        let [first, second, third] = passed;
        let third = if third == 0 { result[1] } else { third };
        let words = [third, second, first, 0, 0, 0, result[0], STACK];
        machine::with(|m| {
            m.now += 1000;
            m.user.clear();
            m.kernel.clear();
            let stack = stack.iter().flat_map(|word| word.to_ne_bytes()).collect();
            // Whoever has it encrypted keeps it until it is sent.
            m.user.stay(vec![(BUFFER, plain.to_vec()), (ON_STACK, stack)]);
            m.kernel.put(REGISTERS, words.iter().flat_map(|word| word.to_ne_bytes()).collect());
        });
        hook(std::ptr::without_provenance_mut(usize::try_from(REGISTERS).expect("BUG: an address")));
    }

    /// `PlaintextSink::write` of the connection at this place.
    pub fn rust_write(&mut self, place: u64, plain: &[u8]) {
        let length = plain.len() as u64;
        Self::rust(plain_rust_write, [place, BUFFER, length], plain, &[], [0; 2]);
        Self::rust(plain_rust_done, [0; 3], plain, &[], [0, length]);
    }

    /// `PlaintextSink::write_vectored` of two pieces.
    pub fn rust_gather(&mut self, place: u64, plain: &[u8], cut: usize) {
        let (cut, length) = (cut as u64, plain.len() as u64);
        let pieces = [BUFFER, cut, BUFFER + cut, length - cut];
        Self::rust(plain_rust_gather, [place, ON_STACK, 2], plain, &pieces, [0; 2]);
        Self::rust(plain_rust_done, [0; 3], plain, &pieces, [0, length]);
    }

    /// `Reader::read`; without plaintext it is an error, `WouldBlock`.
    pub fn rust_read(&mut self, place: u64, plain: &[u8]) {
        let result = if plain.is_empty() { [1, 0xd_0000_0003] } else { [0, plain.len() as u64] };
        Self::rust(plain_rust_read, [ON_STACK, BUFFER, 8192], &[], &[place + READER], [0; 2]);
        Self::rust(plain_rust_done, [0; 3], plain, &[], result);
    }

    /// `Reader::into_first_chunk`, its result in registers or in memory, and `Reader::consume` of so many bytes.
    pub fn rust_take(&mut self, place: u64, plain: &[u8], most: usize, in_memory: bool) {
        let chunk = [BUFFER, plain.len() as u64];
        let result = if in_memory { [ON_STACK, 7] } else { chunk };
        Self::rust(plain_rust_shown, [0; 3], plain, &chunk, result);
        Self::rust(plain_rust_consume, [ON_STACK, most as u64, 1], plain, &[place + READER], [0; 2]);
    }

    /// `SSL_free`
    pub fn free(&mut self, object: u64) {
        Self::call(plain_freed, object, &[], 0, 0);
    }

    /// The connection's plaintext is seen.
    pub fn is_seen(&self, socket: u64) -> bool {
        self.machine.connection(socket).is_some_and(|connection| connection.plain != 0)
    }
}
