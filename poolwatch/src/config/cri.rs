//! Who is asked how containers and pods are called: text comes in, a socket or none goes out.

use std::{path::PathBuf, str::FromStr};

use serde::Deserialize;

/// The socket of the container runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Cri {
    /// The first of the usual ones that answers.
    #[default]
    Auto,
    /// Nobody is asked.
    Off,
    /// This one.
    At(PathBuf),
}

impl TryFrom<String> for Cri {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Cri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => return Ok(Self::Auto),
            "off" => return Ok(Self::Off),
            _ => {}
        }
        // As the kubelet and crictl write it.
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') && path.len() > 1 {
            return Ok(Self::At(PathBuf::from(path)));
        }
        Err(format!("{text:?} is neither auto, off, nor the path of a socket, such as /run/crio/crio.sock"))
    }
}
