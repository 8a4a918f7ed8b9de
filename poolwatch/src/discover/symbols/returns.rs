//! Return instructions in the code of one function.
//!
//! The code comes in with the processor that it is for, offsets into it go out. It is decoded from its first
//! instruction on: a byte that looks like a return may be a part of another instruction.

use iced_x86::{Code, Decoder, DecoderOptions, Mnemonic};

/// A processor that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processor {
    X86,
    Arm,
}

/// `ret`, with any register: <https://developer.arm.com/documentation/ddi0602/latest/Base-Instructions/RET--Return-from-subroutine->
const ARM_RETURN: u32 = 0xd65f_0000;
const ARM_REGISTER: u32 = 0x0000_03e0;

/// `cmp rsp, [r14+16]` and `cmp r12, [r14+16]`: how a Go function asks whether its stack suffices, with its
/// goroutine in R14. <https://github.com/golang/go/blob/go1.26.0/src/cmd/compile/abi-internal.md#amd64-architecture>
const X86_PROLOGUES: [[u8; 4]; 2] = [[0x49, 0x3b, 0x66, 0x10], [0x4d, 0x3b, 0x66, 0x10]];
/// Bytes at a function's start in which that stands.
const X86_PROLOGUE: usize = 24;
/// `ldr x16, [x28, #16]`: the same on ARM, with the goroutine in X28.
const ARM_PROLOGUE: u32 = 0xf940_0b90;

/// Offsets of the returns; `None` when the code cannot be decoded to its end.
pub(super) fn returns(processor: Processor, code: &[u8]) -> Option<Vec<u64>> {
    match processor {
        Processor::X86 => x86(code),
        Processor::Arm => Some(arm(code)),
    }
}

/// The code has the goroutine in the register of Go's convention.
pub(super) fn goroutine_in_register(processor: Processor, code: &[u8]) -> bool {
    let head = code.get(..X86_PROLOGUE).unwrap_or(code);
    match processor {
        Processor::X86 => head.windows(4).any(|bytes| X86_PROLOGUES.iter().any(|known| known == bytes)),
        Processor::Arm => words(head).any(|word| word == ARM_PROLOGUE),
    }
}

fn x86(code: &[u8]) -> Option<Vec<u64>> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut returns = Vec::new();
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.code() == Code::INVALID {
            return None;
        }
        if instruction.mnemonic() == Mnemonic::Ret {
            returns.push(instruction.ip());
        }
    }
    Some(returns)
}

fn arm(code: &[u8]) -> Vec<u64> {
    let places = words(code).enumerate().filter(|(_, word)| word & !ARM_REGISTER == ARM_RETURN);
    places.map(|(nth, _)| nth as u64 * 4).collect()
}

fn words(code: &[u8]) -> impl Iterator<Item = u32> {
    code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_return_inside_another_instruction_is_none() {
        // mov eax, 0xc3c3c3c3; ret; xor eax, eax; ret 8; int3
        let code = [0xb8, 0xc3, 0xc3, 0xc3, 0xc3, 0xc3, 0x31, 0xc0, 0xc2, 0x08, 0x00, 0xcc];
        assert_eq!(returns(Processor::X86, &code), Some(vec![5, 8]));
    }

    #[test]
    fn code_that_cannot_be_decoded_has_no_returns() {
        assert_eq!(returns(Processor::X86, &[0xc3, 0x06]), None, "no instruction in 64-bit code");
        assert_eq!(returns(Processor::X86, &[0xc3, 0xb8, 0x00]), None, "cut");
    }

    #[test]
    fn returns_of_arm() {
        let code: Vec<u8> = [0xd503_201f_u32, 0xd65f_03c0, 0xd61f_03c0, 0xd65f_0140]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        assert_eq!(returns(Processor::Arm, &code), Some(vec![4, 12]));
        assert_eq!(returns(Processor::Arm, &[0xc0, 0x03]), Some(vec![]));
    }

    #[test]
    fn prologues() {
        let is = |code: &[u8]| goroutine_in_register(Processor::X86, code);
        assert!(is(&[0x49, 0x3b, 0x66, 0x10, 0x76]));
        // lea r12, [rsp-0x40]; cmp r12, [r14+16]
        assert!(is(&[0x4c, 0x8d, 0x64, 0x24, 0xc0, 0x4d, 0x3b, 0x66, 0x10]));
        // mov rcx, fs:[-8]: Go 1.16
        assert!(!is(&[0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x3b, 0x61, 0x10]));
        assert!(goroutine_in_register(Processor::Arm, &0xf940_0b90_u32.to_le_bytes()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded(code in prop::collection::vec(any::<u8>(), 0..300)) {
            for processor in [Processor::X86, Processor::Arm] {
                for at in returns(processor, &code).unwrap_or_default() {
                    prop_assert!(at < code.len() as u64);
                }
                goroutine_in_register(processor, &code);
            }
        }
    }
}
