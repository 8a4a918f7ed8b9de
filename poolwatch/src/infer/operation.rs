//! Operation names: the first words of the server's command tags, and nothing else, so that a label set
//! stays small whatever a server sends.
//! Source: <https://github.com/postgres/postgres/blob/master/src/include/tcop/cmdtaglist.h>.

use super::limits;

/// What stands for every other word.
const OTHER: &str = "_OTHER";

/// In the order of the alphabet.
#[rustfmt::skip]
const KNOWN: [&str; 47] = [
    "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "COPY",
    "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "EXECUTE", "EXPLAIN", "FETCH",
    "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY", "PREPARE",
    "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY",
    "SELECT", "SET", "SHOW", "START", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM",
];

/// Nearly all that are ever asked for.
const USUAL: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT"];

const _: () = assert!(KNOWN.len() + 2 <= limits::OPERATIONS);

/// The operation that a command tag's first word names; empty for an empty word.
pub fn operation(word: &str) -> &'static str {
    if word.is_empty() {
        return "";
    }
    if let Some(usual) = USUAL.iter().find(|usual| **usual == word) {
        return usual;
    }
    KNOWN.binary_search(&word).ok().and_then(|index| KNOWN.get(index)).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_word_is_found() {
        assert!(KNOWN.is_sorted());
        for word in KNOWN {
            assert_eq!(operation(word), word);
        }
        assert_eq!(operation(""), "");
        assert_eq!(operation("select"), OTHER);
        assert_eq!(operation("SELECTED"), OTHER);
    }
}
