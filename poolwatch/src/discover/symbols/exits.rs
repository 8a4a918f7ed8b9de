//! Where a function of Go that lends something is left, and with what: an address or nil.
//!
//! Code comes in, places for probes go out. A return is an instruction that the kernel must step over, which costs the observed
//! process many microseconds; so each is seen on an instruction before it that the kernel imitates and every way to this return
//! passes. That may be a branch: then its condition tells which way is taken. Where the result lies by then is read from
//! what the code does behind it. A return without such a place is probed itself.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::{
    returns::Processor,
    sites::{Body, is_imitated, writes},
};

/// When a call that passes a place leaves by its exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum If {
    /// Each time.
    Always,
    /// The processor's zero flag is set.
    Zero,
    /// It is not.
    NotZero,
}

/// What the function is left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// What its first result's register holds.
    Register,
    /// Nil.
    Nil,
    /// What lies on its stack, so many bytes above the lowest address.
    Stack(u32),
}

/// A place that calls pass which leave the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Offset of the instruction.
    pub at: u64,
    /// Which of them leave.
    pub when: If,
    /// With what.
    pub with: Left,
}

/// Places that are tried for one return, the nearest first.
const TRIED: usize = 32;
/// Longer functions are probed at their returns: each place that is tried takes a look at all instructions.
const INSTRUCTIONS: usize = 4096;

/// For each return one, in the order of the returns.
pub(super) fn exits(processor: Processor, code: &[u8], returns: &[u64]) -> Vec<Exit> {
    let body = (processor == Processor::X86).then(|| Body::read(code)).flatten();
    let paths = body.filter(|body| body.instructions.len() <= INSTRUCTIONS).and_then(Paths::of);
    let itself = |at: &u64| Exit { at: *at, when: If::Always, with: Left::Register };
    let exit = |at: &u64| paths.as_ref().and_then(|paths| paths.exit(*at)).unwrap_or_else(|| itself(at));
    returns.iter().map(exit).collect()
}

/// What may follow what, by the numbers of instructions.
struct Paths {
    body: Body,
    next: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
}

/// How the first result comes into its register.
struct Load {
    /// The instruction that puts it there.
    nth: usize,
    /// The first of those before it that change nothing of the stack.
    since: usize,
    /// What it puts there.
    with: Left,
}

impl Paths {
    /// `None` where that is not known of some instruction.
    fn of(body: Body) -> Option<Self> {
        let all = &body.instructions;
        let place = |at: u64| all.binary_search_by_key(&at, Instruction::ip).ok();
        let mut next = Vec::with_capacity(all.len());
        for (nth, instruction) in all.iter().enumerate() {
            let follows = Some(nth + 1).filter(|nth| *nth < all.len());
            next.push(match instruction.flow_control() {
                FlowControl::Return | FlowControl::Exception | FlowControl::Interrupt => Vec::new(),
                FlowControl::UnconditionalBranch => vec![place(instruction.near_branch_target())?],
                FlowControl::ConditionalBranch => vec![follows?, place(instruction.near_branch_target())?],
                FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => {
                    follows.into_iter().collect()
                }
                _ => return None,
            });
        }
        let mut before = vec![Vec::new(); next.len()];
        for (nth, following) in next.iter().enumerate() {
            for other in following {
                before.get_mut(*other)?.push(nth);
            }
        }
        Some(Self { body, next, before })
    }

    fn exit(&self, at: u64) -> Option<Exit> {
        let ret = self.nth(at)?;
        let load = self.load(ret)?;
        self.nearest(ret).into_iter().find_map(|place| {
            let with = self.left_with(&load, place)?;
            Some(Exit { at: self.instruction(place)?.ip(), when: self.when(place, ret)?, with })
        })
    }

    fn nth(&self, at: u64) -> Option<usize> {
        self.body.instructions.binary_search_by_key(&at, Instruction::ip).ok()
    }

    fn instruction(&self, nth: usize) -> Option<&Instruction> {
        self.body.instructions.get(nth)
    }

    /// The instruction before this one, if nobody comes here but from there.
    fn only_before(&self, nth: usize) -> Option<(usize, &Instruction)> {
        let [before] = *self.before.get(nth)?.as_slice() else { return None };
        let instruction = self.instruction(before)?;
        (before + 1 == nth && instruction.flow_control() == FlowControl::Next)
            .then_some((before, instruction))
    }

