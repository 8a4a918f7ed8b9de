//! `poolwatch check`: what this kernel and these privileges allow, one line each, found out by trying.

use std::{fmt, fs};

use crate::{
    config::Cri,
    discover::cri,
    privilege::{self, Need},
    probes::{self, verdict::Verdict},
};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was tried.
    pub what: String,
    /// How it went.
    pub verdict: Verdict,
    /// What is lost, and what to do about it; empty when nothing is.
    pub remedy: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14} {}", self.verdict.as_str(), self.what)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, ": {}", self.remedy) }
    }
}

/// Everything that was tried, and whether the agent can watch here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order of trying.
    pub lines: Vec<Line>,
    /// Enough of it works.
    pub usable: bool,
}

/// Tries everything. Attaches each probe for a moment.
pub fn run() -> Report {
    let mut lines = vec![numbers(), lockdown(), type_information()];
    let apart = !privilege::counts_as_machine();
    lines.extend(privilege::NEEDS.iter().map(capability));
    lines.push(container_runtime());
    let usable = match probes::survey() {
        Ok(survey) => {
            lines.extend(survey.states.iter().map(|state| Line {
                what: format!("probe {}", state.probe),
                verdict: verdict(&state.verdict),
                remedy: state.reason.clone(),
            }));
            survey.usable
        }
        Err(refusal) => {
            lines.push(Line {
                what: "load the probes".to_owned(),
                verdict: Verdict::Broken,
                remedy: refusal.to_string(),
            });
            false
        }
    };
    Report { lines, usable: usable && !apart }
}

/// Whose process numbers the agent sees.
fn numbers() -> Line {
    let (verdict, remedy) = if privilege::counts_as_machine() {
        (Verdict::Ok, "")
    } else {
        (Verdict::Broken, privilege::GIVE_MACHINE)
    };
    Line { what: "the machine's process numbers".to_owned(), verdict, remedy: remedy.to_owned() }
}

fn verdict(word: &str) -> Verdict {
    match word {
        "ok" => Verdict::Ok,
        "unsupported" => Verdict::Unsupported,
        "not_applicable" => Verdict::NotApplicable,
        _ => Verdict::Broken,
    }
}

fn capability(need: &Need) -> Line {
    let held = privilege::holds(need.capability);
    let instead = need.instead.filter(|other| privilege::holds(*other));
    let (verdict, remedy) = match (held, instead) {
        (true, _) => (Verdict::Ok, String::new()),
        (false, Some(other)) => (Verdict::Ok, format!("it is missing; {other} stands in for it")),
        (false, None) if need.optional => (Verdict::Unsupported, format!("without it: {}", need.lost)),
        (false, None) => (Verdict::Broken, format!("run as root or grant it; without it: {}", need.lost)),
    };
    Line { what: format!("capability {}", need.capability), verdict, remedy }
}

/// In confidentiality mode no program may read kernel memory, whoever runs it; see `kernel_lockdown(7)`.
fn lockdown() -> Line {
    let what = "kernel lockdown".to_owned();
    let Ok(mode) = fs::read_to_string("/sys/kernel/security/lockdown") else {
        let remedy = "the kernel has none, or does not show it here; it would refuse the probes".to_owned();
        return Line { what, verdict: Verdict::NotApplicable, remedy };
    };
    let confidential = mode.contains("[confidentiality]");
    let remedy =
        "the kernel's lockdown mode forbids reading kernel memory; boot with lockdown=integrity or without";
    Line {
        what,
        verdict: if confidential { Verdict::Broken } else { Verdict::Ok },
        remedy: if confidential { remedy.to_owned() } else { String::new() },
    }
}

/// Who names containers and pods; where no socket is, there is nothing to be named.
fn container_runtime() -> Line {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let found = match runtime {
        Ok(runtime) => runtime.block_on(cri::survey(&Cri::Auto)),
        Err(error) => Err(error.into()),
    };
    let what = "container runtime".to_owned();
    match found {
        Ok(Some(who)) => Line { what: format!("{what} {who}"), verdict: Verdict::Ok, remedy: String::new() },
        Ok(None) => Line {
            what,
            verdict: Verdict::NotApplicable,
            remedy: "there is none of the usual sockets (--cri)".to_owned(),
        },
        Err(error) => Line {
            what,
            verdict: Verdict::Unsupported,
            remedy: format!("without it: names of pods and containers; {error:#}"),
        },
    }
}

fn type_information() -> Line {
    match probes::layout() {
        Ok(_) => Line {
            what: "kernel type information (BTF)".to_owned(),
            verdict: Verdict::Ok,
            remedy: String::new(),
        },
        Err(error) => Line {
            what: "kernel type information (BTF)".to_owned(),
            verdict: Verdict::Broken,
            remedy: format!("{error:#}"),
        },
    }
}
