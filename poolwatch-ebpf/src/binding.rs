//! Which object of a TLS library belongs to which connection.
//!
//! In come calls of the library and socket calls, out go connections of which the plaintext is seen. A library that
//! uses the socket itself does so inside its own calls, on the same thread. One that is handed memory instead is told by what
//! its thread received before: the bytes that came, and what they were deciphered to, differ by the records' own bytes. In
//! both cases nothing is believed before a message begins where one should. What cannot be told apart is not bound.

use poolwatch_ebpf::wire::{Connection, Counter, by, phase, standing};

use crate::{
    emit, filter, frame,
    kernel::{self, Caller},
    maps::{self, CONNECTIONS, HEARD, INSIDE, OBJECTS, SPEAKERS},
    plain::{self, Inside},
    queue, secured,
};

/// An object of a TLS library.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Object {
    /// Where it lies in its process.
    pub address: u64,
    /// The process.
    pub pid: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

/// What is known of an object.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bound {
    /// Its connection; 0 = not known.
    pub socket: u64,
    /// The connection that it may have.
    pub candidate: u64,
    /// How often that was seen.
    pub votes: u16,
    /// How often nothing was seen: what this thread deciphers, another may have received.
    pub misses: u16,
    /// Calls that handed over plaintext and gave no hint.
    pub calls: u32,
}

/// Whose plaintext a connection has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Speaker {
    /// The library's object.
    pub object: Object,
    /// Socket calls since it last handed over or took plaintext, that were not made by it.
    pub silent: u32,
    /// 1 = the library uses the socket itself.
    pub own: u32,
}

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
/// Plaintext handed over so often without a hint: it is nobody's that is watched.
const CALLS: u32 = 64;
/// Calls on a socket without plaintext, after which its object is not the one that was known: of a library that
/// makes them itself, and of one that is handed memory.
const SILENT: [u32; 2] = [64, 3];
/// Bytes that a record of TLS has beyond its plaintext: 1.3; 1.2 with AES-GCM; 1.2 with ChaCha20.
/// Source: <https://www.rfc-editor.org/rfc/rfc8446#section-5.2>, RFC 5288 section 3, RFC 7905 section 2.
const BEYOND: [u64; 3] = [22, 29, 21];
/// Records in one read that are still compared.
const RECORDS: u64 = 16;

/// A socket call on an encrypted connection.
#[inline(always)]
pub unsafe fn called(c: &mut Connection, sk: u64, receives: bool, length: u64, caller: Caller) {
    if c.secured != by::TLS as u8 {
        return;
    }
    let thread = kernel::thread();
    let bits = filter::standing_of((thread >> 32) as u32);
    if bits & standing::PLAIN == 0 {
        if c.plain != 0 {
            unsafe { part(c) };
        }
        return;
    }
    if c.told == 0 {
        unsafe { emit::open(c, sk, kernel::now()) };
    }
    if let Some(inside) = inside(bits, thread, caller) {
        unsafe {
            (*inside).met = c.socket;
            if c.plain == 0 || (*inside).socket == c.socket {
                return;
            }
        }
    }
    if c.plain != 0 {
        unsafe { silent(c) };
    } else if receives && bits & standing::GO == 0 {
        hear(c.socket, thread, length);
    }
}

/// The library's call in which a socket call is made. Go keeps the goroutine in its register through system calls.
#[inline(always)]
fn inside(bits: u32, thread: u64, caller: Caller) -> Option<*mut Inside> {
    if bits & standing::GO != 0 {
        let goroutine = caller.registers()?.goroutine();
        return INSIDE.get_ptr_mut(plain::caller_in_go(goroutine));
    }
    INSIDE.get_ptr_mut(thread)
}

/// Nothing was heard of its object at this call. One that has left without a word is not waited for.
#[inline(always)]
unsafe fn silent(c: &mut Connection) {
    let Some(speaker) = SPEAKERS.get_ptr_mut(c.socket) else { return };
    unsafe {
        (*speaker).silent += 1;
        if (*speaker).silent > SILENT[((*speaker).own & 1) as usize] {
            part(c);
        }
    }
}

