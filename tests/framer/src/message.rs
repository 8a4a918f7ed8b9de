//! Messages of the protocol as bytes.
//!
//! Formats: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

/// A message with its letter.
pub fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![letter];
    bytes.extend_from_slice(&length(body.len() + 4));
    bytes.extend_from_slice(body);
    bytes
}

/// A packet that opens a connection.
pub fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = length(rest.len() + 8).to_vec();
    bytes.extend_from_slice(&code.to_be_bytes());
    bytes.extend_from_slice(rest);
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("BUG: a message of less than 4 GiB").to_be_bytes()
}

/// An ErrorResponse or `NoticeResponse` of the usual four fields.
pub fn fields(letter: u8, sqlstate: &str) -> Vec<u8> {
    message(letter, format!("SERROR\0VERROR\0C{sqlstate}\0Mno such thing\0\0").as_bytes())
}

/// ReadyForQuery.
pub fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// CommandComplete.
pub fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}
