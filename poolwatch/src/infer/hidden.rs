//! Connections of which the messages cannot be read, and what hides them.

use std::collections::BTreeMap;

/// Encryption by TLS: who speaks, and when, is seen nevertheless.
pub const ENCRYPTED: &str = "tls";

/// What says that a connection is hidden no longer: its plaintext is seen.
pub const PLAIN: &str = "plain";

/// The hidden members of a pool, by what hides them.
#[derive(Clone, Debug, Default)]
pub struct Hidden(BTreeMap<&'static str, u32>);

impl Hidden {
    /// One more.
    pub fn hide(&mut self, reason: &'static str) {
        *self.0.entry(reason).or_default() += 1;
    }

    /// One of them left, or can be read again.
    pub fn show(&mut self, reason: &'static str) {
        let left = self.0.get(reason).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.0.remove(reason);
        } else {
            self.0.insert(reason, left);
        }
    }

    /// Of some member nothing but turns is seen.
    pub fn takes_turns(&self) -> bool {
        self.0.contains_key(ENCRYPTED)
    }

    /// How many each reason hides.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

/// The reasons that the label `reason` knows.
pub fn reason(by: &str) -> &'static str {
    match by {
        ENCRYPTED => ENCRYPTED,
        "gss" => "gss",
        "io_uring" => "io_uring",
        _ => "other",
    }
}
