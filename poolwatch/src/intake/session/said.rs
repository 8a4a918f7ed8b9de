//! Puts the pieces of a message together. A message of one piece is passed on without a copy.

use poolwatch_ebpf::wire::Message;

/// The message of which some pieces came.
#[derive(Debug, Default)]
pub struct Assembly {
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes a piece. Gives the body, as far as it is told, with its last piece.
    pub fn add<'a>(&'a mut self, record: &Message, piece: &'a [u8]) -> Option<&'a [u8]> {
        let (offset, told) = (index(record.offset), index(record.told()));
        if offset == 0 {
            self.bytes.clear();
            if piece.len() >= told {
                return Some(piece);
            }
        } else if offset != self.bytes.len() {
            // A piece between was lost, which is counted where it was.
            self.bytes.clear();
            return None;
        }
        if offset + piece.len() > told {
            self.forget();
            return None;
        }
        self.bytes.extend_from_slice(piece);
        (self.bytes.len() >= told).then_some(self.bytes.as_slice())
    }

    /// Forgets what came.
    pub fn forget(&mut self) {
        self.bytes = Vec::new();
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
