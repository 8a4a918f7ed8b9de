//! Any StartupMessage is read without a panic, and names are no longer than what was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poolwatch::postgres::startup::StartupParameters;

fuzz_target!(|bytes: &[u8]| {
    if let Some(parameters) = StartupParameters::parse(bytes) {
        // What is no UTF-8 becomes a replacement character of three bytes.
        assert!(parameters.user.len() <= 3 * bytes.len());
        assert!(parameters.database.len() <= 3 * bytes.len());
    }
});
