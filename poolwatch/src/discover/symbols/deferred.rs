//! How a function of Go ends that deferred something: what it deferred is called while its result lies on its stack.
//!
//! Code comes in, its returns by the number of such calls go out. What was deferred is called through a register, the last
//! first, in one line with the return. Where it has an instruction that the kernel imitates, all its callers' ends are seen
//! there, and their returns need not be stepped over.
//! Source: `deferExit` of <https://github.com/golang/go/blob/go1.26.0/src/cmd/compile/internal/ssagen/ssa.go>.

use std::collections::BTreeSet;

use iced_x86::{FlowControl, Instruction, Register};

use super::{
    Function,
    exits::{Exit, If, Left, loaded},
    returns::Processor,
    sites::{Body, is_imitated, writes},
};

/// What a call puts on its caller's stack, in bytes.
const RETURN_ADDRESS: u32 = 8;

/// A return behind deferred calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// Offset of the return.
    pub at: u64,
    /// How many calls lead to it.
    pub calls: usize,
    /// Where the first result lies meanwhile: bytes above the stack's lowest address.
    pub distance: u32,
}

/// Those of these returns that come behind deferred calls.
pub(super) fn deferred(processor: Processor, code: &[u8], returns: &[u64]) -> Vec<Deferred> {
    let body = (processor == Processor::X86).then(|| Body::read(code)).flatten();
    let Some(body) = body else { return Vec::new() };
    let targets = body.targets();
    returns.iter().filter_map(|at| end(&body.instructions, &targets, *at)).collect()
}

fn end(all: &[Instruction], targets: &BTreeSet<u64>, at: u64) -> Option<Deferred> {
    let ret = all.binary_search_by_key(&at, Instruction::ip).ok()?;
    let (mut calls, mut distance) = (0, None);
    for nth in (1..=ret).rev() {
        if targets.contains(&all.get(nth)?.ip()) {
            break;
        }
        let instruction = all.get(nth - 1)?;
        match instruction.flow_control() {
            FlowControl::IndirectCall => calls += 1,
            FlowControl::Next
                if calls == 0 && distance.is_none() && writes(instruction, &[Register::RAX]) =>
            {
                let Left::Stack(bytes) = loaded(instruction)? else { return None };
                distance = Some(bytes);
            }
            FlowControl::Next => {}
            _ => break,
        }
    }
    Some(Deferred { at, calls, distance: distance? }).filter(|end| end.calls > 0)
}

/// An instruction of a function that the kernel imitates, and all calls pass with the stack as it was when they began.
pub(super) fn untouched(processor: Processor, code: &[u8]) -> Option<u64> {
    let body = (processor == Processor::X86).then(|| Body::read(code)).flatten()?;
    let targets = body.targets();
    for instruction in &body.instructions {
        if instruction.ip() > 0 && targets.contains(&instruction.ip()) {
            return None;
        }
        if is_imitated(instruction) {
            return Some(instruction.ip());
        }
        if instruction.flow_control() != FlowControl::Next || writes(instruction, &[Register::RSP]) {
            return None;
        }
    }
    None
}

