//! Go's table of functions, `.gopclntab`: names and places.
//!
//! The bytes of the section come in, functions with the names that are looked for go out. Three forms are
//! known: of Go 1.16, of 1.18 and of 1.20, which is that of 1.26, too. Any bytes are taken; each place that the
//! table names is checked before it is read.
//! Source: <https://github.com/golang/go/blob/go1.26.0/src/debug/gosym/pclntab.go>

use super::{FUNCTIONS, Unfound};

const GO_1_16: u32 = 0xffff_fffa;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;

/// One function as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub name: String,
    /// Address of its first instruction; in newer forms relative to the start of Go's code.
    pub start: u64,
    /// Address of the next function.
    pub end: u64,
}

/// The table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'data> {
    relative: bool,
    functions: u64,
    text_start: u64,
    names: &'data [u8],
    entries: &'data [u8],
}

impl<'data> Table<'data> {
    /// Reads the header. Both processors that are known here have pointers of 8 bytes, low byte first.
    pub(super) fn read(bytes: &'data [u8]) -> Result<Self, Unfound> {
        let magic = u32_at(bytes, 0).ok_or(Unfound::Damaged)?;
        let relative = match magic {
            GO_1_16 => false,
            GO_1_18 | GO_1_20 => true,
            _ => return Err(Unfound::Version),
        };
        if bytes.get(4..6) != Some(&[0, 0]) || bytes.get(7) != Some(&8) {
            return Err(Unfound::Damaged);
        }
        let word = |nth: usize| u64_at(bytes, 8 + nth * 8).ok_or(Unfound::Damaged);
        let part = |nth: usize| {
            let at = usize::try_from(word(nth)?).map_err(|_| Unfound::Damaged)?;
            bytes.get(at..).ok_or(Unfound::Damaged)
        };
        let functions = word(0)?;
        if functions > FUNCTIONS {
            return Err(Unfound::TooLarge);
        }
        let (text_start, names, entries) =
            if relative { (word(2)?, part(3)?, part(7)?) } else { (0, part(2)?, part(6)?) };
        Ok(Self { relative, functions, text_start, names, entries })
    }

    /// Addresses in it are relative to the start of Go's code.
    pub(super) const fn is_relative(&self) -> bool {
        self.relative
    }

    /// The start of Go's code, where the table itself says it: Go before 1.26, and no relocation pending.
    pub(super) fn text_start(&self) -> Option<u64> {
        Some(self.text_start).filter(|start| *start > 0)
    }

    /// Those of `wanted` that it has, in the order of their addresses.
    pub(super) fn find(&self, wanted: &[&str]) -> Result<Vec<Symbol>, Unfound> {
        let mut found = Vec::new();
        for nth in 0..self.functions {
            let (start, place) = self.entry(nth)?;
            let name = self.name(place)?;
            let Some(name) = wanted.iter().find(|wanted| is(name, wanted)) else { continue };
            // Behind the last function stands the end of the code.
            let end = self.end(nth)?;
            found.push(Symbol { name: (*name).to_owned(), start, end });
        }
        Ok(found)
    }

    /// Start of a function, and where more of it is told.
    fn entry(&self, nth: u64) -> Result<(u64, usize), Unfound> {
        let size = if self.relative { 4 } else { 8 };
        let at = usize::try_from(nth * 2 * size).map_err(|_| Unfound::Damaged)?;
        let (start, place) = if self.relative {
            (self.half(at)?, self.half(at + 4)?)
        } else {
            (self.whole(at)?, self.whole(at + 8)?)
        };
        Ok((start, usize::try_from(place).map_err(|_| Unfound::Damaged)?))
    }

    fn end(&self, nth: u64) -> Result<u64, Unfound> {
        let size = if self.relative { 4 } else { 8 };
        let at = usize::try_from((nth + 1) * 2 * size).map_err(|_| Unfound::Damaged)?;
        if self.relative { self.half(at) } else { self.whole(at) }
    }

    /// The name of the function that is told at `place`: after its entry, an offset into the names.
    fn name(&self, place: usize) -> Result<&'data [u8], Unfound> {
        let entry = if self.relative { 4 } else { 8 };
        let at = place.checked_add(entry).ok_or(Unfound::Damaged)?;
        let at = usize::try_from(self.half(at)?).map_err(|_| Unfound::Damaged)?;
        let name = self.names.get(at..).ok_or(Unfound::Damaged)?;
        name.split(|byte| *byte == 0).next().ok_or(Unfound::Damaged)
    }

    fn half(&self, at: usize) -> Result<u64, Unfound> {
        u32_at(self.entries, at).map(u64::from).ok_or(Unfound::Damaged)
    }

    fn whole(&self, at: usize) -> Result<u64, Unfound> {
        u64_at(self.entries, at).ok_or(Unfound::Damaged)
    }
}

