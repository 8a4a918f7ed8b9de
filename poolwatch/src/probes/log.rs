//! What a debug build of the probes logs, shown in the agent's own log.

use aya::Ebpf;

/// Shows what was logged since the last call; `None` where the probes log nothing.
pub type ProbeLog = Option<Box<dyn FnMut() + Send>>;

/// Takes the log of a debug build of the probes (`cargo xtask build --debug-probes`).
#[cfg(feature = "probe-log")]
pub fn take(ebpf: &mut Ebpf) -> ProbeLog {
    match aya_log::EbpfLogger::init(ebpf) {
        Ok(mut logger) => Some(Box::new(move || logger.flush())),
        Err(error) => {
            tracing::warn!(%error, "these probes log nothing");
            None
        }
    }
}

/// Other builds have none.
#[cfg(not(feature = "probe-log"))]
pub const fn take(_: &mut Ebpf) -> ProbeLog {
    None
}
