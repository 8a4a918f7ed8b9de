//! Which services are watched.

use globset::GlobSet;

use super::value::Pattern;

/// Services that are wanted and those that are not.
#[derive(Clone, Debug, Default)]
pub struct ServiceFilter {
    /// Empty = all.
    wanted: GlobSet,
    unwanted: GlobSet,
}

impl ServiceFilter {
    /// Wants what fits one of `wanted` (all, when there is none) and none of `unwanted`.
    /// The error is text: all patterns together are too large.
    pub fn new(wanted: &[Pattern], unwanted: &[Pattern]) -> Result<Self, String> {
        Ok(Self { wanted: set(wanted)?, unwanted: set(unwanted)? })
    }

    /// Whether the service is to be watched.
    pub fn wants(&self, service: &str) -> bool {
        (self.wanted.is_empty() || self.wanted.is_match(service)) && !self.unwanted.is_match(service)
    }
}

fn set(patterns: &[Pattern]) -> Result<GlobSet, String> {
    GlobSet::new(patterns.iter().map(|pattern| &pattern.0)).map_err(|error| error.to_string())
}
