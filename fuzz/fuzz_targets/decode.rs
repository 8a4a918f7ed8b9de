//! Any bytes from the ring become an event or a count, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = poolwatch::intake::decode(bytes);
});
