//! A TLS library's functions that take and hand over plaintext: where they are entered, with their arguments still in
//! registers, and where they return. Attached only in processes that hold an encrypted connection to PostgreSQL.
//! Source: <https://docs.openssl.org/3.0/man3/SSL_read/>, <https://docs.openssl.org/3.0/man3/SSL_write/>,
//! <https://gnutls.org/manual/html_node/Core-TLS-API.html>.

use aya_ebpf::{
    EbpfContext,
    helpers::generated as raw,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{
    binding::{self, Object},
    kernel,
    maps::offset,
    plain::{self, Passes},
    registers::{Passed, left_with},
};

/// `int SSL_read(SSL *ssl, void *buf, int num)`, `ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t size)`
#[uprobe]
pub fn plain_read(context: ProbeContext) -> u32 {
    enter(context.as_ptr() as u64, true, false)
}

/// `int SSL_read_ex(SSL *ssl, void *buf, size_t num, size_t *readbytes)`
#[uprobe]
pub fn plain_read_ex(context: ProbeContext) -> u32 {
    enter(context.as_ptr() as u64, true, true)
}

/// `int SSL_write(SSL *ssl, const void *buf, int num)`,
/// `ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t size)`
#[uprobe]
pub fn plain_write(context: ProbeContext) -> u32 {
    enter(context.as_ptr() as u64, false, false)
}

/// `int SSL_write_ex(SSL *ssl, const void *buf, size_t num, size_t *written)`
#[uprobe]
pub fn plain_write_ex(context: ProbeContext) -> u32 {
    enter(context.as_ptr() as u64, false, true)
}

/// At the end of one of them, its result in the register.
#[uprobe]
pub fn plain_done(context: ProbeContext) -> u32 {
    unsafe { plain::returned(kernel::thread(), result(context.as_ptr() as u64)) };
    0
}

/// The same, by the address that it returns to.
#[uretprobe]
pub fn plain_returned(context: RetProbeContext) -> u32 {
    unsafe { plain::returned(kernel::thread(), result(context.as_ptr() as u64)) };
    0
}

/// `void SSL_free(SSL *ssl)`, `void gnutls_deinit(gnutls_session_t session)`
#[uprobe]
pub fn plain_freed(context: ProbeContext) -> u32 {
    let passed = Passed::at(context.as_ptr() as u64);
    unsafe { binding::freed(object(&passed)) };
    0
}

/// `func (c *Conn) Read(b []byte) (int, error)` of crypto/tls
#[uprobe]
pub fn plain_go_read(context: ProbeContext) -> u32 {
    enter_in_go(context.as_ptr() as u64, true)
}

/// `func (c *Conn) Write(b []byte) (int, error)`
#[uprobe]
pub fn plain_go_write(context: ProbeContext) -> u32 {
    enter_in_go(context.as_ptr() as u64, false)
}

/// At the end of one of these two, or in what it deferred: the probe's cookie says where its result is.
#[uprobe]
pub fn plain_go_done(context: ProbeContext) -> u32 {
    let registers = context.as_ptr() as u64;
    let cookie = unsafe { raw::bpf_get_attach_cookie(context.as_ptr()) };
    let result = left_with(registers, cookie).unwrap_or(0);
    unsafe { plain::returned(plain::caller_in_go(goroutine(registers)), result) };
    0
}

/// Go's own convention: receiver, address and length of the slice, and the goroutine, each in a register.
#[inline(always)]
fn enter_in_go(registers: u64, receives: bool) -> u32 {
    let object = Object { address: result(registers), pid: kernel::pid(), reserved: 0 };
    let buffer = kernel::read(registers + offset!(registers_second_of_go) as u64, 0);
    let most = kernel::read(registers + offset!(registers_third_of_go) as u64, 0);
    let passes = Passes { buffer, most, count: 0, receives, apart: false };
    plain::enter(plain::caller_in_go(goroutine(registers)), object, passes);
    0
}

#[inline(always)]
fn goroutine(registers: u64) -> u64 {
    kernel::read(registers + offset!(registers_goroutine) as u64, 0)
}

#[inline(always)]
fn object(passed: &Passed) -> Object {
    Object { address: passed.first(), pid: kernel::pid(), reserved: 0 }
}

#[inline(always)]
fn enter(registers: u64, receives: bool, counted: bool) -> u32 {
    let passed = Passed::at(registers);
    // An `int` in a register: its upper half is anybody's.
    let most = if counted { passed.third() } else { passed.third() as u32 as u64 };
    let count = if counted { passed.fourth() } else { 0 };
    let passes = Passes { buffer: passed.second(), most, count, receives, apart: false };
    plain::enter(kernel::thread(), object(&passed), passes);
    0
}

#[inline(always)]
fn result(registers: u64) -> u64 {
    kernel::read(registers + offset!(registers_result) as u64, 0)
}
