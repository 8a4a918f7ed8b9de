//! Parts of a page that a measurement writes, between its marks; the rest is the page's authors'.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Writes `text` between the marks of `command`.
pub fn write(page: &Path, command: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let new = replaced(&old, command, text)?;
    fs::write(page, new).with_context(|| page.display().to_string())
}

/// What stands between the marks of `command`.
pub fn read(page: &Path, command: &str) -> Result<String> {
    let page = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    Ok(parts(&page, command)?[1].to_owned())
}

fn mark(command: &str, end: &str) -> String {
    format!("<!-- made by {command}: {end} -->\n")
}

/// Up to the first mark and with it, between the two, and from the second on.
fn parts<'a>(page: &'a str, command: &str) -> Result<[&'a str; 3]> {
    let (begin, end) = (mark(command, "begin"), mark(command, "end"));
    let from = page.find(&begin).context("the page has no mark where the tables begin")? + begin.len();
    let (before, rest) = page.split_at(from);
    let (old, after) = rest.split_at(rest.find(&end).context("the page has no mark where the tables end")?);
    Ok([before, old, after])
}

fn replaced(old: &str, command: &str, text: &str) -> Result<String> {
    let [before, _, after] = parts(old, command)?;
    Ok([before, text, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_new() {
        let page = "a\n<!-- made by x: begin -->\nold\n<!-- made by x: end -->\nb\n";
        let new = replaced(page, "x", "new\n").unwrap();
        assert_eq!(new, page.replace("old", "new"));
        assert_eq!(parts(page, "x").unwrap()[1], "old\n");
        assert!(replaced(page, "y", "").is_err());
    }
}