/// A wanted name says `[...]` where the table may have types of its own: `Pool[go.shape.*uint8]` by newer
/// versions of Go, by older ones the three points themselves.
fn is(name: &[u8], wanted: &str) -> bool {
    let Some((before, after)) = wanted.split_once("[...]") else { return name == wanted.as_bytes() };
    let types = name.strip_prefix(before.as_bytes()).and_then(|rest| rest.strip_suffix(after.as_bytes()));
    types.is_some_and(|types| types.len() > 2 && types.starts_with(b"[") && types.ends_with(b"]"))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A table with two functions, in the form of this magic.
    fn table(magic: u32) -> Vec<u8> {
        let relative = magic != GO_1_16;
        let names = b"\0main.main\0database/sql.(*DB).conn\0";
        let header = 8 + 8 * if relative { 8 } else { 7 };
        let entries = header + names.len();
        let words: Vec<u64> = if relative {
            vec![2, 1, 0x1000, header as u64, 0, 0, 0, entries as u64]
        } else {
            vec![2, 1, header as u64, 0, 0, 0, entries as u64]
        };
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend([0, 0, 1, 8]);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(names);
        let size = if relative { 4 } else { 8 };
        let number = |value: u64| value.to_le_bytes()[..size].to_vec();
        // Two entries and the end, then what is told of each: its entry again, and its name.
        let told = 5 * size as u64;
        for value in [0x10, told, 0x40, told + size as u64 + 4, 0x90] {
            bytes.extend(number(value));
        }
        for (entry, name) in [(0x10, 1_u32), (0x40, 11)] {
            bytes.extend(number(entry));
            bytes.extend(name.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn functions_are_found_in_each_form() {
        for magic in [GO_1_16, GO_1_18, GO_1_20] {
            let bytes = table(magic);
            let table = Table::read(&bytes).unwrap();
            assert_eq!(table.is_relative(), magic != GO_1_16);
            assert_eq!(table.text_start(), (magic != GO_1_16).then_some(0x1000));
            let found = table.find(&["database/sql.(*DB).conn", "main", "main.main"]).unwrap();
            let expected = [("main.main", 0x10, 0x40), ("database/sql.(*DB).conn", 0x40, 0x90)];
            let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.start, it.end)).collect();
            assert_eq!(found, expected);
            assert!(table.find(&["database/sql.(*DB).con"]).unwrap().is_empty());
        }
    }

    #[test]
    fn types_may_be_any() {
        let wanted = "puddle/v2.(*Pool[...]).Acquire";
        for name in ["puddle/v2.(*Pool[...]).Acquire", "puddle/v2.(*Pool[go.shape.*uint8]).Acquire"] {
            assert!(is(name.as_bytes(), wanted), "{name}");
        }
        for name in [
            "puddle/v2.(*Pool).Acquire",
            "puddle/v2.(*Pool[]).Acquire",
            "puddle/v2.(*Pool[go.shape.*uint8]).AcquireAllIdle",
            "puddle/v2.(*Pool[go.shape.*uint8]).Acquire.func1",
            "x/puddle/v2.(*Pool[go.shape.*uint8]).Acquire",
        ] {
            assert!(!is(name.as_bytes(), wanted), "{name}");
        }
        assert!(!is(b"a[x]", "a") && is(b"a", "a"));
    }

    #[test]
    fn other_forms_are_refused() {
        let read = |bytes: &[u8]| Table::read(bytes).err();
        assert_eq!(read(b""), Some(Unfound::Damaged));
        assert_eq!(read(&table(0xffff_fffb)), Some(Unfound::Version));
        let mut four = table(GO_1_20);
        four[7] = 4;
        assert_eq!(read(&four), Some(Unfound::Damaged));
        let mut many = table(GO_1_20);
        many[8..16].copy_from_slice(&(FUNCTIONS + 1).to_le_bytes());
        assert_eq!(read(&many), Some(Unfound::TooLarge));
        let mut more = table(GO_1_20);
        more[8..16].copy_from_slice(&FUNCTIONS.to_le_bytes());
        assert_eq!(Table::read(&more).unwrap().find(&["x"]), Err(Unfound::Damaged));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(
            magic in prop::sample::select(vec![GO_1_16, GO_1_18, GO_1_20]),
            changes in prop::collection::vec((0_usize..200, any::<u8>()), 0..20),
            cut in 0_usize..300,
        ) {
            let mut bytes = table(magic);
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(cut);
            if let Ok(table) = Table::read(&bytes) {
                let _ = table.find(&["main.main", "database/sql.(*DB).conn"]);
            }
        }
    }
}
