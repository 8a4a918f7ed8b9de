//! Why a connection could not be made or was lost, if it was: the table of contract §3.
//!
//! What the server said goes before what the network did. A client that said Terminate wanted to end,
//! whatever came after. Behind encryption neither Terminate nor readiness can be seen, so that only the
//! network speaks.

use super::fact::ConnectionError;
use crate::event::{Ending, SqlState};

/// Error of a connection that ended; `hidden` = its messages could not be read.
pub fn of_ending(ending: &Ending, hidden: bool) -> Option<ConnectionError> {
    if let Some(error) = ending.sqlstate.and_then(|code| of_code(code, ending.startup)) {
        return Some(error);
    }
    if ending.terminate {
        return None;
    }
    if let Some(error) = ending.errno.and_then(of_errno) {
        return Some(error);
    }
    if ending.reset {
        return Some(ConnectionError::Reset);
    }
    if hidden {
        return None;
    }
    if ending.end_of_file {
        return Some(ConnectionError::Closed);
    }
    ending.startup.then_some(ConnectionError::Other)
}

/// Error of a `connect()` that failed; without an errno the client gave up waiting.
pub fn of_connect(errno: Option<u16>) -> ConnectionError {
    let Some(errno) = errno.filter(|errno| *errno != 0) else { return ConnectionError::Timeout };
    of_errno(errno).unwrap_or(ConnectionError::Other)
}

fn of_code(code: SqlState, startup: bool) -> Option<ConnectionError> {
    match &code.0 {
        b"57P01" | b"57P02" => Some(ConnectionError::Closed),
        b"57P03" => Some(ConnectionError::Unavailable),
        b"53300" => Some(ConnectionError::TooManyConnections),
        [b'2', b'8', ..] => Some(ConnectionError::Auth),
        _ => startup.then_some(ConnectionError::Other),
    }
}

/// Numbers of `errno.h`, the same on every Linux architecture that poolwatch runs on.
fn of_errno(errno: u16) -> Option<ConnectionError> {
    match errno {
        0 => None,
        32 | 104 => Some(ConnectionError::Reset),
        110 => Some(ConnectionError::Timeout),
        111 => Some(ConnectionError::Refused),
        _ => Some(ConnectionError::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Ending = Ending {
        terminate: false,
        end_of_file: false,
        reset: false,
        startup: false,
        errno: None,
        sqlstate: None,
    };

    fn said(code: [u8; 5], startup: bool) -> Ending {
        Ending { sqlstate: SqlState::new(code), startup, end_of_file: true, ..NONE }
    }

    #[test]
    fn the_contracts_table() {
        use ConnectionError as E;
        let table = [
            (NONE, None),
            (Ending { terminate: true, end_of_file: true, ..NONE }, None),
            (Ending { terminate: true, reset: true, ..NONE }, None),
            (Ending { end_of_file: true, ..NONE }, Some(E::Closed)),
            (Ending { reset: true, ..NONE }, Some(E::Reset)),
            (Ending { errno: Some(104), end_of_file: true, ..NONE }, Some(E::Reset)),
            (Ending { errno: Some(32), ..NONE }, Some(E::Reset)),
            (Ending { errno: Some(110), ..NONE }, Some(E::Timeout)),
            (Ending { startup: true, ..NONE }, Some(E::Other)),
            (Ending { startup: true, terminate: true, ..NONE }, None),
            (Ending { startup: true, end_of_file: true, ..NONE }, Some(E::Closed)),
            (said(*b"57P01", false), Some(E::Closed)),
            (Ending { terminate: true, ..said(*b"57P02", false) }, Some(E::Closed)),
            (said(*b"57P03", true), Some(E::Unavailable)),
            (said(*b"53300", true), Some(E::TooManyConnections)),
            (said(*b"28P01", true), Some(E::Auth)),
            (said(*b"28000", true), Some(E::Auth)),
            (said(*b"3D000", true), Some(E::Other)),
            (said(*b"25P03", false), Some(E::Closed)),
        ];
        for (ending, error) in table {
            assert_eq!(of_ending(&ending, false), error, "{ending:?}");
        }
    }

    #[test]
    fn behind_encryption_only_the_network_speaks() {
        let startup = Ending { startup: true, end_of_file: true, ..NONE };
        assert_eq!(of_ending(&startup, true), None);
        assert_eq!(of_ending(&Ending { reset: true, ..startup }, true), Some(ConnectionError::Reset));
    }

    #[test]
    fn a_connect_that_failed() {
        use ConnectionError as E;
        let table = [
            (None, E::Timeout),
            (Some(0), E::Timeout),
            (Some(110), E::Timeout),
            (Some(111), E::Refused),
            (Some(113), E::Other),
        ];
        for (errno, error) in table {
            assert_eq!(of_connect(errno), error, "{errno:?}");
        }
    }
}
