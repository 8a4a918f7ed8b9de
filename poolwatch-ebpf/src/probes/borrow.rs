//! Where a pool's own library, in Go, lends a connection: behind the function's entry, and before each of its
//! returns, as the agent found places that cost little. Attached in the processes that are looked at, only while they are.
//!
//! Go passes arguments and results in registers, the receiver and the first result in the same one, and keeps the
//! goroutine in another. A stack that must grow enters a function twice: the later time counts.
//! Source: <https://github.com/golang/go/blob/go1.26.0/src/cmd/compile/abi-internal.md#amd64-architecture>.

use aya_ebpf::{EbpfContext, helpers::generated as raw, macros::uprobe, programs::ProbeContext};
use poolwatch_ebpf::wire::{Borrow, Kind, borrowing, exit, standing};

use crate::{
    emit::{header, reserve, wake},
    filter, kernel,
    maps::offset,
    registers::{is_zero, left_with},
};

/// `database/sql.(*DB).conn`, `puddle.(*Pool[T]).Acquire`: begins.
#[uprobe]
pub fn borrower_asks(context: ProbeContext) -> u32 {
    let registers = context.as_ptr() as u64;
    unsafe { tell(registers, borrowing::ASKS, first(registers)) };
    0
}

/// It returns: a connection, or nil and an error. The probe's cookie says how that shows at its place.
#[uprobe]
pub fn borrower_answered(context: ProbeContext) -> u32 {
    let registers = context.as_ptr() as u64;
    let cookie = unsafe { raw::bpf_get_attach_cookie(context.as_ptr()) };
    let leaves = match cookie & exit::WHEN {
        exit::ZERO => is_zero(registers),
        exit::NOT_ZERO => !is_zero(registers),
        _ => true,
    };
    if leaves {
        // Most get something.
        let refused = left_with(registers, cookie) == Some(0);
        let outcome = if refused { borrowing::REFUSED } else { borrowing::GRANTED };
        unsafe { tell(registers, outcome, 0) };
    }
    0
}

/// The first argument or result.
#[inline(always)]
fn first(registers: u64) -> u64 {
    kernel::read(registers + offset!(registers_result) as u64, 0)
}

#[inline(always)]
unsafe fn tell(registers: u64, borrowing: u32, pool: u64) -> Option<()> {
    let thread = kernel::thread();
    let pid = (thread >> 32) as u32;
    if filter::standing_of(pid) & standing::PRESSED == 0 {
        return None;
    }
    let borrower = kernel::read(registers + offset!(registers_goroutine) as u64, 0);
    unsafe {
        let mut entry = reserve::<Borrow>()?;
        let record = entry.as_mut_ptr();
        header(&raw mut (*record).header, Kind::Borrow, pid, 0, kernel::now(), 0);
        (*record).borrower = borrower;
        (*record).pool = pool;
        (*record).thread = thread as u32;
        (*record).borrowing = borrowing;
        entry.submit(wake());
    }
    Some(())
}
