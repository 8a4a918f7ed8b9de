//! Where probes are set at a function of C: behind its entry, while its arguments are in their registers, and before its
//! returns, once its result is.
//!
//! The code comes in with the processor that it is for, offsets into it go out. A probe costs the observed process little on an
//! instruction that the kernel imitates, and fifteen times that on one that it must step over.
//! Source: `branch_setup_xol_ops` and `push_setup_xol_ops` of
//! <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c>.

use std::collections::BTreeSet;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    Register,
};

use super::returns::Processor;

/// Where a function's probes are set; offsets into its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sites {
    /// All calls pass here, with what they were passed.
    pub entry: u64,
    /// Where each return passes, with its result; none = it is to be caught by the address that it returns to.
    pub returns: Vec<u64>,
}

/// Of a function that may do anything.
const ANY: Sites = Sites { entry: 0, returns: Vec::new() };

/// Registers with the first four arguments.
const PASSED: [Register; 4] = [Register::RDI, Register::RSI, Register::RDX, Register::RCX];
/// The same of Go's functions, and the goroutine.
const PASSED_TO_GO: [Register; 4] = [Register::RAX, Register::RBX, Register::RCX, Register::R14];
/// Registers with a function's result.
pub(super) const RESULT: &[Register] = &[Register::RAX];
/// The same in Rust, where a second one may belong to it.
pub(super) const RESULT_OF_RUST: &[Register] = &[Register::RAX, Register::RDX];
/// Where the compiler's guard of the stack stands, in the segment FS.
const GUARD: u64 = 0x28;

/// Looks for them, where these registers hold the result.
pub(super) fn sites(processor: Processor, code: &[u8], result: &[Register]) -> Sites {
    match processor {
        Processor::X86 => x86(code, result).unwrap_or(ANY),
        // There the kernel imitates few instructions, and none of a function's first.
        Processor::Arm => ANY,
    }
}

/// Where all calls of a function of Go pass, with what they were passed. One whose stack must grow passes twice.
pub(super) fn passed_to_go(processor: Processor, code: &[u8]) -> u64 {
    match processor {
        Processor::X86 => Body::read(code).map_or(0, |body| body.entry(&body.targets(), &PASSED_TO_GO)),
        Processor::Arm => 0,
    }
}

fn x86(code: &[u8], result: &[Register]) -> Option<Sites> {
    let body = Body::read(code)?;
    let targets = body.targets();
    let entry = body.entry(&targets, &PASSED);
    let returns = if body.stays() { body.returns(&targets, result) } else { Vec::new() };
    // By the address that it returns to costs less than a step over each return, where the entry costs little.
    let dear = returns.iter().any(|at| body.at(*at).is_some_and(|instruction| !is_imitated(instruction)));
    let first = body.instructions.first().is_some_and(is_imitated);
    Some(Sites { entry, returns: if dear && first { Vec::new() } else { returns } })
}

pub(super) struct Body {
    pub instructions: Vec<Instruction>,
    end: u64,
}

impl Body {
    /// `None` when it cannot be decoded to its end.
    pub fn read(code: &[u8]) -> Option<Self> {
        let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        let body = Self { instructions: decoder.into_iter().collect(), end: code.len() as u64 };
        let known = body.instructions.iter().all(|instruction| instruction.code() != Code::INVALID);
        known.then_some(body)
    }

    fn at(&self, at: u64) -> Option<&Instruction> {
        self.instructions.iter().find(|instruction| instruction.ip() == at)
    }

    /// Where branches lead.
    pub fn targets(&self) -> BTreeSet<u64> {
        self.instructions.iter().filter_map(branch).collect()
    }

    /// Whoever enters it leaves it by one of its returns: no jump leads out, or nobody knows where.
    fn stays(&self) -> bool {
        self.instructions.iter().all(|instruction| match instruction.flow_control() {
            FlowControl::IndirectBranch => false,
            _ => branch(instruction).is_none_or(|target| target < self.end),
        })
    }

    fn entry(&self, targets: &BTreeSet<u64>, passed: &[Register]) -> u64 {
        for instruction in &self.instructions {
            if instruction.ip() > 0 && targets.contains(&instruction.ip()) {
                break;
            }
            if is_imitated(instruction) {
                return instruction.ip();
            }
            if instruction.flow_control() != FlowControl::Next || writes(instruction, passed) {
                break;
            }
        }
        0
    }

    fn returns(&self, targets: &BTreeSet<u64>, result: &[Register]) -> Vec<u64> {
        let ends = self.instructions.iter().enumerate();
        ends.filter(|(_, instruction)| instruction.mnemonic() == Mnemonic::Ret)
            .map(|(nth, instruction)| self.before(nth, targets, result).unwrap_or_else(|| instruction.ip()))
            .collect()
    }

