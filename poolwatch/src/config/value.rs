//! The values that options take: what a person writes comes in, a checked value goes out.
//!
//! Flags, environment and file read the same text the same way, so each kind of value is checked in
//! one place; the error says what is allowed.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use globset::{Glob, GlobBuilder};
use serde::Deserialize;

use crate::{event::Time, export::metrics};

/// Gives a type that reads text the same reading from a file.
macro_rules! read_as_text {
    ($($kind:ty),*) => {$(
        impl TryFrom<String> for $kind {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    )*};
}

read_as_text!(Listen, Span, PoolMax, ConstantLabel, Pattern, ServerAddress);

/// Address and port of the HTTP door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map(Self);
        address.map_err(|_| format!("{text:?} is not ADDRESS:PORT, such as 127.0.0.1:9762 or [::]:9762"))
    }
}

/// A positive length of time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Time);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || format!("{text:?} is not a time above 0, such as 100ms, 1.5s or 2m");
        let span: jiff::SignedDuration = text.parse().map_err(|_| allowed())?;
        let nanoseconds = u64::try_from(span.as_nanos()).map_err(|_| allowed())?;
        if nanoseconds == 0 { Err(allowed()) } else { Ok(Self(nanoseconds)) }
    }
}

/// A share of 1, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(pub f64);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if share > 0.0 && share <= 1.0 {
            return Ok(Self(share));
        }
        Err(format!("{share} is not a number above 0 and at most 1, such as 0.8"))
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share: f64 = text.parse().map_err(|_| format!("{text:?} is not a number, such as 0.8"))?;
        share.try_into()
    }
}

/// A whole number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "i64")]
pub struct Count(pub u32);

impl TryFrom<i64> for Count {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let count = u32::try_from(number).ok().filter(|count| *count >= 1).map(Self);
        count.ok_or_else(|| format!("{number} is not a whole number from 1 to {}", u32::MAX))
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: i64 = text.parse().map_err(|_| format!("{text:?} is not a whole number from 1"))?;
        number.try_into()
    }
}

/// Size of the ring between kernel and agent, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct RingSize(pub u32);

impl RingSize {
    /// A page, and what one agent may reasonably hold.
    const LEAST: u32 = 4 << 10;
    const MOST: u32 = 1 << 30;
}

impl Default for RingSize {
    /// Room for some 20,000 answered requests.
    fn default() -> Self {
        Self(4 << 20)
    }
}

impl TryFrom<i64> for RingSize {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let fits = |size: &u32| size.is_power_of_two() && (Self::LEAST..=Self::MOST).contains(size);
        u32::try_from(number).ok().filter(fits).map(Self).ok_or_else(|| {
            format!("{number} is not a power of two from {} to {}, such as 4194304", Self::LEAST, Self::MOST)
        })
    }
}

impl FromStr for RingSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: i64 = text.parse().map_err(|_| format!("{text:?} is not a number of bytes"))?;
        number.try_into()
    }
}

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "i64")]
pub struct Port(pub u16);

impl TryFrom<i64> for Port {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let port = u16::try_from(number).ok().filter(|port| *port >= 1).map(Self);
        port.ok_or_else(|| format!("{number} is not a port from 1 to 65535"))
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: i64 = text.parse().map_err(|_| format!("{text:?} is not a port from 1 to 65535"))?;
        number.try_into()
    }
}

/// A configured size of pools: `N` for every service, `SERVICE=N` for one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PoolMax {
    /// The service; `None` = every other.
    pub service: Option<String>,
    /// Connections.
    pub max: u32,
}

impl FromStr for PoolMax {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The number is behind the last sign: a service's name may hold one itself.
        let (service, number) = match text.rsplit_once('=') {
            Some((service, number)) => (Some(service.to_owned()), number),
            None => (None, text),
        };
        if service.as_ref().is_some_and(String::is_empty) {
            return Err(format!("{text:?} names no service before the ="));
        }
        let Count(max) = number
            .parse()
            .map_err(|why| format!("{text:?} is not N or SERVICE=N, such as 20 or api=20: {why}"))?;
        Ok(Self { service, max })
    }
}

/// A label that every series gets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ConstantLabel {
    /// Name, one that Prometheus takes and poolwatch does not use itself.
    pub name: String,
    /// Value.
    pub value: String,
}

impl FromStr for ConstantLabel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!("{text:?} is not NAME=VALUE, such as region=eu"));
        };
        let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if !first || !name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_') {
            return Err(format!("{name:?} is no label name: letters, digits and _, no digit first"));
        }
        if name.starts_with("__") {
            return Err(format!("{name:?}: Prometheus keeps names that begin with __ for itself"));
        }
        if metrics::own_labels().any(|own| own == name) {
            return Err(format!("{name:?} is a label that poolwatch sets itself"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// A pattern for services' names: `*`, `?`, `[a-z]`, `{one,other}`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(pub Glob);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern fits no service".to_owned());
        }
        let glob = GlobBuilder::new(text).build();
        glob.map(Self).map_err(|error| format!("{text:?} is not a pattern: {}", error.kind()))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.glob(), f)
    }
}

/// A server's IP address, or the directory of its UNIX socket, written as events write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerAddress(pub String);

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(['/', '@']) {
            return Ok(Self(text.to_owned()));
        }
        let Ok(address) = text.parse::<IpAddr>() else {
            return Err(format!(
                "{text:?} is neither an IP address nor the directory of a UNIX socket; \
                 a host name is not seen on the wire: give it as `alias`"
            ));
        };
        Ok(Self(address.to_canonical().to_string()))
    }
}
