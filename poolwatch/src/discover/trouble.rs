//! What a scan could not see: counted while it runs, told once and in words when it is done.

use std::{collections::BTreeMap, io};

/// Counts by kind of trouble.
#[derive(Default)]
pub(super) struct Trouble {
    /// Processes whose descriptors may not be read.
    pub denied: u64,
    /// Sockets that did not fit into a table or could not be read.
    pub left_out: u64,
    /// Network namespaces by what failed in them and why.
    failed: BTreeMap<(&'static str, String), u64>,
}

/// A network namespace could not be entered.
pub(super) const ENTER: &str = "entering a network namespace";
/// The table of TCP sockets could not be had from `sock_diag`.
pub(super) const TCP: &str = "asking the kernel for TCP sockets";
/// The table of UNIX sockets could not be had from `sock_diag`.
pub(super) const UNIX: &str = "asking the kernel for UNIX sockets";

impl Trouble {
    /// Counts that `what` failed in one network namespace.
    pub(super) fn failed(&mut self, what: &'static str, error: &io::Error) {
        *self.failed.entry((what, reason(what, error))).or_default() += 1;
    }

    /// One line for each kind.
    pub(super) fn tell(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.denied > 0 {
            lines.push(format!(
                "the open files of {} processes may not be read, so their older connections are not seen: \
                 run as root or give CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
                self.denied
            ));
        }
        for ((what, reason), count) in &self.failed {
            lines.push(format!("{what} failed ({count} times): {reason}"));
        }
        if self.left_out > 0 {
            lines.push(format!("{} sockets of the kernel's tables were not read", self.left_out));
        }
        lines
    }
}

fn reason(what: &str, error: &io::Error) -> String {
    let lost = if what == TCP {
        "/proc/PID/net/tcp is read instead"
    } else if what == UNIX {
        "older connections over UNIX sockets are not seen there"
    } else {
        "/proc/PID/net/tcp is read instead, and older connections over UNIX sockets are not seen there"
    };
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!("{error}, CAP_SYS_ADMIN is needed; {lost}"),
        Some(libc::ENOENT) => format!("this kernel lacks the module (tcp_diag, unix_diag); {lost}"),
        _ => format!("{error}; {lost}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once() {
        let mut trouble = Trouble::default();
        assert!(trouble.tell().is_empty());
        trouble.denied = 3;
        trouble.left_out = 2;
        for _ in 0..5 {
            trouble.failed(ENTER, &io::Error::from_raw_os_error(libc::EPERM));
        }
        trouble.failed(UNIX, &io::Error::from_raw_os_error(libc::ENOENT));
        let lines = trouble.tell();
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines[0].contains("3 processes") && lines[0].contains("CAP_SYS_PTRACE"), "{}", lines[0]);
        assert!(lines[1].contains("unix_diag"), "{}", lines[1]);
        assert!(lines[2].contains("5 times") && lines[2].contains("CAP_SYS_ADMIN"), "{}", lines[2]);
        assert!(lines[3].starts_with("2 sockets"), "{}", lines[3]);
    }
}
