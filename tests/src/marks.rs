//! Parts of a page that a measurement writes, between its marks; the rest is the page's authors'.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, ensure};

/// Writes `text` between the marks of `command`.
pub fn write(page: &Path, command: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let new = replaced(&old, command, text)?;
    fs::write(page, new).with_context(|| page.display().to_string())
}

/// Writes those rows between the marks of `command` anew that `text` has; the others stay as they are.
pub fn renew(page: &Path, command: &str, text: &str) -> Result<()> {
    let new = renewed(&read(page, command)?, text)?;
    write(page, command, &new)
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

/// What a row is of, and how many cells its table has; two tables may tell of the same.
fn row(line: &str) -> Option<(&str, usize)> {
    Some((line.strip_prefix("| ")?.split(" | ").next()?, line.matches(" | ").count()))
}

fn renewed(old: &str, text: &str) -> Result<String> {
    let (mut new, mut done) = (String::new(), BTreeSet::new());
    for line in old.lines() {
        let rows = row(line).map(|of| (of, text.lines().filter(move |line| row(line) == Some(of))));
        let renewed: Vec<&str> = rows.clone().into_iter().flat_map(|(_, lines)| lines).collect();
        if renewed.is_empty() {
            new.extend([line, "\n"]);
        } else if done.insert(row(line)) {
            new.extend(renewed.into_iter().flat_map(|line| [line, "\n"]));
        }
    }
    let missing = text.lines().find(|line| row(line).is_some() && !done.contains(&row(line)));
    ensure!(missing.is_none(), "the page has no such row yet: {missing:?}");
    Ok(new)
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

    #[test]
    fn rows_that_were_not_measured_again_stay() {
        let old = "Text.\n| work | a |\n|---|---|\n| x | 1 |\n| y | 2 |\n| x | p | 3 |\n| x | q | 4 |\n";
        let new = "Other.\n| work | a |\n|---|---|\n| x | 9 |\n| x | r | 5 |\n";
        let expected = "Text.\n| work | a |\n|---|---|\n| x | 9 |\n| y | 2 |\n| x | r | 5 |\n";
        assert_eq!(renewed(old, new).unwrap(), expected);
        assert!(renewed(old, "| z | 1 |\n").is_err());
    }
}
