//! Whatever crosses a socket, the probes stay inside their memory, and are right again after it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poolwatch_framer::noise::noise;

fuzz_target!(|bytes: &[u8]| noise(bytes));
