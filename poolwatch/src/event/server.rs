//! Where a connection leads, by TCP or by UNIX socket.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Server {
    /// Address and port as the process sees them; IPv4 mapped into IPv6 is given as IPv4.
    Tcp(IpAddr, u16),
    /// Directory of the socket, and the port in its name `.s.PGSQL.PORT`.
    Unix(String, u16),
}

impl Server {
    /// The server whose UNIX socket is bound to `path`, as the kernel has it in `sun_path`; `None` when
    /// the name is not one that PostgreSQL gives. A leading NUL (abstract) is written `@`, as libpq does it.
    pub fn at_path(path: &[u8]) -> Option<Self> {
        let end = path.iter().skip(1).position(|byte| *byte == 0).map_or(path.len(), |at| at + 1);
        let path = String::from_utf8_lossy(path.get(..end)?);
        let path = path.strip_prefix('\0').map_or_else(|| path.to_string(), |name| format!("@{name}"));
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", &path));
        let port = name.strip_prefix(".s.PGSQL.")?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let directory = if directory.is_empty() { "/" } else { directory };
        Some(Self::Unix(directory.to_owned(), port.parse().ok()?))
    }

    /// The address without the port.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(address, _) => address.to_string(),
            Self::Unix(directory, _) => directory.clone(),
        }
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Tcp(_, port) | Self::Unix(_, port) => *port,
        }
    }
}