impl Function {
    /// Where it is left: in the last function that it deferred, by those returns that so many deferred calls lead to, and at its
    /// other returns.
    pub fn left_by(&self, last: Option<&Self>, calls: usize) -> Vec<Exit> {
        let always = |at, with| Exit { at, when: If::Always, with };
        let behind = |at: &u64| self.deferred.iter().find(|end| end.at == *at && end.calls == calls);
        let ends: BTreeSet<u32> = self.returns.iter().filter_map(behind).map(|end| end.distance).collect();
        let place =
            last.and_then(|last| last.untouched).zip(ends.first().copied()).filter(|_| ends.len() == 1);
        let own = self.returns.iter().filter(|at| place.is_none() || behind(at).is_none());
        let own = own.map(|at| always(*at, Left::Register));
        let there = place.map(|(at, distance)| always(at, Left::Stack(distance + RETURN_ADDRESS)));
        own.chain(there).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// mov rdx, [rsp + 80]; mov rax, [rdx]; call rax; mov rax, [rsp + 32]; mov rbx, [rsp + 48]; add rsp, 88; pop rbp; ret
    const END: [u8; 26] = [
        0x48, 0x8b, 0x54, 0x24, 0x50, 0x48, 0x8b, 0x02, 0xff, 0xd0, 0x48, 0x8b, 0x44, 0x24, 0x20, 0x48, 0x8b,
        0x5c, 0x24, 0x30, 0x48, 0x83, 0xc4, 0x58, 0x5d, 0xc3,
    ];

    fn of(code: &[u8], returns: &[u64]) -> Vec<Deferred> {
        deferred(Processor::X86, code, returns)
    }

    fn function(returns: &[u64], deferred: Vec<Deferred>, untouched: Option<u64>) -> Function {
        let returns = returns.to_vec();
        let name = "f".to_owned();
        Function {
            name,
            returns,
            deferred,
            untouched,
            entry: 0,
            passed: 0,
            exits: Vec::new(),
            goroutine_in_register: true,
        }
    }

    #[test]
    fn a_return_behind_a_deferred_call() {
        assert_eq!(of(&END, &[25]), [Deferred { at: 25, calls: 1, distance: 32 }]);
        let two = [&END[..10], &END[..]].concat();
        assert_eq!(of(&two, &[35]), [Deferred { at: 35, calls: 2, distance: 32 }]);
        assert_eq!(of(&END[10..], &[15]), [], "nothing is deferred");
        // jmp -12, to behind the call: whoever comes from there deferred nothing
        let jumped = [&END[..], &[0xeb, 0xee]].concat();
        assert_eq!(of(&jumped, &[25]), [], "a jump leads in between");
    }

    #[test]
    fn what_is_called_leaves_its_own_result() {
        // call rax; add rsp, 88; ret
        assert_eq!(of(&[0xff, 0xd0, 0x48, 0x83, 0xc4, 0x58, 0xc3], &[6]), []);
    }

    #[test]
    fn the_stack_is_as_it_was_until_something_is_put_there() {
        // cmp rsp, [r14 + 16]; jbe +2; push rbp
        let code = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x02, 0x55, 0xc3];
        assert_eq!(untouched(Processor::X86, &code), Some(4));
        // sub rsp, 16; nop
        assert_eq!(untouched(Processor::X86, &[0x48, 0x83, 0xec, 0x10, 0x90, 0xc3]), None);
        // mov rax, [rdx + 8]; ret: nothing that the kernel imitates
        assert_eq!(untouched(Processor::X86, &[0x48, 0x8b, 0x42, 0x08, 0xc3]), None);
    }

    #[test]
    fn returns_are_probed_unless_all_deferred_calls_lead_to_them() {
        let ends = |calls| vec![Deferred { at: 9, calls, distance: 32 }];
        let register = |at| Exit { at, when: If::Always, with: Left::Register };
        let there = Exit { at: 104, when: If::Always, with: Left::Stack(40) };
        let last = function(&[110], Vec::new(), Some(104));
        assert_eq!(function(&[4, 9], ends(1), None).left_by(Some(&last), 1), [register(4), there]);
        assert_eq!(function(&[4, 9], ends(1), None).left_by(Some(&last), 2), [register(4), register(9)]);
        assert_eq!(function(&[4, 9], ends(1), None).left_by(None, 1), [register(4), register(9)]);
        let differ =
            vec![Deferred { at: 4, calls: 1, distance: 8 }, Deferred { at: 9, calls: 1, distance: 32 }];
        assert_eq!(function(&[4, 9], differ, None).left_by(Some(&last), 1), [register(4), register(9)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(code in prop::collection::vec(any::<u8>(), 0..300)) {
            let returns: Vec<u64> = (0..).zip(&code).filter(|(_, byte)| **byte == 0xc3).map(|(at, _)| at).collect();
            prop_assert!(of(&code, &returns).iter().all(|end| returns.contains(&end.at)));
            prop_assert!(untouched(Processor::X86, &code).is_none_or(|at| at < code.len() as u64));
        }
    }
}
