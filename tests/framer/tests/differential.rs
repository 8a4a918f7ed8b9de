//! The probes say the same of a conversation as a reader of its whole streams, however it is cut into calls.

use poolwatch_framer::{noise::noise, run::differ, threads::race};
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 3_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn every_cut_comes_to_the_same(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        differ(&bytes);
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn noise_leaves_nothing_behind(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        noise(&bytes);
    }
}

#[test]
fn answers_that_nobody_asked_for_are_used_up() {
    // As a fuzzer found it: another thread reads one `ReadyForQuery` after the other.
    let runs = [
        (0xac, 2),
        (0x00, 1),
        (0x03, 1),
        (0x00, 1),
        (0xac, 1),
        (0xe2, 4),
        (0x00, 86),
        (0xe2, 8),
        (0x3b, 1),
        (0xe2, 26),
        (0xac, 1),
    ];
    let bytes: Vec<u8> = runs.iter().flat_map(|(byte, times)| vec![*byte; *times]).collect();
    noise(&bytes);
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_reader_that_overtakes_its_writer_loses_no_request(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        race(&bytes);
    }
}
