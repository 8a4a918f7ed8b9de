//! Every row that the tests of framing have is on the page of coverage, and every row of the page is exact or
//! an exception that the kernel forces.

use super::{Finding, Source};
use crate::coverage::{DETECTED, EXACT, PAGE, TURNS};

/// Where the rows are.
const ROWS: &str = "tests/wire/framing/";
/// How one begins.
const BEGINS: [&str; 2] = ["Row::exact(", "Row::tool("];
/// The only ways past the probes.
const UNSEEN: [&str; 4] = ["splice", "sendfile", "io_uring", "encryption"];

/// Checks the page against the tests.
pub fn check(files: &[Source]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let tests = files.iter().filter(|file| file.path.starts_with(ROWS) && file.is_rust());
    let mut findings = Vec::new();
    for (source, item) in tests.flat_map(|source| items(source).map(move |item| (source, item))) {
        if !page.text.contains(&format!("| {item} |")) {
            findings.push(Finding::new(source, 1, format!("`{item}` is not in {PAGE}: run the tests")));
        }
    }
    for (at, line) in page.text.lines().enumerate().filter(|(_, line)| is_row(line)) {
        let allowed = [EXACT, TURNS].iter().any(|verdict| line.contains(&format!("| {verdict} |")))
            || (line.contains(&format!("| {DETECTED} |")) && UNSEEN.iter().any(|way| line.contains(way)));
        if !allowed {
            findings.push(Finding::new(page, at + 1, "a row that is not exact"));
        }
    }
    findings
}

fn items(source: &Source) -> impl Iterator<Item = &str> {
    let calls = BEGINS.iter().flat_map(|begins| source.text.split(begins).skip(1));
    calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

fn is_row(line: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| what |")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(rows: &str, page: &str) -> Vec<String> {
        let files = [Source::new("tests/wire/framing/a.rs", rows), Source::new(PAGE, page)];
        check(&files).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn rows_that_are_there_and_exact() {
        let page =
            "| what | verdict |\n|---|---|\n| read | exact | |\n| splice | detected, not counted | |\n";
        assert_eq!(
            findings("Row::exact(\"read\", \"r\"), Row::exact(\n    \"splice\", \"s\")", page),
            [""; 0]
        );
    }

    #[test]
    fn a_row_that_is_missing_or_wrong() {
        let page = "| read | detected, not counted | |\n";
        let found = findings("Row::exact(\"write\", \"w\")", page);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
