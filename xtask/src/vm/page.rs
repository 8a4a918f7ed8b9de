//! The table of docs/kernels.md. Each boot leaves a row in `target/vm`; the page is written once every kernel has one.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{boot, cross};

/// One kernel.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// As it was asked for.
    pub name: String,
    /// Debian's package and its version.
    pub package: String,
    /// What it says of itself.
    pub release: String,
    /// The probes that poolwatch takes by itself.
    pub tier: Option<String>,
    /// Why it does not start; empty when it does.
    pub refusal: String,
    /// Probes that are not `ok`, with verdict and reason.
    pub unattached: Vec<String>,
    /// Tests.
    pub passed: u64,
    /// Tests, by name.
    pub failures: Vec<String>,
    /// `<test>: <reason>`
    pub skips: Vec<String>,
    /// Programs of tests that did not run to their end.
    #[serde(default)]
    pub unfinished: Vec<String>,
    /// From power-on to power-off.
    pub seconds: u64,
    /// Why it was not booted; empty when it was.
    pub left_out: String,
}

const BEGIN: &str = "<!-- made by cargo xtask vm: begin -->\n";
const END: &str = "<!-- made by cargo xtask vm: end -->\n";

impl Row {
    /// A kernel that cannot be had.
    pub fn left_out(name: &str, why: &str) -> Self {
        Self { name: name.to_owned(), left_out: why.to_owned(), ..Self::default() }
    }

    /// A test has failed in it, or did not run.
    pub fn failed(&self) -> bool {
        !self.failures.is_empty() || !self.unfinished.is_empty()
    }

    /// Leaves it for the page.
    pub fn keep(&self, home: &Path) -> Result<()> {
        fs::create_dir_all(home)?;
        Ok(fs::write(home.join(format!("{}.json", self.name)), serde_json::to_string_pretty(self)?)?)
    }

    fn kept(home: &Path, name: &str) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(home.join(format!("{name}.json"))).ok()?).ok()
    }

    /// A line of the table.
    pub fn line(&self) -> String {
        let Self { name, release, passed, failures, skips, left_out, .. } = self;
        if !left_out.is_empty() {
            return format!("| {name} | – | – | not booted: {left_out} | | |");
        }
        let probes = match &self.tier {
            Some(tier) => format!("`{tier}`"),
            None => "none".to_owned(),
        };
        format!("| {name} | {release} | {probes} | {passed} | {} | {} |", failures.len(), skips.len())
    }

    /// What stands below the table.
    fn details(&self) -> Result<String> {
        let mut text = String::new();
        if !self.left_out.is_empty() {
            return Ok(text);
        }
        writeln!(text, "\n### {}\n\n`{}`\n", self.name, self.package)?;
        if !self.refusal.is_empty() {
            writeln!(text, "poolwatch does not start: {}\n", self.refusal)?;
        }
        let parts = [
            ("Probes that are not attached", &self.unattached),
            ("Failed", &self.failures),
            ("Skipped", &self.skips),
            ("Programs of tests that did not run to their end", &self.unfinished),
        ];
        for (head, lines) in parts.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            writeln!(text, "{head}:\n")?;
            for line in grouped(lines) {
                writeln!(text, "- {line}")?;
            }
            writeln!(text)?;
        }
        Ok(text.trim_end_matches('\n').to_owned() + "\n")
    }
}

/// Tests with the same reason on one line.
fn grouped(lines: &[String]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        let (name, reason) = line.split_once(": ").unwrap_or((line, ""));
        match groups.iter_mut().find(|(known, _)| !reason.is_empty() && known == reason) {
            Some((_, names)) => names.push(name.to_owned()),
            None => groups.push((reason.to_owned(), vec![name.to_owned()])),
        }
    }
    let line = |(reason, names): (String, Vec<String>)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        if reason.is_empty() { names.join(", ") } else { format!("{}: {reason}", names.join(", ")) }
    };
    groups.into_iter().map(line).collect()
}

/// Makes rows anew of kernels that were booted.
pub fn again(home: &Path, kernels: &[&str]) -> Result<()> {
    let booted =
        kernels.iter().filter_map(|name| Row::kept(home, name)).filter(|row| row.left_out.is_empty());
    booted.into_iter().try_for_each(|row| boot::again(home, &row)?.keep(home))
}

/// Writes the page's part, when every kernel has a row.
pub fn write(home: &Path, kernels: &[&str], page: &Path) -> Result<()> {
    let rows: Vec<Row> = kernels.iter().filter_map(|name| Row::kept(home, name)).collect();
    if rows.len() < kernels.len() {
        println!("{} is written once all of {} were booted", page.display(), kernels.join(", "));
        return Ok(());
    }
    let old = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let (before, rest) = old.split_once(BEGIN).context("the page has no mark where the table begins")?;
    let (_, after) = rest.split_once(END).context("the page has no mark where the table ends")?;
    let new = format!("{before}{BEGIN}{}{}{END}{after}", text(&rows)?, cross::text(home));
    fs::write(page, new).with_context(|| page.display().to_string())
}

fn text(rows: &[Row]) -> Result<String> {
    let mut text =
        "| kernel | release | probes | passed | failed | skipped |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        writeln!(text, "{}", row.line())?;
    }
    for row in rows {
        text.push_str(&row.details()?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_cannot_be_had_is_named_with_its_reason() {
        assert!(Row::left_out("5.15", "no suite has it").line().contains("not booted: no suite has it"));
    }

    #[test]
    fn one_reason_stands_once() {
        let lines = ["a: no x", "b: no y", "c: no x"].map(str::to_owned);
        assert_eq!(grouped(&lines), ["`a`, `c`: no x", "`b`: no y"]);
    }
}
