//! TLS from a connection's first byte on (`sslnegotiation=direct`): a ClientHello that offers the protocol `postgresql`.
//!
//! Source: <https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL>; the extension is that of
//! <https://www.rfc-editor.org/rfc/rfc7301>.

use poolwatch_ebpf::wire::Half;

use crate::{
    kernel::{self, Caller},
    payload,
    walk::Walk,
};

/// Extensions of a ClientHello that are looked at; clients send about fifteen.
const EXTENSIONS: u32 = 64;
/// From the record's first byte to the length of the session id.
const SESSION: u64 = 5 + 4 + 2 + 32;
/// Number of the extension for protocols.
const PROTOCOLS: u16 = 16;
/// A list of one protocol, its length in two bytes and the name's in one: thirteen bytes as two words that overlap, the last of
/// which begins so far behind the first.
const POSTGRESQL: [u64; 2] = [u64::from_ne_bytes(*b"\x00\x0b\x0apostg"), u64::from_ne_bytes(*b"stgresql")];
const LAST: u64 = 5;

/// Where the next extension is.
#[repr(C)]
struct Search {
    at: u64,
    end: u64,
    found: u64,
}

/// The payload of the call with registers at that address is such a ClientHello, or its beginning: 1, else 0.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn begins_hello(sk: u64, length: u64, address: u64) -> i32 {
    unsafe { begins(sk, length, Caller::from_address(address)) as i32 }
}

#[inline(always)]
unsafe fn begins(sk: u64, length: u64, caller: Caller) -> bool {
    let Some(registers) = caller.registers() else { return false };
    let Some(w) = Walk::begin(sk, length) else { return false };
    let mut half = Half::default();
    if !payload::point(w, &mut half, &registers, payload::form(&registers)) || !payload::first_byte(w) {
        return false;
    }
    let b = kernel::read_user(w.at, [0u8; 6]);
    if b[0] != 22 || b[1] != 3 || b[2] > 3 || b[5] != 1 {
        return false;
    }
    let ciphers = w.at + SESSION + 1 + kernel::read_user(w.at + SESSION, 0u8) as u64;
    let compressions = ciphers + 2 + number(ciphers) as u64;
    let extensions = compressions + 1 + kernel::read_user(compressions, 0u8) as u64;
    let mut search = Search { at: extensions + 2, end: w.end, found: 0 };
    unsafe { kernel::repeat(EXTENSIONS, step, &mut search) };
    search.found != 0
}

/// Two bytes of the payload.
#[inline(always)]
fn number(at: u64) -> u16 {
    u16::from_be_bytes(kernel::read_user(at, [0u8; 2]))
}

unsafe extern "C" fn step(_step: u32, search: *mut Search) -> i64 {
    let search = unsafe { &mut *search };
    let head = search.at;
    search.at = head + 4 + number(head + 2) as u64;
    if search.at > search.end {
        return 1;
    }
    if number(head) != PROTOCOLS {
        return 0;
    }
    // As words: byte by byte the verifier would follow each that differs.
    let first = kernel::read_user(head + 4, 0u64);
    let last = kernel::read_user(head + 4 + LAST, 0u64);
    search.found = (first == POSTGRESQL[0] && last == POSTGRESQL[1]) as u64;
    1
}
