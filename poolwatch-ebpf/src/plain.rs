//! Plaintext where a TLS library takes and hands it over: the messages of connections that are encrypted outside.
//!
//! In come the library's calls, entry and return; out goes what every connection's messages become. Nothing is read of an
//! object that is bound to no connection but the head of its plaintext, until it is known to be nobody's.

use poolwatch_ebpf::wire::{Connection, Counter, RequestKind, STARTUP_LEN, Startup, phase, standing};

use crate::{
    binding::{self, Object},
    emit, filter, frame, hearing, kernel,
    maps::{self, CHUNKS, CONNECTIONS, EMPTY_STARTUP, HEARD, INSIDE, OBJECTS, SPOKEN},
    messages, opening, queue, resync, speaking,
    walk::Walk,
};

/// A call of a library that a thread is in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Inside {
    /// The library's object.
    pub object: u64,
    /// Where the plaintext is, or is to be.
    pub buffer: u64,
    /// Where the library says how much it was; 0 = that is the result.
    pub count: u64,
    /// When it was called.
    pub began: u64,
    /// The object's connection; 0 = not known.
    pub socket: u64,
    /// The connection that it used inside; 0 = none.
    pub met: u64,
    /// Most bytes.
    pub most: u64,
    /// Address of the `struct iovec`s that plaintext is taken from, of which the buffer is the first; 0 = it is the buffer.
    pub vector: u64,
    /// How many.
    pub vectors: u64,
    /// 1 = plaintext is handed over by it, else taken.
    pub receives: u32,
    /// 1 = its library reads and writes by two objects, see `speaking.rs`.
    pub apart: u32,
}

/// What a call is passed.
#[derive(Clone, Copy)]
pub struct Passes {
    /// See [`Inside`].
    pub buffer: u64,
    pub most: u64,
    pub count: u64,
    pub receives: bool,
    pub apart: bool,
}

/// Who calls a library: a thread, or in Go a goroutine, which may return on another thread.
#[inline(always)]
pub fn caller_in_go(goroutine: u64) -> u64 {
    const GO: u64 = 1 << 63;
    const ADDRESS: u32 = 41;
    GO | u64::from(kernel::pid()) << ADDRESS | goroutine & ((1 << ADDRESS) - 1)
}

/// The library is called.
#[inline(always)]
pub fn enter(caller: u64, object: Object, passes: Passes) {
    let Passes { buffer, most, count, receives, apart } = passes;
    let mut socket = 0;
    if let Some(bound) = OBJECTS.get_ptr(object) {
        let bound = unsafe { &*bound };
        if binding::is_stranger(bound) {
            return;
        }
        socket = bound.socket;
    } else if apart && receives && HEARD.get_ptr(caller).is_none() {
        // Nothing came that it could hand over; others that the library serves pay no more than this.
        return;
    }
    let inside = Inside {
        object: object.address,
        buffer,
        count,
        began: kernel::now(),
        socket,
        met: 0,
        most,
        vector: 0,
        vectors: 0,
        receives: receives as u32,
        apart: apart as u32,
    };
    if INSIDE.insert(caller, inside, 0).is_err() {
        maps::count(Counter::ThreadsFull);
    }
}

/// The call that the thread is in takes plaintext from so many `struct iovec`s.
#[inline(always)]
pub fn gathers(caller: u64, vector: u64, vectors: u64) {
    if let Some(inside) = INSIDE.get_ptr_mut(caller) {
        unsafe {
            (*inside).vector = vector;
            (*inside).vectors = vectors;
            (*inside).most = u32::MAX as u64;
        }
    }
}

/// The library's call returns.
#[inline(always)]
pub unsafe fn returned(caller: u64, result: u64) -> Option<()> {
    // Not a copy: it is large, and the stack small.
    let inside = unsafe { &*INSIDE.get_ptr(caller)? };
    let framed = unsafe { end(caller, inside, result) };
    let _ = INSIDE.remove(caller);
    framed
}

