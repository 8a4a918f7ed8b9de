//! Which object of a TLS library belongs to which connection, where the library is handed memory and never sees the socket.
//!
//! In come what threads receive on encrypted connections, and plaintext that objects hand over on the same threads; out goes a
//! connection, once both were seen to belong together: what came and what it was deciphered to differ by the records' own
//! bytes. What cannot be told apart is not bound.

use crate::{
    binding::{Bound, Object},
    kernel,
    maps::HEARD,
};

/// What a thread received on an encrypted connection, and who has deciphered how much of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Heard {
    pub socket: u64,
    /// Who was handed it; 0 = nobody yet.
    pub object: u64,
    /// Bytes since the last plaintext, and by the last call alone: those before may have been no data.
    pub length: u64,
    pub last: u64,
    /// What it was deciphered to, so far.
    pub plain: u64,
    /// 1 = more than one connection may be meant.
    pub several: u32,
    pub reserved: u32,
}

/// Sightings that bind an object that is handed memory.
const VOTES: u16 = 2;
/// And so many more for each time that its thread had received nothing, up to so many.
const MISSES: u16 = 6;
/// Bytes that a record of TLS has beyond its plaintext: 1.3; 1.2 with AES-GCM; 1.2 with ChaCha20.
/// Source: <https://www.rfc-editor.org/rfc/rfc8446#section-5.2>, RFC 5288 section 3, RFC 7905 section 2.
const BEYOND: [u64; 3] = [22, 29, 21];
/// Records in one read that are still compared.
const RECORDS: u64 = 16;

/// A thread received bytes that somebody will decipher.
#[inline(always)]
pub fn hear(socket: u64, thread: u64, length: u64) {
    let mut heard = Heard { socket, object: 0, length, last: length, plain: 0, several: 0, reserved: 0 };
    if let Some(before) = HEARD.get_ptr_mut(thread) {
        let before = unsafe { &mut *before };
        if before.socket == socket && before.plain == 0 {
            heard.object = before.object;
            heard.length += before.length;
            heard.several = before.several;
        } else if before.socket != socket && before.object == 0 {
            heard.several = 1;
        }
        *before = heard;
        return;
    }
    let _ = HEARD.insert(thread, heard, 0);
}

/// An object was asked for plaintext and had none: the bytes that its thread received were no data, or not all of it.
#[inline(always)]
pub fn handed(object: u64) {
    if let Some(heard) = HEARD.get_ptr_mut(kernel::thread())
        && unsafe { (*heard).object } == 0
    {
        unsafe { (*heard).object = object };
    }
}

/// An object that is not bound handed over plaintext that begins a message, or goes on with one. Says to which connection
/// it belongs, once that is sure enough; `first` = it surely is the first answer to the object's StartupMessage.
#[inline(always)]
pub unsafe fn overheard(object: Object, bound: *mut Bound, length: u64, begins: bool, first: bool) -> u64 {
    let thread = kernel::thread();
    let Some(heard) = HEARD.get_ptr_mut(thread) else { return unsafe { miss(bound) } };
    let h = unsafe { &mut *heard };
    if h.object != 0 && h.object != object.address {
        let _ = HEARD.remove(thread);
        return unsafe { miss(bound) };
    }
    if (h.several != 0 && !first) || (h.plain == 0 && !begins) {
        let _ = HEARD.remove(thread);
        return 0;
    }
    h.object = object.address;
    h.plain += length;
    // Where others came before, as handshakes do, the first answer must be what came last.
    let whole = h.several == 0 && is_deciphered(h.length, h.plain);
    if !whole && !is_deciphered(h.last, h.plain) {
        return 0;
    }
    let socket = h.socket;
    let _ = HEARD.remove(thread);
    unsafe {
        if (*bound).candidate != socket {
            (*bound).candidate = socket;
            (*bound).votes = 0;
        }
        (*bound).votes += 1;
        let enough = (*bound).votes >= VOTES + (*bound).misses || (first && (*bound).misses == 0);
        if enough { socket } else { 0 }
    }
}

/// Its thread received nothing that it can have deciphered.
#[inline(always)]
unsafe fn miss(bound: *mut Bound) -> u64 {
    unsafe {
        if (*bound).misses < MISSES {
            (*bound).misses += 1;
        }
    }
    0
}

/// So many bytes of records can be so many of plaintext.
#[inline(always)]
pub fn is_deciphered(records: u64, plain: u64) -> bool {
    if records <= plain {
        return false;
    }
    let beyond = records - plain;
    let mut i = 0;
    while i < BEYOND.len() {
        if beyond % BEYOND[i] == 0 && beyond / BEYOND[i] <= RECORDS {
            return true;
        }
        i += 1;
    }
    false
}
