//! The functions of rustls that take and hand over plaintext, in programs that kept their names. It is handed memory, and what it
//! reads from is another object than what it writes to: see `speaking.rs`.
//! Source: <https://github.com/rustls/rustls/blob/v/0.23.46/rustls/src/conn.rs>.
//!
//! `Result<usize>` comes back as two registers: 0 and the number, or 1 and the error. A compiler that returned it in memory would
//! return an address in the first, and is taken for one that fails: nothing is bound then.

use aya_ebpf::{
    EbpfContext,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    binding::Object,
    kernel, offered,
    plain::{self, Passes},
    registers::{self, Passed},
};

/// `fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>` of `Reader`
#[uprobe]
pub fn plain_rust_read(context: ProbeContext) -> u32 {
    let passed = Passed::at(context.as_ptr() as u64);
    let passes =
        Passes { buffer: passed.second(), most: passed.third(), count: 0, receives: true, apart: true };
    plain::enter(kernel::thread(), reader(&passed), passes);
    0
}

/// `fn write(&mut self, buf: &[u8]) -> io::Result<usize>` of `ConnectionCommon`
#[uprobe]
pub fn plain_rust_write(context: ProbeContext) -> u32 {
    let passed = Passed::at(context.as_ptr() as u64);
    write(&passed, passed.second(), passed.third());
    0
}

/// `fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize>` of the same
#[uprobe]
pub fn plain_rust_gather(context: ProbeContext) -> u32 {
    let passed = Passed::at(context.as_ptr() as u64);
    let (vector, vectors) = (passed.second(), passed.third());
    let [buffer, most] = kernel::read_user(vector, [0u64; 2]);
    write(&passed, buffer, most);
    if vectors > 1 {
        plain::gathers(kernel::thread(), vector, vectors);
    }
    0
}

/// At the end of one of them, its result in its registers.
#[uprobe]
pub fn plain_rust_done(context: ProbeContext) -> u32 {
    unsafe { plain::returned(kernel::thread(), result(context.as_ptr() as u64)) };
    0
}

/// The same, by the address that it returns to.
#[uretprobe]
pub fn plain_rust_returned(context: RetProbeContext) -> u32 {
    unsafe { plain::returned(kernel::thread(), result(context.as_ptr() as u64)) };
    0
}

/// At the end of `fn into_first_chunk(self) -> io::Result<&'a [u8]>` of `Reader`
#[uprobe]
pub fn plain_rust_shown(context: ProbeContext) -> u32 {
    shown(context.as_ptr() as u64);
    0
}

/// The same, by the address that it returns to.
#[uretprobe]
pub fn plain_rust_shown_returned(context: RetProbeContext) -> u32 {
    shown(context.as_ptr() as u64);
    0
}

/// `fn consume(&mut self, amt: usize)` of `Reader`
#[uprobe]
pub fn plain_rust_consume(context: ProbeContext) -> u32 {
    let passed = Passed::at(context.as_ptr() as u64);
    let (reader, length) = (kernel::read_user(passed.first(), 0), passed.second());
    if offered::plain_taken(reader, length) != 0 {
        unsafe { plain::returned(kernel::thread(), length) };
    }
    0
}

#[inline(always)]
fn write(passed: &Passed, buffer: u64, most: u64) {
    let object = Object { address: passed.first(), pid: kernel::pid(), reserved: 0 };
    let passes = Passes { buffer, most, count: 0, receives: false, apart: true };
    plain::enter(kernel::thread(), object, passes);
}

/// A `Reader` is made for one call, and begins with where it reads from.
#[inline(always)]
fn reader(passed: &Passed) -> Object {
    Object { address: kernel::read_user(passed.first(), 0), pid: kernel::pid(), reserved: 0 }
}

#[inline(always)]
fn shown(registers: u64) {
    offered::shown(registers::results(registers), registers::stack(registers));
}

/// As C says it: nothing that is positive is an error.
#[inline(always)]
fn result(registers: u64) -> u64 {
    let [failed, moved] = registers::results(registers);
    if failed == 0 { moved } else { 0 }
}
