//! What threads wait for: attached only while somebody wants to know, since every system call of the machine
//! passes here. The call's number decides first, then whether the process is one that is looked at.
//! Source: <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/syscalls.h#L18-L67>.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use poolwatch_ebpf::wire::{parking, pause, standing};

use crate::{
    demand, filter,
    kernel::{self, Registers, argument},
    maps::{self, THREADS},
    turn,
};

/// `FUTEX_WAIT`, `FUTEX_WAIT_BITSET`, and what is left when private and clock flags are taken off.
const WAITS: [u64; 2] = [0, 9];
const COMMAND: u64 = 0x7f;

/// `sys_enter(struct pt_regs *regs, long id)`
#[raw_tracepoint]
pub fn thread_wait(context: RawTracePointContext) -> i32 {
    unsafe { try_thread_wait(argument(&context, 0), argument(&context, 1)) };
    0
}

/// `sys_exit(struct pt_regs *regs, long ret)`
#[raw_tracepoint]
pub fn thread_wake(context: RawTracePointContext) -> i32 {
    unsafe { try_thread_wake(argument(&context, 0), argument(&context, 1) as i64) };
    0
}

#[inline(always)]
unsafe fn try_thread_wait(registers: u64, number: u64) -> Option<()> {
    let pause = maps::call_pause(number);
    if pause == 0 {
        return None;
    }
    let thread = kernel::thread();
    let pid = (thread >> 32) as u32;
    if filter::standing_of(pid) & standing::PRESSED == 0 {
        return None;
    }
    if pause == pause::INPUT {
        turn::next(thread as u32, pid);
        return Some(());
    }
    let entry = THREADS.get_ptr_mut(thread as u32)?;
    if unsafe { (*entry).demand } == 0 {
        return None;
    }
    let registers = Registers::at(registers)?;
    let command = registers.second() & COMMAND;
    if pause == pause::FUTEX && command != WAITS[0] && command != WAITS[1] {
        return None;
    }
    let address = if pause == pause::PLACES { 0 } else { registers.first() };
    let now = kernel::now();
    unsafe {
        (*entry).asleep = now;
        (*entry).address = address;
        demand::parked(parking::ASLEEP, address, now);
    }
    Some(())
}

#[inline(always)]
unsafe fn try_thread_wake(registers: u64, result: i64) -> Option<()> {
    if maps::call_pause(Registers::at(registers)?.number()) < pause::PLACES {
        return None;
    }
    let entry = THREADS.get_ptr_mut(kernel::thread() as u32)?;
    unsafe {
        if (*entry).asleep == 0 {
            return None;
        }
        (*entry).asleep = 0;
        let parking = if result == 0 { parking::WOKEN } else { parking::OVER };
        demand::parked(parking, (*entry).address, kernel::now());
    }
    Some(())
}
