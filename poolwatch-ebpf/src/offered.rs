//! Plaintext that a library shows before it is told how much of it was taken.
//!
//! In come what was shown to a thread and how much the thread took; out goes plaintext, as if a call had handed it over. Nothing
//! is read of what was only shown.

use poolwatch_ebpf::wire::Connection;

use crate::{
    binding::Object,
    frame, kernel,
    maps::{CONNECTIONS, OBJECTS, OFFERED},
    plain::{self, Passes},
};

/// What is shown to a thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Offered {
    /// Where it is.
    pub at: u64,
    /// Bytes.
    pub length: u64,
}

/// So far from the end of its stack a function has the memory in which it wants a result.
const STACK: u64 = 1 << 20;

/// A function returned what it shows: address and length in two registers, or in memory of its caller's stack, whose
/// address it returns then. Plaintext itself never lies on the stack.
#[inline(always)]
pub fn shown(results: [u64; 2], stack: u64) {
    let in_memory = results[0] >= stack && results[0] - stack < STACK;
    let [at, length] = if in_memory { kernel::read_user(results[0], [0u64; 2]) } else { results };
    let thread = kernel::thread();
    if at == 0 || length == 0 {
        let _ = OFFERED.remove(thread);
        return;
    }
    let _ = OFFERED.insert(thread, Offered { at, length }, 0);
}

/// The thread takes so many bytes of it, from the object at this address: 1 if that is to be looked at as a call that returns.
/// The verifier looks at it on its own, and so it has a stack of its own before that of the framer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn plain_taken(address: u64, length: u64) -> i32 {
    let thread = kernel::thread();
    let object = Object { address, pid: (thread >> 32) as u32, reserved: 0 };
    let Some(offered) = OFFERED.get_ptr_mut(thread) else {
        unseen(object);
        return 0;
    };
    let offered = unsafe { &mut *offered };
    if length == 0 || length > offered.length {
        return 0;
    }
    let passes = Passes { buffer: offered.at, most: length, count: 0, receives: true, apart: true };
    offered.at += length;
    offered.length -= length;
    plain::enter(thread, object, passes);
    1
}

/// It took what nobody saw: where its messages begin is not known any more.
#[inline(always)]
fn unseen(object: Object) {
    let Some(bound) = OBJECTS.get_ptr(object) else { return };
    if let Some(connection) = CONNECTIONS.get_ptr_mut(unsafe { (*bound).socket }) {
        let c: &mut Connection = unsafe { &mut *connection };
        frame::lose_server(c);
    }
}
