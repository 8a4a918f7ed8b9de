//! Which objects of a TLS library belong to which connection, where the library is handed memory and reads and writes by two
//! objects of which neither names the other, and which may move.
//!
//! In come plaintext that threads hand over to be encrypted, what they send next on encrypted connections, and what they are
//! handed over next of what they received; out goes a connection. Where in its connection rustls has what it reads from is nobody's
//! business but the compiler's: the socket is what a reader and a writer have in common.

use poolwatch_ebpf::wire::{Connection, Counter};

use crate::{
    binding::{self, Bound, Object},
    frame, hearing, kernel,
    maps::{self, CONNECTIONS, HEARD, INSIDE, OBJECTS, SAID, SPEAKERS, SPOKEN, WRITERS},
    plain::{self, Inside},
    queue,
    walk::Walk,
};

/// Who is seen to write what a connection sends.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Writer {
    pub object: Object,
    /// How often, one after the other.
    pub times: u64,
}

/// [`binding::Speaker::moved`]: nobody did.
pub const STAYS: u32 = 0;
/// Its writer has, and its reader was not seen since.
pub const MOVED: u32 = 1;
/// And bytes came since.
pub const UNHEARD: u32 = 2;
/// Sightings that tell a writer.
const TIMES: u64 = 2;

/// An object that is not bound took plaintext: what its thread sends next is that.
#[inline(always)]
pub fn says(thread: u64, inside: &Inside, length: u64) {
    if let Some(said) = SAID.get_ptr_mut(thread)
        && unsafe { (*said).object } == inside.object
    {
        unsafe {
            (*said).most += length;
            // Two pieces, of which only one can be looked at again.
            (*said).buffer = 0;
        }
        return;
    }
    if SAID.insert(thread, inside, 0).is_ok()
        && let Some(said) = SAID.get_ptr_mut(thread)
    {
        unsafe { (*said).most = length };
    }
}

/// A thread sent records on a connection of which nothing is bound.
#[inline(always)]
pub fn sends(socket: u64, thread: u64, length: u64) {
    let Some(said) = SAID.get_ptr(thread) else { return };
    let (address, plain) = unsafe { ((*said).object, (*said).most) };
    let _ = SAID.remove(thread);
    if !hearing::is_deciphered(length, plain) {
        return;
    }
    if let Some(writer) = WRITERS.get_ptr_mut(socket) {
        let writer = unsafe { &mut *writer };
        if writer.object.address == address {
            writer.times += 1;
            return;
        }
    }
    let object = Object { address, pid: (thread >> 32) as u32, reserved: 0 };
    let _ = WRITERS.insert(socket, Writer { object, times: 1 }, 0);
}

/// An object that is not bound is in a call that moved so many bytes, of a library that reads and writes by two: 1 when it is
/// bound now, else 0. The verifier looks at it on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn plain_meets_half(caller: u64, length: u64) -> i32 {
    let Some(inside) = INSIDE.get_ptr(caller) else { return 0 };
    unsafe { meet(caller, &*inside, length).is_some() as i32 }
}

#[inline(always)]
unsafe fn meet(caller: u64, inside: &Inside, length: u64) -> Option<()> {
    let object = binding::object_of(inside);
    let head = plain::head_of(inside, length)?;
    if inside.receives != 0 {
        return unsafe { meets(object, length, plain::begins(&head, length, true), head[0]) };
    }
    if inside.vectors == 0 && plain::is_startup(inside, &head, length) {
        unsafe { plain::keep(object, inside, length) };
    }
    says(caller, inside, length);
    None
}

