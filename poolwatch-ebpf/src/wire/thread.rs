//! The value of the map of threads: what the probes remember of one that works on demands.

/// A thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Thread {
    /// Waits for input that it began, as far as they were counted.
    pub turns: u64,
    /// The accepted socket of which it read a demand and on whose behalf it asked no database yet; 0 = none.
    pub demand: u64,
    /// When it was told to sleep; 0 = it is not.
    pub asleep: u64,
    /// What it sleeps for, in its process's memory.
    pub address: u64,
    /// Its process.
    pub pid: u32,
    /// Makes the padding visible.
    pub reserved: u32,
}

#[cfg(feature = "user")]
// SAFETY: repr(C), only integers, no padding (asserted below).
unsafe impl aya::Pod for Thread {}

const _: () = assert!(size_of::<Thread>() == 4 * 8 + 2 * 4);
