//! One thread's kernel: its clock, the observed process's memory, kernel memory, maps and ring.
//!
//! Memory is a list of regions with nothing between them: a read that leaves its region fails like one
//! of a page that is not there, so reading too far is seen and not forgiven.

use std::{any::Any, cell::RefCell, collections::HashMap};

/// Bytes at addresses.
#[derive(Default)]
pub struct Memory {
    regions: Vec<(u64, Vec<u8>)>,
    staying: Vec<(u64, Vec<u8>)>,
}

impl Memory {
    pub fn clear(&mut self) {
        self.regions.clear();
    }

    /// Makes a region, whose address is `base`.
    pub fn put(&mut self, base: u64, bytes: Vec<u8>) {
        self.regions.push((base, bytes));
    }

    /// Makes regions that are there through later calls, until others take their place.
    pub fn stay(&mut self, regions: Vec<(u64, Vec<u8>)>) {
        self.staying = regions;
    }

    /// Bytes that lie in one region as a whole.
    pub fn read(&self, address: u64, length: usize) -> Option<&[u8]> {
        self.regions.iter().chain(&self.staying).find_map(|(base, bytes)| {
            let from = usize::try_from(address.checked_sub(*base)?).ok()?;
            bytes.get(from..from.checked_add(length)?)
        })
    }
}

/// See the module's head.
pub struct Machine {
    /// `CLOCK_MONOTONIC`; moved by who calls the hooks.
    pub now: u64,
    /// The current thread: thread group in the upper half.
    pub thread: u64,
    /// Address of the current call's `struct pt_regs`.
    pub registers: u64,
    pub user: Memory,
    pub kernel: Memory,
    /// What was submitted to the ring and not taken yet.
    pub records: Vec<Vec<u8>>,
    /// Bytes that the ring has room for, with eight bytes of head for each record as in the kernel.
    pub ring_room: usize,
    /// Bytes that `records` take of it.
    pub ring_used: usize,
    /// Records that were reserved and neither submitted nor discarded.
    pub reserved: Vec<Box<[u64]>>,
    maps: HashMap<usize, Box<dyn Any>>,
}

impl Machine {
    fn new() -> Self {
        Self {
            now: 1_000_000,
            thread: 7 << 32 | 7,
            registers: 0,
            user: Memory::default(),
            kernel: Memory::default(),
            records: Vec::new(),
            ring_room: 4 << 20,
            ring_used: 0,
            reserved: Vec::new(),
            maps: HashMap::new(),
        }
    }

    /// The map that was declared at this address, empty at first.
    pub fn map<M: Default + 'static>(&mut self, declared: usize) -> &mut M {
        let map = self.maps.entry(declared).or_insert_with(|| Box::new(M::default()));
        map.downcast_mut().expect("BUG: one declaration, one type")
    }
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::new(Machine::new());
}

/// Looks at this thread's machine.
pub fn with<R>(look: impl FnOnce(&mut Machine) -> R) -> R {
    MACHINE.with_borrow_mut(look)
}

/// Switches it off and on again.
pub fn reset() {
    MACHINE.replace(Machine::new());
}
