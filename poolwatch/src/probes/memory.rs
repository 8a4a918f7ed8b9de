//! Memory that only loading takes.

/// Gives back what loading took: the kernel's types alone are more than all that stays, and an allocator keeps what is freed.
pub fn give_back() {
    // SAFETY: it is passed no pointer, and frees what nobody has.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
