//! How a file looks: its length, its head, its name, and no open ends.

use super::{Finding, Source};

const CAP: usize = 350;
const CAP_OF_TESTS: usize = 500;
/// Names that say nothing: a file is split by a word of the domain.
const EMPTY_NAMES: [&str; 5] = ["utils.rs", "util.rs", "helpers.rs", "types.rs", "common.rs"];
/// Macros that stand for code which is not there, or was only for a moment.
const PLACEHOLDERS: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// What is still to do, said in a comment.
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];
/// The rule itself names what it forbids.
const THIS: &str = "xtask/src/tidy/shape.rs";

/// Checks one file of Rust.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        [length(source), head(source), name(source)].into_iter().flatten().collect();
    findings.extend(placeholders(source));
    if source.path != THIS {
        findings.extend(marks(source));
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn length(source: &Source) -> Option<Finding> {
    let cap = if is_test(&source.path) { CAP_OF_TESTS } else { CAP };
    let lines = source.text.lines().count();
    (lines > cap).then(|| {
        Finding::new(source, cap + 1, format!("{lines} lines, at most {cap}: split it by a domain word"))
    })
}

fn head(source: &Source) -> Option<Finding> {
    let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!")).then(|| {
        Finding::new(source, 1, "begins without a `//!` head: what comes in, what goes out, what never")
    })
}

fn name(source: &Source) -> Option<Finding> {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    EMPTY_NAMES
        .contains(&name)
        .then(|| Finding::new(source, 1, "a name that says nothing: use a domain word"))
}

fn placeholders(source: &Source) -> impl Iterator<Item = Finding> {
    let calls = source.words.windows(2).filter_map(move |pair| match pair {
        [name, bang] if bang.text == "!" && PLACEHOLDERS.contains(&name.text.as_str()) => Some(name),
        _ => None,
    });
    calls.map(|name| Finding::new(source, name.line, format!("`{}!` is a placeholder", name.text)))
}

fn marks(source: &Source) -> impl Iterator<Item = Finding> {
    source.text.lines().enumerate().filter_map(move |(at, line)| {
        let (_, comment) = line.split_once("//")?;
        let mark = MARKS
            .into_iter()
            .find(|mark| comment.split_whitespace().any(|w| w.trim_end_matches(':') == *mark))?;
        let (_, text) = comment.split_once(mark)?;
        let said = text.trim_start_matches(':').split_whitespace().count();
        (said < 3).then(|| Finding::new(source, at + 1, format!("{mark} that does not say what and why")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).into_iter().map(|f| format!("{}: {}", f.line, f.what)).collect()
    }

    #[test]
    fn a_file_in_shape() {
        let text = "//! Head.\n// TODO: read the tag's second word, too\nfn a() {}\n";
        assert_eq!(findings("poolwatch/src/a.rs", text), [""; 0]);
    }

    #[test]
    fn a_file_without_a_head_or_a_name() {
        let found = findings("poolwatch/src/utils.rs", "fn a() {}\n//! late\n");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn caps_differ_for_tests() {
        let long = format!("//! Head.\n{}", "\n".repeat(CAP));
        assert_eq!(findings("poolwatch/src/a.rs", &long).len(), 1);
        assert_eq!(findings("tests/kernel/a.rs", &long).len(), 0);
        let longer = format!("//! Head.\n{}", "\n".repeat(CAP_OF_TESTS));
        assert_eq!(findings("tests/kernel/a.rs", &longer).len(), 1);
    }

    #[test]
    fn open_ends() {
        let text = "//! Head.\n// TODO\nfn a() { todo!() }\n// FIXME: later\n";
        let found = findings("poolwatch/src/a.rs", text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("3: `todo!`"), "{found:?}");
    }
}
