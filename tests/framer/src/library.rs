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
}

const REGISTERS: u64 = 0x9000_0000;
const BUFFER: u64 = 0x30_0000_0000;
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

    /// `SSL_free`
    pub fn free(&mut self, object: u64) {
        Self::call(plain_freed, object, &[], 0, 0);
    }

    /// The connection's plaintext is seen.
    pub fn is_seen(&self, socket: u64) -> bool {
        self.machine.connection(socket).is_some_and(|connection| connection.plain != 0)
    }
}
