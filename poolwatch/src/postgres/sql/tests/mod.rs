//! The room as a whole: texts in, what is said of them out.

mod grammar;
mod leaks;
mod lexing;
mod masking;
mod said;

/// Cases of a property test: `PROPTEST_CASES` asks for more.
fn many(least: u32) -> u32 {
    proptest::prelude::ProptestConfig::default().cases.max(least)
}
