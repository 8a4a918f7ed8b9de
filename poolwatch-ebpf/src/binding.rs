//! Which object of a TLS library belongs to which connection.
//!
//! In come calls of the library and socket calls, out go connections of which the plaintext is seen. A library that
//! uses the socket itself does so inside its own calls, on the same thread; see `hearing.rs` for one that is handed memory
//! instead. In both cases nothing is believed before a message begins where one should.

use poolwatch_ebpf::wire::{Connection, Counter, by, phase, standing};

use crate::{
    emit, filter, frame, hearing,
    kernel::{self, Caller},
    maps::{self, CONNECTIONS, INSIDE, OBJECTS, SPEAKERS},
    plain::{self, Inside},
    queue, secured, speaking,
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
    /// The one that takes it, where that is another than hands it over.
    pub writer: Object,
    /// Socket calls since it last handed over or took plaintext, that were not made by it.
    pub silent: u32,
    /// 1 = the library uses the socket itself.
    pub own: u32,
    /// What is known of moves: [`speaking::STAYS`], `MOVED` or `UNHEARD`.
    pub moved: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

/// No object.
const NOBODY: Object = Object { address: 0, pid: 0, reserved: 0 };
/// What a map's new entry begins with lies outside the small stack.
static NOBODY_SPEAKS: Speaker =
    Speaker { object: NOBODY, writer: NOBODY, silent: 0, own: 0, moved: 0, reserved: 0 };
/// Of an object that was just met.
pub static UNKNOWN: Bound = Bound { socket: 0, candidate: 0, votes: 0, misses: 0, calls: 0 };
/// Plaintext handed over so often without a hint: it is nobody's that is watched.
const CALLS: u32 = 64;
/// Calls on a socket without plaintext, after which its object is not the one that was known: of a library that is handed
/// memory, where a record may come in many pieces, and of one that makes the calls itself.
const SILENT: [u32; 2] = [64, 3];
/// A socket call on an encrypted connection. True when an object that has moved wrote what it sends, and its thread still has that
/// to be looked at.
#[inline(always)]
pub unsafe fn called(c: &mut Connection, sk: u64, receives: bool, length: u64, caller: Caller) -> bool {
    if c.secured != by::TLS as u8 {
        return false;
    }
    let thread = kernel::thread();
    let bits = filter::standing_of((thread >> 32) as u32);
    if bits & standing::PLAIN == 0 {
        if c.plain != 0 {
            unsafe { part(c) };
        }
        return false;
    }
    if c.told == 0 {
        unsafe { emit::open(c, sk, kernel::now()) };
    }
    if let Some(inside) = inside(bits, thread, caller) {
        unsafe {
            (*inside).met = c.socket;
            if c.plain == 0 || (*inside).socket == c.socket {
                return false;
            }
        }
    }
    if c.plain != 0 {
        return unsafe { silent(c, receives, length) };
    }
    if bits & standing::GO == 0 {
        if receives {
            hearing::hear(c.socket, thread, length);
        } else {
            speaking::sends(c.socket, thread, length);
        }
    }
    false
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

/// Nothing was heard of its object at this call. One that has left without a word is not waited for. True as above.
#[inline(always)]
unsafe fn silent(c: &mut Connection, receives: bool, length: u64) -> bool {
    let Some(speaker) = SPEAKERS.get_ptr_mut(c.socket) else { return false };
    let speaker = unsafe { &mut *speaker };
    speaker.silent += 1;
    if speaker.silent > SILENT[(speaker.own & 1) as usize] {
        unsafe { part(c) };
    } else if speaker.writer.pid != 0 && !receives {
        return speaking::plain_moves(c.socket, length) != 0;
    } else if speaker.moved != speaking::STAYS && receives {
        speaker.moved = speaking::UNHEARD;
        hearing::hear(c.socket, kernel::thread(), length);
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
    if SPEAKERS.insert(socket, &NOBODY_SPEAKS, 0).is_err() {
        maps::count(Counter::ConnectionsFull);
        return None;
    }
    let speaker = unsafe { &mut *SPEAKERS.get_ptr_mut(socket)? };
    speaker.object = object;
    speaker.own = own as u32;
    unsafe {
        (*bound).socket = socket;
        (*bound).candidate = 0;
        begin(c, opens);
        c.plain = 1;
        emit::plain(c, kernel::now());
    }
    Some(connection)
}

/// What its connection sends is written by another object than is bound to it already.
#[inline(always)]
pub fn bind_writer(writer: &Object, socket: u64) {
    let Some(speaker) = SPEAKERS.get_ptr_mut(socket) else { return };
    if OBJECTS.insert(writer, &UNKNOWN, 0).is_ok()
        && let Some(bound) = OBJECTS.get_ptr_mut(writer)
    {
        unsafe {
            (*bound).socket = socket;
            (*speaker).writer = *writer;
        }
    }
}

/// What was taken from the records is not to be mixed with what the messages say.
#[inline(always)]
unsafe fn begin(c: &mut Connection, opens: bool) {
    frame::lose_client(c);
    frame::lose_server(c);
    // The map of all connections has none of its requests: it was encrypted until now, or `part` took them away.
    c.deep = 0;
    queue::empty(c);
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
    queue::forget_deep(c);
    queue::empty(c);
    secured::anew(c);
    unsafe { emit::secured(c, kernel::now()) };
}

/// The connection is over, or no longer bound.
#[inline(always)]
pub fn forget(c: &mut Connection) {
    let Some(speaker) = SPEAKERS.get_ptr(c.socket) else { return };
    let speaker = unsafe { &*speaker };
    release(&speaker.object, c.socket);
    if speaker.writer.pid != 0 {
        release(&speaker.writer, c.socket);
    }
    let _ = SPEAKERS.remove(c.socket);
}

/// The object is not this connection's any more.
#[inline(always)]
pub fn release(object: &Object, socket: u64) {
    if let Some(bound) = OBJECTS.get_ptr(object)
        && unsafe { (*bound).socket } == socket
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