    /// An instruction that the kernel imitates, which every way to this return passes with the result in its register.
    fn before(&self, ret: usize, targets: &BTreeSet<u64>, result: &[Register]) -> Option<u64> {
        for nth in (1..=ret).rev() {
            if targets.contains(&self.instructions.get(nth)?.ip()) {
                return None;
            }
            let (guard, instruction) =
                (self.instructions.get(nth.checked_sub(2)?)?, self.instructions.get(nth - 1)?);
            if instruction.code() == Code::Nopd && is_imitated(instruction) {
                return Some(instruction.ip());
            }
            // Whoever takes this branch does not return.
            if instruction.is_jcc_short_or_near() && is_imitated(instruction) && is_guard(guard) {
                return Some(instruction.ip());
            }
            if instruction.flow_control() != FlowControl::Next || writes(instruction, result) {
                return None;
            }
        }
        None
    }
}

/// It compares the stack's guard.
fn is_guard(instruction: &Instruction) -> bool {
    instruction.segment_prefix() == Register::FS && instruction.memory_displacement64() == GUARD
}

fn branch(instruction: &Instruction) -> Option<u64> {
    matches!(instruction.flow_control(), FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch)
        .then(|| instruction.near_branch_target())
}

/// The kernel imitates it.
pub(super) fn is_imitated(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Push => instruction.op0_register() != Register::None && instruction.len() <= 2,
        Mnemonic::Nop => instruction.len() == 1,
        _ => {
            instruction.is_jcc_short_or_near()
                || instruction.is_jmp_short_or_near()
                || instruction.is_call_near()
        }
    }
}

pub(super) fn writes(instruction: &Instruction, registers: &[Register]) -> bool {
    let mut factory = InstructionInfoFactory::new();
    factory.info(instruction).used_registers().iter().any(|used| {
        let changes = !matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead);
        changes && registers.contains(&used.register().full_register())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(code: &[u8]) -> Sites {
        sites(Processor::X86, code, RESULT)
    }

    #[test]
    fn behind_the_stack_and_before_the_guard() {
        // sub rsp, 24; test edx, edx; js +2; call +0; sub rdx, fs:[0x28]; jne +5; add rsp, 24; ret; call +0
        let code = [
            0x48, 0x83, 0xec, 0x18, 0x85, 0xd2, 0x78, 0x05, 0xe8, 0, 0, 0, 0, 0x64, 0x48, 0x2b, 0x14, 0x25,
            0x28, 0, 0, 0, 0x75, 0x05, 0x48, 0x83, 0xc4, 0x18, 0xc3, 0xe8, 0, 0, 0, 0,
        ];
        assert_eq!(of(&code), Sites { entry: 6, returns: vec![22] });
    }

    #[test]
    fn arguments_are_not_looked_for_where_they_are_gone() {
        // mov r8, rcx; xor ecx, ecx; jmp out
        assert_eq!(of(&[0x49, 0x89, 0xc8, 0x31, 0xc9, 0xe9, 0, 1, 0, 0]), ANY);
        // sub rsp, 8; mov edi, 1; call +0; add rsp, 8; ret
        let code = [0x48, 0x83, 0xec, 0x08, 0xbf, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x08, 0xc3];
        assert_eq!(of(&code), Sites { entry: 0, returns: vec![18] });
    }

    #[test]
    fn a_result_is_not_looked_for_before_it_stands() {
        // push rbx; nop; mov eax, 1; pop rbx; ret: caught by the address that it returns to
        assert_eq!(of(&[0x53, 0x90, 0xb8, 1, 0, 0, 0, 0x5b, 0xc3]), ANY);
        // xor eax, eax; nop; ret
        assert_eq!(of(&[0x31, 0xc0, 0x90, 0xc3]), Sites { entry: 2, returns: vec![2] });
    }

    #[test]
    fn registers_that_are_cleared_at_the_end_are_no_result_in_c() {
        // test edx, edx; js +0; sub rdx, fs:[0x28]; jne +11; add rsp, 24; xor edx, edx; xor ecx, ecx; ret; call +0:
        // as the functions of Debian's libssl end
        let code = [
            0x85, 0xd2, 0x78, 0, 0x64, 0x48, 0x2b, 0x14, 0x25, 0x28, 0, 0, 0, 0x75, 0x09, 0x48, 0x83, 0xc4,
            0x18, 0x31, 0xd2, 0x31, 0xc9, 0xc3, 0xe8, 0, 0, 0, 0,
        ];
        assert_eq!(of(&code), Sites { entry: 2, returns: vec![13] });
        assert_eq!(sites(Processor::X86, &code, RESULT_OF_RUST).returns, vec![23], "which is stepped over");
    }

    #[test]
    fn who_jumps_out_is_caught() {
        // test rdi, rdi; je out; ret
        assert_eq!(
            of(&[0x48, 0x85, 0xff, 0x0f, 0x84, 0, 1, 0, 0, 0xc3]),
            Sites { entry: 3, returns: vec![] }
        );
        // jmp rax
        assert_eq!(of(&[0x90, 0xff, 0xe0]), ANY);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded(code in prop::collection::vec(any::<u8>(), 0..300)) {
            let sites = of(&code);
            prop_assert!(sites.returns.iter().chain([&sites.entry]).all(|at| *at <= code.len() as u64));
        }
    }
}
