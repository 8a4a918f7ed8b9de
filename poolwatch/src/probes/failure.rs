//! Why the kernel took no probe: its errors come in, a [`Refusal`] of everything or the [`Outcome`] of one probe goes out.
//!
//! What is missing is told by the errors that the kernel gave, and by nothing else.

use std::io;

use aya::programs::ProgramError;

use super::{load::Refusal, verdict::Outcome};

/// What the kernel wants of who attaches in a program.
/// Source: <https://nvd.nist.gov/vuln/detail/CVE-2025-38466>; stable kernels want it since July 2025.
const FUNCTIONS_TAKE: &str =
    "it takes CAP_SYS_ADMIN since kernel 6.16, and for other users' programs CAP_SYS_PTRACE";

/// `EPERM` anywhere in the chain of causes is a missing privilege; `EACCES` is the verifier's.
pub(super) fn refusal_of(error: &(dyn std::error::Error + 'static)) -> Refusal {
    let text = chain(error);
    if denied(error) { Refusal::NoPrivilege(text) } else { Refusal::NoFeature(text) }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn denied(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>()
            && io.raw_os_error() == Some(libc::EPERM)
        {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// How an attempt with one probe failed.
pub(super) fn outcome_of(error: &ProgramError) -> Outcome {
    if let ProgramError::SyscallError(call) = error
        && call.call == "perf_event_open"
        && call.io_error.kind() == io::ErrorKind::PermissionDenied
    {
        return Outcome::Ungranted(format!("{}; {FUNCTIONS_TAKE}", chain(error)));
    }
    if denied(error) {
        return Outcome::Refused(chain(error));
    }
    let missing = |error: &io::Error| error.raw_os_error() == Some(libc::ENOENT);
    match error {
        ProgramError::Btf(_) => Outcome::NoHook,
        ProgramError::SyscallError(call) if missing(&call.io_error) => Outcome::NoHook,
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            tracing::debug!(%log, "verifier");
            let end: Vec<&str> = log.trim_end().lines().rev().take(3).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            Outcome::Failed(format!("the verifier refused it ({io_error}): {}", end.join(" | ")))
        }
        _ => Outcome::Failed(chain(error)),
    }
}
