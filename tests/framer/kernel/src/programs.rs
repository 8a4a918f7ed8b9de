//! What a program is handed: an array of words.

use core::ffi::c_void;

pub trait EbpfContext {
    fn as_ptr(&self) -> *mut c_void;
}

macro_rules! context {
    ($name:ident) => {
        pub struct $name(*mut c_void);

        impl $name {
            pub const fn new(context: *mut c_void) -> Self {
                Self(context)
            }

            /// The argument as the pointer that the kernel says it is.
            pub fn arg<T: From<Word>>(&self, n: usize) -> T {
                // SAFETY: who calls a program gives it as many words as its hook has arguments.
                T::from(Word(unsafe { *self.0.cast::<u64>().add(n) }))
            }
        }

        impl EbpfContext for $name {
            fn as_ptr(&self) -> *mut c_void {
                self.0
            }
        }
    };
}

context!(BtfTracePointContext);
context!(ProbeContext);
context!(RawTracePointContext);
context!(RetProbeContext);

/// One argument.
#[derive(Clone, Copy)]
pub struct Word(u64);

impl<T> From<Word> for *mut T {
    fn from(word: Word) -> Self {
        core::ptr::without_provenance_mut(usize::try_from(word.0).unwrap_or(0))
    }
}

impl From<Word> for u64 {
    fn from(word: Word) -> Self {
        word.0
    }
}
