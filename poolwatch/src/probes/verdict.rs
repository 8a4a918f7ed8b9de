//! What became of a probe: a pure judgement of the outcome of loading and attaching it.

use super::catalog::{Hook, Probe};
use crate::event::ProbeState;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is attached.
    Attached,
    /// The kernel has no such hook.
    NoHook,
    /// The kernel or its settings refused (message).
    Refused(String),
    /// A capability is missing that only this probe needs (message).
    Ungranted(String),
    /// The program itself is at fault: the verifier rejected it, or the object lacks it (message).
    Failed(String),
    /// It was not tried: another tier does its work.
    NotTried,
    /// It is loaded, and will be attached when it is wanted.
    Calm,
    /// The user wants it never.
    Unwanted,
}

/// The judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Ok,
    /// It cannot here: the kernel lacks the feature, or the agent a capability; the agent goes on.
    Unsupported,
    /// It is not wanted here.
    NotApplicable,
    /// It should work and does not.
    Broken,
}

impl Verdict {
    /// As `/health/details` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unsupported => "unsupported",
            Self::NotApplicable => "not_applicable",
            Self::Broken => "broken",
        }
    }
}

/// Judges an outcome.
pub const fn judge(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Attached => Verdict::Ok,
        Outcome::NoHook | Outcome::Ungranted(_) => Verdict::Unsupported,
        Outcome::NotTried | Outcome::Calm | Outcome::Unwanted => Verdict::NotApplicable,
        Outcome::Refused(_) | Outcome::Failed(_) => Verdict::Broken,
    }
}

/// The state that the core and `/health/details` are told.
pub fn state(probe: &Probe, outcome: &Outcome) -> ProbeState {
    let reason = match outcome {
        Outcome::Attached => String::new(),
        Outcome::NoHook => {
            format!("this kernel has no {}; lost: {}", probe.hook.name(), probe.purpose)
        }
        Outcome::Refused(why) | Outcome::Ungranted(why) | Outcome::Failed(why) => {
            format!("{why}; lost: {}", probe.purpose)
        }
        Outcome::NotTried => "another tier of probes does its work".to_owned(),
        Outcome::Calm => match probe.hook {
            Hook::Library(_) => "attached in processes with encrypted connections".to_owned(),
            _ => "attached while a pool is saturated".to_owned(),
        },
        Outcome::Unwanted => match probe.hook {
            Hook::Library(_) => "not wanted (--tls)".to_owned(),
            _ => "not wanted (--evidence off)".to_owned(),
        },
    };
    ProbeState {
        probe: probe.name.to_owned(),
        attached: *outcome == Outcome::Attached,
        verdict: judge(outcome).as_str().to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::catalog::PROBES;

    #[test]
    fn a_missing_hook_is_unsupported_and_says_what_is_lost() {
        let told = state(&PROBES[5], &Outcome::NoHook);
        assert_eq!(told.verdict, "unsupported");
        assert!(!told.attached);
        assert!(told.reason.contains("sched_process_exit") && told.reason.contains("end of processes"));
    }

    #[test]
    fn only_an_attached_probe_is_ok() {
        assert_eq!(judge(&Outcome::Attached), Verdict::Ok);
        for aside in [Outcome::NotTried, Outcome::Calm, Outcome::Unwanted] {
            assert_eq!(judge(&aside), Verdict::NotApplicable);
        }
        assert_eq!(judge(&Outcome::Ungranted("EACCES".into())), Verdict::Unsupported);
        assert_eq!(judge(&Outcome::Refused("EPERM".into())), Verdict::Broken);
        assert_eq!(judge(&Outcome::Failed("verifier".into())), Verdict::Broken);
    }
}
