//! What makes two connections members of one pool (contract §1), and the pool's stable name by it.

use super::labels::Place;
use crate::event::ProcessId;

/// What makes two connections members of one pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolKey {
    /// Who holds them.
    pub process: ProcessId,
    /// Where they lead.
    pub server: Place,
    /// Database; empty = not identified.
    pub database: String,
    /// User; empty = not identified.
    pub user: String,
}

impl PoolKey {
    /// The pool of connections of which nothing more is known.
    pub const fn unidentified(process: ProcessId, server: Place) -> Self {
        Self { process, server, database: String::new(), user: String::new() }
    }

    /// It has a database and a user.
    pub const fn is_identified(&self) -> bool {
        !self.user.is_empty()
    }

    /// Stable name of the pool: 64-bit FNV-1a over all parts, texts ended by a byte that UTF-8 lacks.
    /// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
    pub fn id(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        mix(&self.process.pid.to_le_bytes());
        mix(&self.process.started.to_le_bytes());
        mix(&self.server.port.to_le_bytes());
        for text in [&self.server.address, &self.database, &self.user] {
            mix(text.as_bytes());
            mix(&[0xff]);
        }
        hash
    }
}