    /// Where the first result is put into its register, in what leads to a return without a branch.
    fn load(&self, ret: usize) -> Option<Load> {
        let mut nth = ret;
        let (nth, with) = loop {
            let (before, instruction) = self.only_before(nth)?;
            if writes(instruction, &[Register::RAX]) {
                break (before, loaded(instruction)?);
            }
            nth = before;
        };
        let mut since = nth;
        while let Some((before, instruction)) = self.only_before(since) {
            if writes(instruction, &[Register::RSP]) || instruction.op0_kind() == OpKind::Memory {
                break;
            }
            since = before;
        }
        Some(Load { nth, since, with })
    }

    /// What shows there with what the function is left.
    fn left_with(&self, load: &Load, place: usize) -> Option<Left> {
        // What is called may take its time: who gets something is not told before it. Who gets nothing waits no more by then.
        let goes_on = self.instruction(place)?.flow_control() != FlowControl::Call;
        let within = (load.since..load.nth).contains(&place);
        match load.with {
            _ if place > load.nth && self.follows(load.nth, place) => Some(Left::Register),
            Left::Stack(_) if goes_on && (within || self.next.get(place)?.contains(&load.since)) => {
                Some(load.with)
            }
            Left::Nil => Some(Left::Nil),
            _ => None,
        }
    }

    /// The one leads to the other without a branch.
    fn follows(&self, first: usize, last: usize) -> bool {
        (first + 1..=last).all(|nth| self.only_before(nth).is_some())
    }

    /// What comes before an instruction, the nearest first.
    fn nearest(&self, last: usize) -> Vec<usize> {
        let (mut found, mut at) = (vec![last], 0);
        while let Some(nth) = found.get(at).copied().filter(|_| found.len() < 4 * TRIED) {
            at += 1;
            for before in self.before.get(nth).into_iter().flatten() {
                if !found.contains(before) {
                    found.push(*before);
                }
            }
        }
        found
            .split_off(1)
            .into_iter()
            .filter(|nth| self.body.instructions.get(*nth).is_some_and(is_imitated))
            .take(TRIED)
            .collect()
    }

    /// When a call that passes `place` leaves by this return; `None` if nothing there says so, or another way leads
    /// to it.
    fn when(&self, place: usize, ret: usize) -> Option<If> {
        if self.reach(&[0], Some(place)).get(ret).copied()? {
            return None;
        }
        let following = self.next.get(place)?;
        if self.leads(following, place, ret) {
            return Some(If::Always);
        }
        let [falls, taken] = following.as_slice() else { return None };
        let zero = match self.body.instructions.get(place)?.mnemonic() {
            Mnemonic::Je => [If::NotZero, If::Zero],
            Mnemonic::Jne => [If::Zero, If::NotZero],
            _ => return None,
        };
        let only = |own: &usize, other: &usize| {
            self.leads(&[*own], place, ret) && !self.reach(&[*other], None).get(ret).copied().unwrap_or(true)
        };
        if only(falls, taken) {
            return Some(zero[0]);
        }
        only(taken, falls).then_some(zero[1])
    }

    /// Whoever is here leaves by this return, and does not pass `place` again.
    fn leads(&self, from: &[usize], place: usize, ret: usize) -> bool {
        let reached = self.reach(from, None);
        let leaves = |nth: usize| self.next.get(nth).is_some_and(Vec::is_empty);
        let mut ends = reached.iter().enumerate().filter(|(nth, reached)| **reached && leaves(*nth));
        ends.all(|(nth, _)| nth == ret)
            && reached.get(ret) == Some(&true)
            && reached.get(place) == Some(&false)
    }

    /// Which instructions may come after these, and they themselves, where none passes `without`.
    fn reach(&self, from: &[usize], without: Option<usize>) -> Vec<bool> {
        let mut reached = vec![false; self.next.len()];
        let mut open = from.to_vec();
        while let Some(nth) = open.pop() {
            let Some(new) = reached.get_mut(nth).filter(|reached| !**reached && Some(nth) != without) else {
                continue;
            };
            *new = true;
            open.extend(self.next.get(nth).into_iter().flatten());
        }
        reached
    }
}

