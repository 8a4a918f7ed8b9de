//! The probes say the same of a valid conversation as the judge does, however it is cut into calls.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poolwatch_framer::run::differ;

fuzz_target!(|bytes: &[u8]| differ(bytes));