#[inline(always)]
unsafe fn end(caller: u64, inside: &Inside, result: u64) -> Option<()> {
    // An `int`: the upper half of the register is anybody's.
    let result = result as u32 as i32;
    if result <= 0 {
        if inside.receives != 0 && inside.socket == 0 && inside.met == 0 {
            hearing::handed(inside.object);
        }
        return None;
    }
    let length = if inside.count == 0 { result as u64 } else { kernel::read_user(inside.count, 0u64) };
    if length == 0 || length > inside.most {
        return None;
    }
    let connection = unsafe { connection_of(caller, inside, length)? };
    unsafe {
        if (*connection).plain == 0 {
            return None;
        }
        binding::heard_of((*connection).socket);
        frame(connection, inside, length)
    }
}

#[inline(always)]
unsafe fn frame(connection: *mut Connection, inside: &Inside, length: u64) -> Option<()> {
    let chunk = CHUNKS.get_ptr_mut(0)?.cast::<u8>();
    let walk = Walk::begin(0, 0)?;
    if inside.vectors == 0 {
        walk.at = inside.buffer;
        walk.end = inside.buffer + length;
    } else {
        walk.vector = inside.vector;
        walk.vectors = inside.vectors;
        walk.left = length;
    }
    let c = unsafe { &mut *connection };
    c.last = walk.now;
    if inside.receives == 0 {
        walk.started = inside.began;
        c.pid = kernel::pid();
        c.sender = kernel::thread();
        if inside.apart != 0 {
            unsafe { speaking::goes_on(c) };
        }
        return unsafe { messages::sent(connection, walk, chunk, length as u32) };
    }
    c.reader = kernel::thread() as u32;
    unsafe {
        if !messages::received(connection, walk, chunk) {
            let c = &mut *connection;
            c.received += length;
            resync::tail_of(c, walk, inside.buffer, length);
        }
    }
    Some(())
}

/// The connection that the object is bound to, from now on if not before.
#[inline(always)]
unsafe fn connection_of(caller: u64, inside: &Inside, length: u64) -> Option<*mut Connection> {
    let object = binding::object_of(inside);
    if inside.socket != 0 {
        if let Some(connection) = CONNECTIONS.get_ptr_mut(inside.socket)
            && unsafe { (*connection).plain } != 0
        {
            return Some(connection);
        }
        // Another object is at its place, or the connection is over.
        let _ = OBJECTS.remove(object);
    }
    let met = if inside.apart == 0 {
        plain_meets(caller, length)
    } else {
        speaking::plain_meets_half(caller, length)
    };
    if met == 0 {
        return None;
    }
    CONNECTIONS.get_ptr_mut(unsafe { (*OBJECTS.get_ptr(object)?).socket })
}

/// An object that is not bound is in a call that moved so many bytes: 1 when it is bound now, else 0. The verifier looks at it
/// on its own, and so it has a stack of its own beside that of the framer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn plain_meets(caller: u64, length: u64) -> i32 {
    let Some(inside) = INSIDE.get_ptr(caller) else { return 0 };
    let inside = unsafe { &*inside };
    unsafe { meet(binding::object_of(inside), inside, length).is_some() as i32 }
}

/// The first bytes of plaintext.
#[inline(always)]
pub fn head_of(inside: &Inside, length: u64) -> Option<[u8; 8]> {
    let mut head = [0u8; 8];
    let take = if length < 8 { length } else { 8 };
    if !unsafe { kernel::copy_user(head.as_mut_ptr(), take as u32, inside.buffer) } {
        maps::count(Counter::PayloadUnread);
        return None;
    }
    Some(head)
}

/// It is a StartupMessage, whole or its first part.
#[inline(always)]
pub fn is_startup(inside: &Inside, head: &[u8; 8], length: u64) -> bool {
    inside.receives == 0 && length >= 8 && opening::is_startup(*head, 8)
}

