//! A system call's number and arguments, from the registers of the task that made it.

use aya_ebpf::helpers::generated as raw;

use poolwatch_ebpf::wire::{Counter, exit};

use crate::{
    kernel::{copy_user, read},
    maps::{count, offset},
};

/// Whose registers to read, once a call turns out to matter.
#[derive(Clone, Copy)]
pub enum Caller {
    /// The system call that the current task is in.
    Current,
    /// A `struct pt_regs`.
    At(u64),
}

impl Caller {
    /// The registers' address, or 0; see [`Self::from_address`].
    #[inline(always)]
    pub fn address(self) -> u64 {
        match self {
            Self::Current => 0,
            Self::At(address) => address,
        }
    }

    /// From what [`Self::address`] said.
    #[inline(always)]
    pub fn from_address(address: u64) -> Self {
        if address == 0 { Self::Current } else { Self::At(address) }
    }

    #[inline(always)]
    pub fn registers(self) -> Option<Registers> {
        match self {
            Self::Current => Registers::current(),
            Self::At(address) => Registers::at(address),
        }
    }
}

/// A system call's number and arguments.
#[derive(Clone, Copy)]
pub struct Registers {
    address: u64,
    words: [u64; 4],
}

impl Registers {
    /// Of the system call that the current task is in.
    #[inline(always)]
    pub fn current() -> Option<Self> {
        let address = unsafe {
            let task = raw::bpf_get_current_task_btf();
            raw::bpf_task_pt_regs(task) as u64
        };
        Self::at(address)
    }

    /// From a `struct pt_regs`.
    #[inline(always)]
    pub fn at(address: u64) -> Option<Self> {
        if address == 0 {
            return None;
        }
        Some(Self { address, words: read(address + offset!(registers) as u64, [0; 4]) })
    }

    // x86-64 keeps dx, si, di, orig_ax side by side; arm64 keeps x0 to x3, and the number elsewhere.
    #[inline(always)]
    fn split() -> bool {
        offset!(registers_number) != 0
    }

    #[inline(always)]
    pub fn number(&self) -> u64 {
        if Self::split() {
            read(self.address + offset!(registers_number) as u64, u32::MAX) as u64
        } else {
            self.words[3]
        }
    }

    #[inline(always)]
    pub fn first(&self) -> u64 {
        if Self::split() { self.words[0] } else { self.words[2] }
    }

    #[inline(always)]
    pub fn second(&self) -> u64 {
        self.words[1]
    }

    #[inline(always)]
    pub fn third(&self) -> u64 {
        if Self::split() { self.words[2] } else { self.words[0] }
    }

    #[inline(always)]
    pub fn fourth(&self) -> u64 {
        read(self.address + offset!(registers_fourth) as u64, 0)
    }

    /// Of a thread that runs Go.
    #[inline(always)]
    pub fn goroutine(&self) -> u64 {
        read(self.address + offset!(registers_goroutine) as u64, 0)
    }
}

/// Both registers of a result that takes two: x86-64 has the second where the third argument was, arm64 where the second was.
#[inline(always)]
pub fn results(registers: u64) -> [u64; 2] {
    let first = read(registers + offset!(registers_result) as u64, 0);
    let passed = Registers { address: registers, words: read(registers + offset!(registers) as u64, [0; 4]) };
    [first, if Registers::split() { passed.second() } else { passed.third() }]
}

/// Where the stack of a thread of the observed process ends.
#[inline(always)]
pub fn stack(registers: u64) -> u64 {
    read(registers + offset!(registers_stack) as u64, 0)
}

/// The first result of a function that is left here, which the probe's cookie tells where to find; `None` if it cannot be read, which
/// is counted.
#[inline(always)]
pub fn left_with(registers: u64, cookie: u64) -> Option<u64> {
    match cookie & exit::WITH {
        exit::NIL => Some(0),
        exit::STACK => {
            let mut result = 0_u64;
            let at = stack(registers) + (cookie >> exit::DISTANCE);
            if !unsafe { copy_user((&raw mut result).cast(), size_of::<u64>() as u32, at) } {
                count(Counter::PayloadUnread);
                return None;
            }
            Some(result)
        }
        _ => Some(read(registers + offset!(registers_result) as u64, 0)),
    }
}

/// The last comparison's operands were equal, on x86-64.
#[inline(always)]
pub fn is_zero(registers: u64) -> bool {
    const ZERO: u64 = 1 << 6;
    read(registers + offset!(registers_flags) as u64, 0_u64) & ZERO != 0
}

/// What was passed to a C function that a thread of the observed process is entering.
#[derive(Clone, Copy)]
pub struct Passed(Registers);

impl Passed {
    /// From a `struct pt_regs`. The first three are passed as a system call's are.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self(Registers { address, words: read(address + offset!(registers) as u64, [0; 4]) })
    }

    #[inline(always)]
    pub fn first(&self) -> u64 {
        self.0.first()
    }

    #[inline(always)]
    pub fn second(&self) -> u64 {
        self.0.second()
    }

    #[inline(always)]
    pub fn third(&self) -> u64 {
        self.0.third()
    }

    #[inline(always)]
    pub fn fourth(&self) -> u64 {
        read(self.0.address + offset!(registers_passed) as u64, 0)
    }
}
