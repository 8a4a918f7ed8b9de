//! The texts that were read last. One that differs from such a text in nothing but literals that its key leaves out has the
//! same key, and so says the same: it needs neither a key of its own nor a look-up.

use std::{hash::BuildHasher, ops::Range, rc::Rc};

use super::{
    Script,
    masked::{INTEGER, is_strange},
};

/// Texts that are remembered: a process has few that it sends again and again.
const SLOTS: usize = 64;
/// Longest text that is remembered, in bytes.
const LONGEST: usize = 1 << 10;
/// A text's place goes by so many of its first bytes: literals mostly come later.
const HEAD: usize = 24;

/// Remembers one text for each place.
pub struct Recent {
    slots: Box<[Slot]>,
    hasher: foldhash::fast::FixedState,
}

#[derive(Clone, Default)]
struct Slot {
    text: Vec<u8>,
    /// Where its literals are that the key leaves out, in their order.
    literals: Vec<Range<usize>>,
    script: Option<Rc<Script>>,
}

impl Default for Recent {
    fn default() -> Self {
        let slots = vec![Slot::default(); SLOTS].into_boxed_slice();
        Self { slots, hasher: foldhash::fast::FixedState::default() }
    }
}

impl Recent {
    /// What the text says, if the last one in its place had the same key.
    pub fn get(&self, text: &[u8]) -> Option<Rc<Script>> {
        let slot = self.slots.get(self.place(text))?;
        let script = slot.script.as_ref()?;
        slot.shares_key(text).then(|| Rc::clone(script))
    }

    /// Remembers a text, and where its literals are that its key leaves out.
    pub fn put(&mut self, text: &[u8], literals: &[Range<usize>], script: &Rc<Script>) {
        let place = self.place(text);
        let Some(slot) = self.slots.get_mut(place).filter(|_| text.len() <= LONGEST) else { return };
        slot.text.clear();
        slot.text.extend_from_slice(text);
        slot.literals.clear();
        slot.literals.extend_from_slice(literals);
        slot.script = Some(Rc::clone(script));
    }

    fn place(&self, text: &[u8]) -> usize {
        let hash = self.hasher.hash_one(text.get(..HEAD).unwrap_or(text));
        usize::try_from(hash % SLOTS as u64).unwrap_or(0)
    }
}

impl Slot {
    /// Whether the text differs in literals alone, and in such that are left out, too. What stands before a literal is the same,
    /// so it begins where this one's does; and it ends there, because what follows is the same and ended this one's.
    fn shares_key(&self, text: &[u8]) -> bool {
        let (mut rest, mut from) = (text, 0);
        for literal in &self.literals {
            let same = self.text.get(from..literal.start).unwrap_or_default();
            let Some(length) = rest.strip_prefix(same).and_then(|rest| {
                let sort = self.text.get(literal.start)?;
                length_like(*sort, rest)
            }) else {
                return false;
            };
            rest = rest.get(same.len() + length..).unwrap_or_default();
            from = literal.end;
        }
        self.text.get(from..) == Some(rest)
    }
}

/// How long the literal is that begins the text: a string where one of that sort began, else an integer; `None` where its
/// key might keep it, or there might be none.
fn length_like(sort: u8, text: &[u8]) -> Option<usize> {
    if sort != b'\'' {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return (1..=INTEGER).contains(&digits).then_some(digits);
    }
    let body = text.strip_prefix(b"'")?;
    let length = body.iter().position(|byte| *byte == b'\'' || is_strange(*byte) || !byte.is_ascii())?;
    (body.get(length) == Some(&b'\'')).then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(text: &str, literals: &[Range<usize>]) -> Recent {
        let mut recent = Recent::default();
        recent.put(text.as_bytes(), literals, &Rc::new(Script { statements: Vec::new(), cut: false }));
        recent
    }

    #[test]
    fn another_integer_or_string_in_the_same_place_is_the_same() {
        let text = "SELECT abalance FROM pgbench_accounts WHERE aid = 5 AND name = 'x';";
        let known = recent(text, &[50..51, 63..66]);
        for same in [
            text,
            "SELECT abalance FROM pgbench_accounts WHERE aid = 123456789 AND name = '';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 0 AND name = 'a, b; --';",
        ] {
            assert!(known.get(same.as_bytes()).is_some(), "{same}");
        }
        for other in [
            "SELECT abalance FROM pgbench_accounts WHERE aid = 1234567890 AND name = 'x';",
            "SELECT abalance FROM pgbench_accounts WHERE aid =  AND name = 'x';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5.0 AND name = 'x';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5e AND name = 'x';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5 AND name = 'it''s';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5 AND name = 'a\\';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5 AND name = 'é';",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5 AND name = 'x",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5 AND name = 'x'; ",
            "SELECT abalance FROM pgbench_accounts WHERE aid = 5",
            "SELECT abalance FROM pgbench_accounts WHERE bid = 5 AND name = 'x';",
            "",
        ] {
            assert!(known.get(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_text_without_literals_is_the_same_as_itself_alone() {
        let known = recent("BEGIN", &[]);
        assert!(known.get(b"BEGIN").is_some());
        assert!(known.get(b"BEGIN;").is_none() && known.get(b"begin").is_none());
    }

    #[test]
    fn what_is_long_is_not_remembered() {
        let text = "x".repeat(LONGEST + 1);
        assert!(recent(&text, &[]).get(text.as_bytes()).is_none());
    }
}