/// Looks whether an object that is not bound belongs to a connection.
#[inline(always)]
unsafe fn meet(object: Object, inside: &Inside, length: u64) -> Option<*mut Connection> {
    let head = head_of(inside, length)?;
    if OBJECTS.get_ptr(object).is_none() {
        let _ = OBJECTS.insert(object, &binding::UNKNOWN, 0);
    }
    let bound = OBJECTS.get_ptr_mut(object)?;
    let startup = is_startup(inside, &head, length);
    let begins = startup || begins(&head, length, inside.receives != 0);
    if inside.met != 0 {
        if !begins {
            return None;
        }
        let opens = startup && is_opening(inside.met);
        return unsafe { binding::bind(object, bound, inside.met, true, opens) };
    }
    unsafe { binding::none(bound) };
    // Go's own uses the socket itself.
    if filter::standing_of(object.pid) & standing::GO != 0 {
        return None;
    }
    if inside.receives == 0 {
        if startup {
            unsafe { keep(object, inside, length) };
        }
        return None;
    }
    let spoken = SPOKEN.get_ptr_mut(object);
    let first = spoken.is_some() && head[0] == b'R';
    let socket = unsafe { hearing::overheard(object, bound, length, begins, first) };
    if socket == 0 {
        return None;
    }
    let opens = spoken.is_some() && is_opening(socket);
    let connection = unsafe { binding::bind(object, bound, socket, false, opens)? };
    if let Some(spoken) = spoken {
        if opens {
            unsafe { opened(&mut *connection, &mut *spoken, first) };
        }
        let _ = SPOKEN.remove(object);
    }
    Some(connection)
}

/// The connection has not sent a StartupMessage that was seen.
#[inline(always)]
pub fn is_opening(socket: u64) -> bool {
    CONNECTIONS.get_ptr(socket).is_some_and(|connection| unsafe { (*connection).phase } == phase::STARTUP)
}

/// A message begins with these bytes.
#[inline(always)]
pub fn begins(head: &[u8; 8], length: u64, server: bool) -> bool {
    let said = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let known = if server { frame::is_server(head[0]) } else { frame::is_client(head[0]) };
    // Longer ones are data of which nobody knows whether they begin here.
    length >= 5 && known && said >= 4 && said < 1 << 24
}

/// Keeps the StartupMessage of an object until it is bound.
#[inline(always)]
pub unsafe fn keep(object: Object, inside: &Inside, length: u64) {
    const HALF: u64 = STARTUP_LEN as u64 / 2;
    let Some(empty) = EMPTY_STARTUP.get_ptr(0) else { return };
    if SPOKEN.insert(object, unsafe { &*empty }, 0).is_err() {
        return;
    }
    let Some(spoken) = SPOKEN.get_ptr_mut(object) else { return };
    let spoken = unsafe { &mut *spoken };
    spoken.declared = length as u32;
    // Behind the length; and a length that a mask bounds for the verifier.
    let take = length - 4;
    let take = if take < HALF { take & (HALF - 1) } else { HALF - 1 };
    if unsafe { kernel::copy_user(spoken.body.as_mut_ptr(), take as u32, inside.buffer + 4) } {
        spoken.kept = take as u32;
    }
    spoken.header.time = inside.began;
}

/// The StartupMessage that was kept is this connection's; `unanswered` = what is seen next answers it.
#[inline(always)]
pub unsafe fn opened(c: &mut Connection, spoken: &mut Startup, unanswered: bool) {
    let sent = spoken.header.time;
    c.phase = phase::MESSAGES;
    c.startup_len = spoken.declared;
    unsafe { emit::startup(c, spoken, kernel::now()) };
    if !unanswered {
        return;
    }
    c.sending = sent;
    c.sending_bytes = spoken.declared as u64;
    if let Some(walk) = Walk::begin(0, 0) {
        unsafe { queue::push(c, walk, RequestKind::Startup) };
    }
}
