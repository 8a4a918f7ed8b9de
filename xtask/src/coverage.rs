//! `docs/coverage.md`: what poolwatch counted against what the server counted, from the last run of the tests.
//!
//! In come the rows that tests left in `target/coverage`, one file each; out goes a page that is the same after
//! each run that counted the same. A row that is neither exact nor one of the allowed exceptions is an error.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{command, place};

/// The page.
pub const PAGE: &str = "docs/coverage.md";
/// The verdict of a row whose every count is the server's.
pub const EXACT: &str = "exact";
/// The verdict of a row that the kernel does not show.
pub const DETECTED: &str = "detected, not counted";

/// The verdict of a row of encrypted connections, of which only turns are seen.
pub const TURNS: &str = "by turns";

/// Where tests leave rows.
pub fn rows() -> PathBuf {
    place::target().join("coverage")
}

/// Forgets the rows of former runs.
pub fn clear() -> Result<()> {
    match fs::remove_dir_all(rows()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", rows().display()))
        }
        _ => Ok(()),
    }
}

/// One line of the page: an item over one kind of socket.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    server: String,
    /// By tier of probes; one without a name where there is only one run.
    counted: BTreeMap<String, String>,
    verdicts: Vec<String>,
    note: String,
}

/// Sections, and in them items with their kind of socket.
type Table = BTreeMap<String, BTreeMap<(String, String), Line>>;

/// Writes the page.
pub fn render() -> Result<()> {
    let mut table = Table::new();
    let found =
        fs::read_dir(rows()).with_context(|| format!("no rows in {}: run the tests", rows().display()))?;
    let mut files: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "json")) {
        let row =
            serde_json::from_str(&fs::read_to_string(file)?).with_context(|| file.display().to_string())?;
        enter(&mut table, &row);
    }
    let page = page(&table, &versions());
    let path = place::root().join(PAGE);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, page).with_context(|| path.display().to_string())?;
    let wrong = wrong(&table);
    ensure!(wrong.is_empty(), "{PAGE}: not exact:\n{}", wrong.join("\n"));
    println!("  {PAGE}: {} rows", files.len());
    Ok(())
}

fn text(row: &Value, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn enter(table: &mut Table, row: &Value) {
    let section = text(row, "section");
    let mut letters = section.chars();
    let section =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    let lines: &mut BTreeMap<_, _> = table.entry(section).or_default();
    let line: &mut Line = lines.entry((text(row, "row"), text(row, "way"))).or_default();
    line.server = text(row, "server");
    line.note = text(row, "note");
    line.counted.insert(text(row, "tier"), text(row, "poolwatch"));
    let verdict = text(row, "verdict");
    if !line.verdicts.contains(&verdict) {
        line.verdicts.push(verdict);
    }
}

/// The kernel and the server that the tests ran on.
fn versions() -> String {
    let kernel = command::answer(Command::new("uname").arg("-r")).unwrap_or_default();
    let homes = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = homes.map(|home| home.path().join("bin/postgres")).filter(|file| file.is_file()).max();
    let server = newest.and_then(|file| command::answer(Command::new(file).arg("--version")));
    let server = server.unwrap_or_else(|| "PostgreSQL of unknown version".to_owned());
    format!("Linux {}, {}", kernel.trim(), server.trim().replace("postgres (PostgreSQL)", "PostgreSQL"))
}

fn page(table: &Table, versions: &str) -> String {
    let mut page = format!(
        "# What is counted\n\n\
         Made by `cargo xtask test` from what its tests counted, on {versions}; `cargo xtask coverage` renders it\n\
         again. For each row: what the server and the client counted, and what poolwatch counted at the same time.\n\
         `{DETECTED}` means that the kernel does not show the bytes: poolwatch says so, and says no wrong number.\n\
         `{TURNS}` means that of an encrypted connection only is seen who speaks, and when: requests are counted within 1 %, and\n\
         one more or less for each text that is prepared.\n"
    );
    for (section, lines) in table {
        let tiers: Vec<&String> = tiers(lines);
        let _ = writeln!(page, "\n## {section}\n");
        let mut heads = vec!["what".to_owned()];
        let ways = lines.keys().any(|(_, way)| !way.is_empty());
        heads.extend(ways.then(|| "socket".to_owned()));
        heads.push("server".to_owned());
        heads.extend(tiers.iter().map(|tier| {
            if tier.is_empty() { "poolwatch".to_owned() } else { format!("poolwatch, `{tier}`") }
        }));
        heads.extend(["verdict".to_owned(), "note".to_owned()]);
        let _ = writeln!(page, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
        for ((item, way), line) in lines {
            let mut cells = vec![item.clone()];
            cells.extend(ways.then(|| way.clone()));
            cells.push(line.server.clone());
            cells.extend(
                tiers.iter().map(|tier| line.counted.get(*tier).cloned().unwrap_or_else(|| "–".to_owned())),
            );
            cells.extend([line.verdicts.join("; "), line.note.clone()]);
            let _ = writeln!(
                page,
                "| {} |",
                cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | ")
            );
        }
    }
    page
}

fn tiers(lines: &BTreeMap<(String, String), Line>) -> Vec<&String> {
    let mut tiers: Vec<&String> = lines.values().flat_map(|line| line.counted.keys()).collect();
    tiers.sort();
    tiers.dedup();
    tiers
}

fn wrong(table: &Table) -> Vec<String> {
    let lines = table.values().flatten();
    lines
        .filter(|(_, line)| {
            line.verdicts.iter().any(|verdict| ![EXACT, DETECTED, TURNS].contains(&verdict.as_str()))
        })
        .map(|((item, way), line)| format!("{item} {way}: {}", line.verdicts.join("; ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(rows: &[Value]) -> Table {
        let mut table = Table::new();
        for row in rows {
            enter(&mut table, row);
        }
        table
    }

    #[test]
    fn tiers_of_an_item_share_a_line() {
        let row = |tier: &str| {
            json!({"section": "Framing", "row": "read", "way": "TCP", "tier": tier, "server": "3 requests",
                   "poolwatch": "3 requests", "verdict": "exact", "note": ""})
        };
        let page = page(&table(&[row("sock"), row("syscall")]), "Linux");
        assert!(page.contains("| read | TCP | 3 requests | 3 requests | 3 requests | exact |  |"), "{page}");
    }

    #[test]
    fn numbers_and_rows_without_tier_are_taken() {
        let row = json!({"section": "drivers", "row": "libpq", "server": 10000, "poolwatch": 10000, "verdict": "exact"});
        let page = page(&table(&[row]), "Linux");
        assert!(
            page.contains("## Drivers") && page.contains("| libpq | 10000 | 10000 | exact |  |"),
            "{page}"
        );
    }

    #[test]
    fn what_is_not_exact_is_named() {
        let row = |verdict: &str| json!({"section": "Framing", "row": verdict, "verdict": verdict});
        let found =
            wrong(&table(&[row("exact"), row(DETECTED), row(TURNS), row("requests: 1 instead of 2")]));
        assert_eq!(found.len(), 1);
    }
}
