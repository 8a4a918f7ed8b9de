//! What the user wants watched.

use crate::discover;

/// Decides by a service's name whether its processes are watched.
pub type Wants = Box<dyn Fn(&str) -> bool + Send>;

/// What the user wants watched.
pub struct Wish {
    /// Processes named by `--pid`; empty = all.
    pub pids: Vec<u32>,
    /// And what they fork.
    pub children: bool,
    /// Ports that are surely PostgreSQL's.
    pub ports: Vec<u16>,
    /// By the service's name.
    pub services: Wants,
}

impl Wish {
    /// This service's processes are wanted.
    pub fn wants(&self, service: &str) -> bool {
        (self.services)(service)
    }

    /// The named processes, and those that descend from them already.
    pub fn everybody(&self) -> Vec<u32> {
        if self.children { discover::family(&self.pids) } else { self.pids.clone() }
    }
}
