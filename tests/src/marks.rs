//! Parts of a page that a measurement writes, between its marks; the rest is the page's authors'.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Writes `text` between the marks of `command`.
pub fn write(page: &Path, command: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let new = replaced(&old, command, text)?;
    fs::write(page, new).with_context(|| page.display().to_string())
}

fn replaced(old: &str, command: &str, text: &str) -> Result<String> {
    let mark = |end: &str| format!("<!-- made by {command}: {end} -->\n");
    let (begin, end) = (mark("begin"), mark("end"));
    let (before, rest) = old.split_once(&begin).context("the page has no mark where the tables begin")?;
    let (_, after) = rest.split_once(&end).context("the page has no mark where the tables end")?;
    Ok(format!("{before}{begin}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_new() {
        let page = "a\n<!-- made by x: begin -->\nold\n<!-- made by x: end -->\nb\n";
        let new = replaced(page, "x", "new\n").unwrap();
        assert_eq!(new, page.replace("old", "new"));
        assert!(replaced(page, "y", "").is_err());
    }
}
