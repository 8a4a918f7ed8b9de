//! The tag of a CommandComplete: `SELECT 5`, `INSERT 0 1`, `CREATE TABLE`.
//! Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-COMMANDCOMPLETE>.

use std::borrow::Cow;

/// First word of a tag. Nothing but upper-case letters can stand there.
pub fn operation(tag: &[u8]) -> &str {
    std::str::from_utf8(word(tag)).unwrap_or_default()
}

fn word(tag: &[u8]) -> &[u8] {
    let end = tag.iter().position(|letter| !letter.is_ascii_uppercase()).unwrap_or(tag.len());
    tag.get(..end).unwrap_or_default()
}

/// The same to be kept; nearly all that are ever seen take no memory.
pub fn kept_operation(tag: &[u8]) -> Cow<'static, str> {
    let usual = match word(tag) {
        b"SELECT" => "SELECT",
        b"INSERT" => "INSERT",
        b"UPDATE" => "UPDATE",
        b"DELETE" => "DELETE",
        b"BEGIN" => "BEGIN",
        b"COMMIT" => "COMMIT",
        b"" => "",
        _ => return Cow::Owned(operation(tag).to_owned()),
    };
    Cow::Borrowed(usual)
}

/// Rows that the command returned or affected: the number that its tag ends with, padded by NULs;
/// `None` where it has none.
pub fn rows(tag: &[u8]) -> Option<u64> {
    let end = tag.iter().position(|byte| *byte == 0)?;
    let words = tag.get(..end)?;
    let last = words.rsplit(|byte| *byte == b' ').next()?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let number = last.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(10)?.checked_add(digit(byte)?));
    number.filter(|_| !last.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_what_was_done_and_to_how_many_rows() {
        let check = |tag: &[u8], word: &str, number: Option<u64>| {
            assert_eq!((operation(tag), rows(tag)), (word, number), "{tag:?}");
            assert_eq!(kept_operation(tag), word, "{tag:?}");
        };
        check(b"SELECT 5\0\0\0", "SELECT", Some(5));
        check(b"INSERT 0 123456\0", "INSERT", Some(123_456));
        check(b"CREATE TABLE\0\0", "CREATE", None);
        for word in ["SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT"] {
            check(format!("{word}\0").as_bytes(), word, None);
        }
        check(b"COPY 7\0", "COPY", Some(7));
        // Cut, or nothing at all.
        check(b"REFRESH MATERIALIZED VIEW 1", "REFRESH", None);
        check(b"\0\0", "", None);
        check(b"", "", None);
        check(b"lower 3\0", "", Some(3));
        check(b"SELECT 18446744073709551615\0", "SELECT", Some(u64::MAX));
        check(b"SELECT 18446744073709551616\0", "SELECT", None);
        check(b"SELECT \0", "SELECT", None);
    }
}
