//! The probes say the same of a conversation as a reader of its whole streams, however it is cut into calls.

use poolwatch_framer::{choices::Choices, conversation::conversation, run::play};
use proptest::prelude::*;

fn one(bytes: &[u8]) {
    // The conversation takes the first half of the decisions, its cuts the second.
    let (said, cuts) = bytes.split_at(bytes.len() / 2);
    play(&conversation(&Choices::new(said)), &Choices::new(cuts));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, max_shrink_iters: 2000, verbose: 0, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_comes_to_the_same(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        one(&bytes);
    }
}
