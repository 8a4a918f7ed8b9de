//! The one catalogue of probes: which program hooks where, and which takes its place where it cannot.

use std::fmt;

/// How the probes learn of socket calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Socket lengths (kernels since 6.3): only socket calls pay.
    Sock,
    /// The end of every system call, filtered by number: for older kernels.
    Syscall,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sock => "sock",
            Self::Syscall => "syscall",
        })
    }
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `tp_btf`: arguments that the verifier knows the types of.
    Typed(&'static str),
    /// Raw tracepoint.
    Raw(&'static str),
    /// Functions of a process's own program.
    Function,
    /// Functions of the TLS library that a process uses; `true` = where they return to.
    Library(bool),
}

impl Hook {
    /// What a kernel must have for it.
    pub fn name(self) -> String {
        match self {
            Self::Typed(name) | Self::Raw(name) => format!("tracepoint {name}"),
            Self::Function | Self::Library(_) => "uprobes".to_owned(),
        }
    }
}

/// One program of the object.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Name of the program.
    pub name: &'static str,
    /// Where it is attached.
    pub hook: Hook,
    /// The tier that it belongs to; `None` = every one.
    pub tier: Option<Tier>,
    /// Without it nothing can be seen.
    pub needed: bool,
    /// Attached only while somebody wants to know: what threads wait for, what a TLS library is handed.
    pub escalated: bool,
    /// What is lost without it.
    pub purpose: &'static str,
}

/// Every program, in the order in which they are attached: what ends a thing before what begins it,
/// so that no answer falls into the gap between two attachments.
pub const PROBES: [Probe; 30] = [
    Probe {
        name: "sock_receive",
        hook: Hook::Typed("sock_recv_length"),
        tier: Some(Tier::Sock),
        needed: true,
        escalated: false,
        purpose: "answers of servers",
    },
    Probe {
        name: "sock_send",
        hook: Hook::Typed("sock_send_length"),
        tier: Some(Tier::Sock),
        needed: true,
        escalated: false,
        purpose: "requests of clients",
    },
    Probe {
        name: "call_exit",
        hook: Hook::Raw("sys_exit"),
        tier: Some(Tier::Syscall),
        needed: true,
        escalated: false,
        purpose: "requests of clients and answers of servers",
    },
    Probe {
        name: "tcp_state",
        hook: Hook::Typed("inet_sock_set_state"),
        tier: Some(Tier::Sock),
        needed: true,
        escalated: false,
        purpose: "connect and close of TCP connections",
    },
    Probe {
        name: "tcp_state_by_inode",
        hook: Hook::Raw("inet_sock_set_state"),
        tier: Some(Tier::Syscall),
        needed: true,
        escalated: false,
        purpose: "connect and close of TCP connections",
    },
    Probe {
        name: "process_exit",
        hook: Hook::Raw("sched_process_exit"),
        tier: None,
        needed: false,
        escalated: false,
        purpose: "the end of processes at once instead of at the next scan",
    },
    Probe {
        name: "process_exec",
        hook: Hook::Raw("sched_process_exec"),
        tier: None,
        needed: false,
        escalated: false,
        purpose: "the new name of a process that runs another program",
    },
    Probe {
        name: "process_fork",
        hook: Hook::Raw("sched_process_fork"),
        tier: None,
        needed: false,
        escalated: false,
        purpose: "children of processes named by --pid",
    },
    Probe {
        name: "thread_wait",
        hook: Hook::Raw("sys_enter"),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "what threads of processes with a saturated pool wait for",
    },
    Probe {
        name: "thread_wake",
        hook: Hook::Raw("sys_exit"),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "when and by whom they are woken",
    },
    Probe {
        name: "borrower_asks",
        hook: Hook::Function,
        tier: None,
        needed: false,
        escalated: true,
        purpose: "borrowers of pools whose library is known, in Go",
    },
    Probe {
        name: "borrower_answered",
        hook: Hook::Function,
        tier: None,
        needed: false,
        escalated: true,
        purpose: "when they get a connection",
    },
    Probe {
        name: "plain_done",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "answers and requests on encrypted connections",
    },
    Probe {
        name: "plain_returned",
        hook: Hook::Library(true),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same, of libraries whose functions return in many ways",
    },
    Probe {
        name: "plain_read",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "answers on encrypted connections",
    },
    Probe {
        name: "plain_read_ex",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same",
    },
    Probe {
        name: "plain_write",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "requests on encrypted connections",
    },
    Probe {
        name: "plain_write_ex",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same",
    },
    Probe {
        name: "plain_freed",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the end of a TLS library's object",
    },
    Probe {
        name: "plain_go_done",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "answers and requests on connections that Go encrypts",
    },
    Probe {
        name: "plain_go_read",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "answers on connections that Go encrypts",
    },
    Probe {
        name: "plain_go_write",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "requests on connections that Go encrypts",
    },
    Probe {
        name: "plain_rust_done",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "answers and requests on connections that rustls encrypts",
    },
    Probe {
        name: "plain_rust_returned",
        hook: Hook::Library(true),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same, of functions that return in many ways",
    },
    Probe {
        name: "plain_rust_shown",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "answers on connections that rustls encrypts",
    },
    Probe {
        name: "plain_rust_shown_returned",
        hook: Hook::Library(true),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same",
    },
    Probe {
        name: "plain_rust_consume",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same",
    },
    Probe {
        name: "plain_rust_read",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same",
    },
    Probe {
        name: "plain_rust_write",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "requests on connections that rustls encrypts",
    },
    Probe {
        name: "plain_rust_gather",
        hook: Hook::Library(false),
        tier: None,
        needed: false,
        escalated: true,
        purpose: "the same",
    },
];

/// The programs of a tier.
pub fn of_tier(tier: Tier) -> impl Iterator<Item = &'static Probe> {
    PROBES.iter().filter(move |probe| probe.tier.is_none_or(|own| own == tier))
}
