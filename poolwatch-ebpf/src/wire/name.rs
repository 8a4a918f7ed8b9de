//! The names of prepared statements, as one number each.
//!
//! The server itself looks at the first 63 bytes: `prepared_queries` in
//! <https://github.com/postgres/postgres/blob/REL_17_0/src/backend/commands/prepare.c#L368>.

/// Room for a name with its NUL (`NAMEDATALEN`).
pub const NAME_LEN: usize = 64;

/// What a hash begins with.
pub const NAME_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number of the empty name, which every driver uses.
pub const UNNAMED: u64 = finish_name(add_to_name(NAME_SEED, 0).0);

/// Adds the next eight bytes of a name, the first one lowest. True when a NUL was among them; what
/// stands behind it does not count.
#[inline(always)]
pub const fn add_to_name(hash: u64, word: u64) -> (u64, bool) {
    let zeros = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
    let first = zeros & zeros.wrapping_neg();
    let kept = (first >> 7).wrapping_sub(1);
    let mixed = (hash ^ (word & kept)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ mixed >> 32, zeros != 0)
}

/// A name's number; never 0.
pub fn name_hash(name: &[u8]) -> u64 {
    let mut padded = [0; NAME_LEN];
    for (to, from) in padded.iter_mut().take(NAME_LEN - 1).zip(name) {
        *to = *from;
    }
    let mut hash = NAME_SEED;
    for word in padded.as_chunks().0 {
        let (next, ended) = add_to_name(hash, u64::from_le_bytes(*word));
        hash = next;
        if ended {
            break;
        }
    }
    finish_name(hash)
}

/// The number of a name that ended; never 0.
#[inline(always)]
pub const fn finish_name(hash: u64) -> u64 {
    if hash == 0 { 1 } else { hash }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{collections::HashSet, format};

    use super::*;

    #[test]
    fn names_have_numbers_of_their_own() {
        let mut seen = HashSet::new();
        for name in (0..100_000).map(|n| format!("S_{n}")) {
            assert!(seen.insert(name_hash(name.as_bytes())), "{name}");
        }
        assert!(seen.insert(name_hash(b"")));
        assert_eq!(name_hash(b""), UNNAMED);
    }

    #[test]
    fn sixty_three_bytes_count_as_the_server_has_it() {
        let long = [b'x'; 80];
        assert_eq!(name_hash(&long[..63]), name_hash(&long));
        assert_ne!(name_hash(&long[..62]), name_hash(&long));
        assert_eq!(name_hash(b"a\0b"), name_hash(b"a"));
        assert_ne!(name_hash(b"12345678"), name_hash(b"1234567"));
    }
}
