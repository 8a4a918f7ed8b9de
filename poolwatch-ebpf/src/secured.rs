//! What both tiers do with a call on a connection that is encrypted.

use poolwatch_ebpf::wire::Connection;

use crate::kernel::Caller;

/// The client sent bytes that nobody can read.
#[inline(always)]
pub unsafe fn sent(_c: &mut Connection, _sk: u64, _length: u64, _caller: Caller) -> Option<()> {
    None
}

/// It received some.
#[inline(always)]
pub unsafe fn received(_c: &mut Connection, _sk: u64, _length: u64, _caller: Caller) -> Option<()> {
    None
}
