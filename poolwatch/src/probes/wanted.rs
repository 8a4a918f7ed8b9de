//! What the user wants watched, and which probes for that.

use super::catalog::{Hook, Probe, Tier};
use crate::config;

/// Which processes are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// All.
    All,
    /// Listed ones.
    Listed {
        /// And what they fork.
        children: bool,
    },
}

/// What to attach.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// A tier, or the best that this kernel has.
    pub tier: Option<Tier>,
    /// Which processes are watched.
    pub watch: Watch,
    /// Size of the ring in bytes, a power of two.
    pub ring_bytes: u32,
    /// Tell what names statements: texts and names.
    pub sql: bool,
    /// When the probes of waiting are attached.
    pub evidence: config::Evidence,
    /// How encrypted connections are read.
    pub tls: config::Tls,
}

impl Wanted {
    /// The user wants a probe that is attached at times.
    pub(super) fn wants(&self, probe: &Probe) -> bool {
        match probe.hook {
            Hook::Library(_) => self.tls == config::Tls::Auto,
            _ => self.evidence != config::Evidence::Off,
        }
    }
}