/// A thread received bytes that somebody will decipher.
#[inline(always)]
fn hear(socket: u64, thread: u64, length: u64) {
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
    if h.several != 0 || (h.plain == 0 && !begins) {
        let _ = HEARD.remove(thread);
        return 0;
    }
    h.object = object.address;
    h.plain += length;
    if !is_deciphered(h.length, h.plain) && !is_deciphered(h.last, h.plain) {
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
fn is_deciphered(records: u64, plain: u64) -> bool {
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

/// An object gave no hint; after many it is passed by.
#[inline(always)]
pub unsafe fn none(bound: *mut Bound) {
    unsafe { (*bound).calls += 1 };
}

/// Nobody waits for a hint of it any more.
#[inline(always)]
pub fn is_stranger(bound: &Bound) -> bool {
    bound.socket == 0 && bound.calls > CALLS
}

/// Binds them, unless one of them is bound otherwise. `opens` = the StartupMessage is still to come, or was kept.
#[inline(always)]
pub unsafe fn bind(
    object: Object,
    bound: *mut Bound,
    socket: u64,
    own: bool,
    opens: bool,
) -> Option<*mut Connection> {
    let connection = CONNECTIONS.get_ptr_mut(socket)?;
    let c = unsafe { &mut *connection };
    if c.secured != by::TLS as u8 || c.told == 0 || c.plain != 0 {
        return None;
    }
    let speaker = Speaker { object, silent: 0, own: own as u32 };
    if SPEAKERS.insert(socket, speaker, 0).is_err() {
        maps::count(Counter::ConnectionsFull);
        return None;
    }
    unsafe {
        (*bound).socket = socket;
        (*bound).candidate = 0;
        begin(c, opens);
        c.plain = 1;
        emit::plain(c, kernel::now());
    }
    Some(connection)
}

/// What was taken from the records is not to be mixed with what the messages say.
#[inline(always)]
unsafe fn begin(c: &mut Connection, opens: bool) {
    frame::lose_client(c);
    frame::lose_server(c);
    queue::forget_deep(c);
    c.queue_head = c.queue_tail;
    c.overflow = 0;
    c.overflow_done = 0;
    c.sending = 0;
    c.sending_bytes = 0;
    c.sending_executes = 0;
    c.early = 0;
    c.kept = 0;
    c.awaiting = 0;
    emit::clear_answer(c);
    secured::anew(c);
    // What is bound begins with a message.
    c.tx.lost = 0;
    c.rx.lost = 0;
    if !opens {
        c.phase = phase::MESSAGES;
        c.no_credit = 1;
        // Its startup was not seen, and no one will say that it failed.
        c.midstream = (c.ready == 0) as u8 | c.midstream;
    } else {
        c.flags = 0;
    }
}

/// The connection's plaintext is not seen any more.
#[inline(always)]
pub unsafe fn part(c: &mut Connection) {
    c.plain = 0;
    forget(c);
    frame::lose_client(c);
    frame::lose_server(c);
    c.sending = 0;
    secured::anew(c);
    unsafe { emit::secured(c, kernel::now()) };
}

/// The connection is over, or no longer bound.
#[inline(always)]
pub fn forget(c: &mut Connection) {
    let Some(speaker) = SPEAKERS.get_ptr(c.socket) else { return };
    let object = unsafe { (*speaker).object };
    let _ = SPEAKERS.remove(c.socket);
    if let Some(bound) = OBJECTS.get_ptr(object)
        && unsafe { (*bound).socket } == c.socket
    {
        let _ = OBJECTS.remove(object);
    }
}

/// The object is freed: its place may be another's next.
#[inline(always)]
pub unsafe fn freed(object: Object) {
    let Some(bound) = OBJECTS.get_ptr(object) else { return };
    let socket = unsafe { (*bound).socket };
    let _ = OBJECTS.remove(object);
    if let Some(connection) = CONNECTIONS.get_ptr_mut(socket) {
        let c = unsafe { &mut *connection };
        if c.plain != 0 {
            unsafe { part(c) };
        }
    }
}

/// Plaintext of it was seen: it is the one.
#[inline(always)]
pub fn heard_of(socket: u64) {
    if let Some(speaker) = SPEAKERS.get_ptr_mut(socket) {
        unsafe { (*speaker).silent = 0 };
    }
}

/// The call that a thread is in names its object.
#[inline(always)]
pub fn object_of(inside: &Inside) -> Object {
    Object { address: inside.object, pid: kernel::pid(), reserved: 0 }
}
