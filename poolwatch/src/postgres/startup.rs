//! The StartupMessage: protocol version and `name\0value\0` pairs in, the three parameters that name
//! a pool out.
//!
//! Every other parameter (application name, options, …) is passed over and never stored.
//! Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html>, StartupMessage.

/// What a StartupMessage says about who connects to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartupParameters {
    /// Role; empty when the message was cut before its end.
    pub user: String,
    /// Database; the role where the whole message names none, as the server does it. Empty when the
    /// message was cut before it.
    pub database: String,
    /// The connection asks for the replication protocol.
    pub replication: bool,
    /// The final terminator was not among the bytes.
    pub truncated: bool,
}

impl StartupParameters {
    /// Reads what follows the message's length; `None` when that is not protocol 3.
    ///
    /// A value that was cut in its middle is not taken: half a name would be another pool's.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (version, pairs) = body.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*version) >> 16 != 3 {
            return None;
        }
        let mut parameters = Self::default();
        let mut strings = Strings(pairs);
        loop {
            let Some(name) = strings.next() else {
                parameters.truncated = true;
                break;
            };
            if name.is_empty() {
                break;
            }
            let Some(value) = strings.next() else {
                parameters.truncated = true;
                break;
            };
            parameters.take(name, value);
        }
        if parameters.database.is_empty() && !parameters.truncated {
            parameters.database.clone_from(&parameters.user);
        }
        Some(parameters)
    }

    /// A parameter that is named twice counts as named last, as the server does it.
    fn take(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"user" => self.user = String::from_utf8_lossy(value).into_owned(),
            b"database" => self.database = String::from_utf8_lossy(value).into_owned(),
            b"replication" => self.replication = value == b"database" || is_true(value),
            _ => {}
        }
    }
}

/// NUL-terminated strings one after the other; what has no terminator is not given.
struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (string, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        Some(string)
    }
}

/// The true half of the server's `parse_bool`: any prefix of `true` or `yes`, the whole of `on` or `1`.
fn is_true(value: &[u8]) -> bool {
    let prefix_of = |word: &[u8]| {
        !value.is_empty() && word.get(..value.len()).is_some_and(|head| head.eq_ignore_ascii_case(value))
    };
    prefix_of(b"true") || prefix_of(b"yes") || value.eq_ignore_ascii_case(b"on") || value == b"1"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROTOCOL_3_0: [u8; 4] = [0, 3, 0, 0];
    const PROTOCOL_3_2: [u8; 4] = [0, 3, 0, 2];

    fn body(version: [u8; 4], pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut body = version.to_vec();
        for (name, value) in pairs {
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(value.as_bytes());
            body.push(0);
        }
        body.push(0);
        body
    }

    fn check(pairs: &[(&str, &str)], user: &str, database: &str, replication: bool) {
        for version in [PROTOCOL_3_0, PROTOCOL_3_2] {
            let parsed = StartupParameters::parse(&body(version, pairs));
            let expected = StartupParameters {
                user: user.into(),
                database: database.into(),
                replication,
                truncated: false,
            };
            assert_eq!(parsed, Some(expected), "{pairs:?}");
        }
    }

    #[test]
    fn takes_user_and_database_wherever_they_stand() {
        check(&[("user", "app"), ("database", "shop")], "app", "shop", false);
        check(&[("application_name", "x"), ("database", "shop"), ("user", "app")], "app", "shop", false);
        check(&[("user", "ä"), ("database", "b c")], "ä", "b c", false);
    }

    #[test]
    fn a_missing_or_empty_database_is_the_user() {
        check(&[("user", "app")], "app", "app", false);
        check(&[("user", "app"), ("database", "")], "app", "app", false);
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        check(&[("user", "a"), ("user", "b"), ("database", "c")], "b", "c", false);
    }

    #[test]
    fn a_value_that_looks_like_a_name_is_a_value() {
        check(&[("options", "user"), ("user", "app")], "app", "app", false);
    }

    #[test]
    fn replication_is_read_as_the_server_reads_it() {
        for yes in ["true", "TRUE", "t", "tr", "yes", "Y", "on", "ON", "1", "database"] {
            check(&[("user", "a"), ("replication", yes)], "a", "a", true);
        }
        for no in ["false", "f", "no", "n", "off", "of", "o", "0", "", "truee", "10", "DATABASE", "data"] {
            check(&[("user", "a"), ("replication", no)], "a", "a", false);
        }
    }

    #[test]
    fn other_protocols_are_not_read() {
        for version in [[0, 2, 0, 0], [0x04, 0xd2, 0x16, 0x2f], [0, 4, 0, 0]] {
            assert_eq!(StartupParameters::parse(&body(version, &[("user", "app")])), None);
        }
        assert_eq!(StartupParameters::parse(&[0, 3, 0]), None);
    }

    #[test]
    fn a_cut_value_is_not_taken() {
        let whole = body(PROTOCOL_3_0, &[("user", "app"), ("database", "shop")]);
        let database_ends = whole.len() - 1;
        let user_ends = 4 + "user\0app\0".len();
        for cut in 4..whole.len() {
            let parsed = StartupParameters::parse(&whole[..cut]).expect("BUG: the version is there");
            assert!(parsed.truncated, "cut at {cut}");
            assert_eq!(parsed.user, if cut >= user_ends { "app" } else { "" }, "cut at {cut}");
            assert_eq!(parsed.database, if cut >= database_ends { "shop" } else { "" }, "cut at {cut}");
        }
    }

    #[test]
    fn bytes_after_the_terminator_do_not_count() {
        let mut bytes = body(PROTOCOL_3_0, &[("user", "app")]);
        bytes.extend_from_slice(b"user\0other\0");
        assert_eq!(StartupParameters::parse(&bytes).map(|p| p.user), Some("app".into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1200)) {
            let _ = StartupParameters::parse(&bytes);
            let mut bytes = bytes;
            bytes.splice(0..0, PROTOCOL_3_0);
            let parsed = StartupParameters::parse(&bytes);
            prop_assert!(parsed.is_some());
        }

        #[test]
        fn what_was_written_is_read(user in "[^\0]{1,40}", database in "[^\0]{1,40}", other in "[^\0]{0,40}") {
            let pairs = [("application_name", other.as_str()), ("user", &user), ("database", &database)];
            let parsed = StartupParameters::parse(&body(PROTOCOL_3_0, &pairs)).unwrap();
            prop_assert_eq!(parsed, StartupParameters { user, database, replication: false, truncated: false });
        }
    }
}