/// A reader that is not bound hands over plaintext. It is bound together with its writer, when it is certain which that is.
#[inline(always)]
unsafe fn meets(reader: Object, length: u64, begins: bool, letter: u8) -> Option<()> {
    if OBJECTS.get_ptr(reader).is_none() {
        let _ = OBJECTS.insert(reader, &binding::UNKNOWN, 0);
    }
    let bound = OBJECTS.get_ptr_mut(reader)?;
    let heard = unsafe { (*HEARD.get_ptr(kernel::thread())?).socket };
    if let Some(connection) = CONNECTIONS.get_ptr(heard)
        && unsafe { (*connection).plain } != 0
    {
        return unsafe { moved(reader, bound, heard, length, begins) };
    }
    let Some(writer) = WRITERS.get_ptr(heard) else {
        let _ = HEARD.remove(kernel::thread());
        return None;
    };
    let writer = unsafe { &*writer };
    // A null pointer, not an `Option`: of a value that is not there the verifier takes no copy.
    let spoken = SPOKEN.get_ptr_mut(&writer.object).unwrap_or(core::ptr::null_mut());
    let first = !spoken.is_null() && letter == b'R';
    if first {
        // Its place may have been another's, of whom there is no sign when it is freed.
        unsafe { (*bound).misses = 0 };
    }
    let socket = unsafe { hearing::overheard(reader, bound, length, begins, first) };
    if socket != heard || !(first || writer.times >= TIMES) {
        return None;
    }
    let opens = !spoken.is_null() && plain::is_opening(socket);
    let connection = unsafe { binding::bind(reader, bound, socket, false, opens)? };
    binding::bind_writer(&writer.object, socket);
    if opens {
        unsafe { plain::opened(&mut *connection, &mut *spoken, first) };
    }
    let _ = SPOKEN.remove(&writer.object);
    let _ = WRITERS.remove(socket);
    Some(())
}

/// The reader of a connection lies elsewhere now: this one hands over the first of what its thread has just received there.
#[inline(always)]
unsafe fn moved(reader: Object, bound: *mut Bound, socket: u64, length: u64, begins: bool) -> Option<()> {
    let thread = kernel::thread();
    let heard = unsafe { &*HEARD.get_ptr(thread)? };
    let fits = match heard.several {
        0 => heard.length > length,
        // What came before on another connection was perhaps no data; what came last must be just that.
        _ => hearing::is_deciphered(heard.last, length),
    };
    let _ = HEARD.remove(thread);
    let speaker = unsafe { &mut *SPEAKERS.get_ptr_mut(socket)? };
    if speaker.moved == STAYS || !fits || !begins {
        return None;
    }
    binding::release(&speaker.object, socket);
    speaker.object = reader;
    speaker.moved = STAYS;
    unsafe { (*bound).socket = socket };
    Some(())
}

/// A thread sent so many bytes on a connection whose plaintext is seen: 1 if an object that is not bound wrote just that, and is
/// its writer now; [`point`] finds what it wrote. The verifier looks at it on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn plain_moves(socket: u64, length: u64) -> i32 {
    unsafe { moves(socket, length).is_some() as i32 }
}

#[inline(always)]
unsafe fn moves(socket: u64, length: u64) -> Option<()> {
    let thread = kernel::thread();
    let said = SAID.get_ptr(thread)?;
    let inside = unsafe { &*said };
    let plain = inside.most;
    let fits = hearing::is_deciphered(length, plain) && inside.buffer != 0;
    let head = kernel::read_user(inside.buffer, [0u8; 8]);
    if !fits || !plain::begins(&head, plain, false) {
        let _ = SAID.remove(thread);
        return None;
    }
    let speaker = unsafe { &mut *SPEAKERS.get_ptr_mut(socket)? };
    binding::release(&speaker.writer, socket);
    binding::bind_writer(&binding::object_of(inside), socket);
    // Who writes elsewhere reads elsewhere.
    speaker.moved = MOVED;
    speaker.silent = 0;
    Some(())
}

/// A connection's writer takes more of it. Where bytes came since it moved, and no reader was seen to hand them over, an answer
/// may have been among them: what is in flight is not known any more.
#[inline(always)]
pub unsafe fn goes_on(c: &mut Connection) {
    let Some(speaker) = SPEAKERS.get_ptr_mut(&c.socket) else { return };
    if unsafe { (*speaker).moved } != UNHEARD {
        return;
    }
    unsafe { (*speaker).moved = MOVED };
    maps::count(Counter::PayloadUnread);
    frame::lose_server(c);
    queue::forget_deep(c);
    queue::empty(c);
}

/// Points the walk at what the thread wrote and sends, and says how long it is. It lies where it lay when it was written, as
/// whoever sends it has not returned.
#[inline(always)]
pub fn point(walk: &mut Walk) -> Option<u32> {
    let thread = kernel::thread();
    let said = unsafe { &*SAID.get_ptr(thread)? };
    let length = said.most as u32;
    walk.at = said.buffer;
    walk.end = said.buffer + length as u64;
    walk.left = 0;
    walk.started = said.began;
    let _ = SAID.remove(thread);
    Some(length)
}
