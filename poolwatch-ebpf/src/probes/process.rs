//! Start, change and end of processes that are listed or hold connections.
//! Source: <https://github.com/torvalds/linux/blob/v6.12/include/trace/events/sched.h#L309-L455>.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use poolwatch_ebpf::wire::{Counter, standing, watch};

use crate::{
    emit, filter,
    kernel::{self, argument},
    maps::{self, INSIDE, PROCESSES, THREADS},
};

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[raw_tracepoint]
pub fn process_fork(context: RawTracePointContext) -> i32 {
    if maps::watch() == watch::LISTED_AND_CHILDREN {
        unsafe { try_process_fork(argument(&context, 0), argument(&context, 1)) };
    }
    0
}

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[raw_tracepoint]
pub fn process_exec(context: RawTracePointContext) -> i32 {
    let task = unsafe { argument(&context, 0) };
    let pid = kernel::task_tgid(task);
    if filter::standing_of(pid) & standing::HOLDS != 0 {
        unsafe { emit::exec(pid, kernel::task_process_started(task)) };
    }
    0
}

/// `sched_process_exit(struct task_struct *p, …)`
#[raw_tracepoint]
pub fn process_exit(context: RawTracePointContext) -> i32 {
    unsafe { try_process_exit(argument(&context, 0)) };
    0
}

#[inline(always)]
unsafe fn try_process_fork(parent: u64, child: u64) -> Option<()> {
    let pid = kernel::task_tgid(child);
    // A new thread is no new process.
    if pid != kernel::task_pid(child) {
        return None;
    }
    let parent = kernel::task_tgid(parent);
    if filter::standing_of(parent) & standing::LISTED == 0 {
        return None;
    }
    if PROCESSES.insert(pid, standing::LISTED, 0).is_err() {
        maps::count(Counter::ProcessesFull);
        return None;
    }
    unsafe { emit::fork(pid, parent) };
    Some(())
}

#[inline(always)]
unsafe fn try_process_exit(task: u64) -> Option<()> {
    let _ = THREADS.remove(kernel::task_pid(task));
    let pid = kernel::task_tgid(task);
    let bits = filter::standing_of(pid);
    if bits & standing::PLAIN != 0 {
        let _ = INSIDE.remove(u64::from(pid) << 32 | u64::from(kernel::task_pid(task)));
    }
    // The count was lowered before the tracepoint: zero means that this was the last thread.
    if bits == 0 || kernel::live_threads(task) > 0 {
        return None;
    }
    let _ = PROCESSES.remove(pid);
    if bits & (standing::HOLDS | standing::LISTED) != 0 {
        unsafe { emit::exit(pid, kernel::task_process_started(task)) };
    }
    Some(())
}