/// What an instruction makes the first result.
pub(super) fn loaded(instruction: &Instruction) -> Option<Left> {
    let [to, from] = [instruction.op0_register(), instruction.op1_register()];
    match instruction.mnemonic() {
        Mnemonic::Xor if to == from && to.full_register() == Register::RAX => Some(Left::Nil),
        Mnemonic::Mov
            if to == Register::RAX
                && instruction.op1_kind() == OpKind::Memory
                && instruction.memory_base() == Register::RSP
                && instruction.memory_index() == Register::None =>
        {
            u32::try_from(instruction.memory_displacement64()).ok().map(Left::Stack)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(code: &[u8], returns: &[u64]) -> Vec<Exit> {
        exits(Processor::X86, code, returns)
    }

    /// Nil, or what lies on the stack, by the branch before.
    const EITHER: [u8; 22] = [
        0x84, 0xc0, // 0: test al, al
        0x74, 0x08, // 2: je 12
        0x31, 0xc0, // 4: xor eax, eax
        0x48, 0x83, 0xc4, 0x20, // 6: add rsp, 32
        0xc3, // 10: ret
        0xcc, // 11: int3
        0x48, 0x8b, 0x44, 0x24, 0x18, // 12: mov rax, [rsp + 24]
        0x48, 0x83, 0xc4, 0x20, // 17: add rsp, 32
        0xc3, // 21: ret
    ];

    #[test]
    fn a_branch_shows_by_its_condition_which_return_is_taken() {
        let nil = Exit { at: 2, when: If::NotZero, with: Left::Nil };
        let stack = Exit { at: 2, when: If::Zero, with: Left::Stack(24) };
        assert_eq!(of(&EITHER, &[10, 21]), [nil, stack]);
        let mut other = EITHER;
        other[2] = 0x75;
        let turned = [Exit { when: If::Zero, ..nil }, Exit { when: If::NotZero, ..stack }];
        assert_eq!(of(&other, &[10, 21]), turned, "jne");
        other[2] = 0x77;
        let itself = |at| Exit { at, when: If::Always, with: Left::Register };
        assert_eq!(of(&other, &[10, 21]), [itself(10), itself(21)], "ja says more than the zero flag");
    }

    #[test]
    fn behind_the_load_the_register_tells() {
        // mov rax, [rsp + 24]; add rsp, 32; nop; ret
        let code = [0x48, 0x8b, 0x44, 0x24, 0x18, 0x48, 0x83, 0xc4, 0x20, 0x90, 0xc3];
        assert_eq!(of(&code, &[10]), [Exit { at: 9, when: If::Always, with: Left::Register }]);
    }

    #[test]
    fn what_is_called_may_take_its_time_and_leave_anything() {
        // call +0; mov rax, [rsp + 24]; ret: what lies there may come later than the call begins
        let code = [0xe8, 0, 0, 0, 0, 0x48, 0x8b, 0x44, 0x24, 0x18, 0xc3];
        assert_eq!(of(&code, &[10]), [Exit { at: 10, when: If::Always, with: Left::Register }]);
        // call +0; add rsp, 32; ret: the call's own result
        let code = [0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x20, 0xc3];
        assert_eq!(of(&code, &[9]), [Exit { at: 9, when: If::Always, with: Left::Register }]);
        // call +0; xor eax, eax; ret: nil, whatever it does
        let code = [0xe8, 0, 0, 0, 0, 0x31, 0xc0, 0xc3];
        assert_eq!(of(&code, &[7]), [Exit { at: 0, when: If::Always, with: Left::Nil }]);
    }

    #[test]
    fn who_may_pass_again_or_leave_elsewhere_is_not_told_twice() {
        // 0: nop; 1: test al, al; 3: je 0; 5: xor eax, eax; 7: ret: of the loop only the end
        let code = [0x90, 0x84, 0xc0, 0x74, 0xfb, 0x31, 0xc0, 0xc3];
        assert_eq!(of(&code, &[7]), [Exit { at: 7, when: If::Always, with: Left::Register }]);
        // 0: je 4; 2: je 8; 4: xor eax, eax; 6: nop; 7: ret; 8: ret: two ways lead to the first
        let code = [0x74, 0x02, 0x74, 0x04, 0x31, 0xc0, 0x90, 0xc3, 0xc3];
        let last = Exit { at: 8, when: If::Always, with: Left::Register };
        assert_eq!(of(&code, &[7, 8]), [Exit { at: 6, when: If::Always, with: Left::Register }, last]);
    }

    proptest! {
        #[test]
        fn any_bytes_have_exits_within(code in prop::collection::vec(any::<u8>(), 0..300)) {
            let returns: Vec<u64> = (0..).zip(&code).filter(|(_, byte)| **byte == 0xc3).map(|(at, _)| at).collect();
            let found = of(&code, &returns);
            prop_assert!(found.len() == returns.len() && found.iter().all(|exit| exit.at < code.len() as u64));
        }
    }
}
