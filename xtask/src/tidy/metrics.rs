//! Every metric that an alert, a dashboard or a page of documentation names is one that the agent has.
//!
//! The agent's names are the string literals of the table of metrics; names of labels are found in the
//! rest of `export`. A name that ends in `_` stands for a family of them. What a dashboard selects must be one of
//! ours however it begins, or Prometheus' own: a name that is misspelt at its beginning looks like nobody's.

use std::collections::BTreeSet;

use super::{Finding, Source};

/// The one table.
const TABLE: &str = "poolwatch/src/export/metrics.rs";
/// Where labels are named, too.
const EXPORT: &str = "poolwatch/src/export/";
/// How our names begin. What other tools call theirs is not checked.
const PREFIXES: [&str; 2] = ["poolwatch_", "db_client_"];
/// What Prometheus adds to each scrape.
const OF_SCRAPES: [&str; 3] = ["up", "scrape_duration_seconds", "scrape_samples_scraped"];
/// How lines of a dashboard begin that ask Prometheus.
const ASKING: [&str; 2] = ["\"expr\": ", "\"query\": \"label_values("];
/// What a histogram or summary adds.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Crates, which look like metrics in code.
const CRATES: [&str; 2] = ["poolwatch_ebpf", "poolwatch_tests"];

/// Checks every file that people build on.
pub fn check(files: &[Source]) -> Vec<Finding> {
    let known: BTreeSet<&str> =
        files.iter().filter(|f| f.path.starts_with(EXPORT)).flat_map(literals).collect();
    let table = files.iter().any(|file| file.path == TABLE);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| is_checked(&file.path)) {
        let mut unknown: BTreeSet<(usize, &str)> = names(&file.text).collect();
        if file.path.starts_with("dashboards/") {
            unknown.extend(selected(&file.text).filter(|(_, name)| !OF_SCRAPES.contains(name)));
        }
        unknown.retain(|(_, name)| !exists(name, &known));
        for (line, name) in unknown {
            let why = if table { "is in no table" } else { "cannot be checked: there is no" };
            findings.push(Finding::new(file, line, format!("`{name}` {why} ({TABLE})")));
        }
    }
    findings
}

fn is_checked(path: &str) -> bool {
    path == "README.md" || ["alerts/", "dashboards/", "docs/"].iter().any(|place| path.starts_with(place))
}

fn literals(source: &Source) -> impl Iterator<Item = &str> {
    let texts = source.words.iter().map(|word| word.text.as_str());
    texts
        .filter_map(|text| text.strip_prefix('"')?.strip_suffix('"'))
        .filter(|name| name.chars().all(in_name))
}

fn is_ours(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && name.chars().all(in_name)
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Our names in a text, with their lines. A recording rule's name (`a:b:c`) is not one of them.
fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(at, line)| {
        let words = line.split(|c: char| !in_name(c) && c != ':');
        let words = words.map(|word| word.trim_end_matches(':'));
        words.filter(|word| is_ours(word) && !CRATES.contains(word)).map(move |word| (at + 1, word))
    })
}

/// What expressions and variables select, with their lines: the names right before a brace. `{{` is part of a legend.
fn selected(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let asking = text.lines().enumerate().filter_map(|(at, line)| {
        let question =
            ASKING.iter().find_map(|begin| line.split_once(begin)).map(|(_, question)| question)?;
        // Other keys may follow on the same line.
        Some((at + 1, question.split("\", \"").next().unwrap_or(question)))
    });
    asking.flat_map(|(at, question)| {
        let parts = question.split('{').take(question.matches('{').count());
        let names = parts.map(|part| part.rsplit(|c: char| !in_name(c)).next().unwrap_or_default());
        names.filter(|name| !name.is_empty()).map(move |name| (at, name))
    })
}

fn exists(name: &str, known: &BTreeSet<&str>) -> bool {
    if name.ends_with('_') {
        return known.iter().any(|metric| metric.starts_with(name));
    }
    let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    known.contains(name) || base.is_some_and(|base| known.contains(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        check(&files).into_iter().map(|f| format!("{}:{}: {}", f.path, f.line, f.what)).collect()
    }

    const RUST: (&str, &str) = (
        TABLE,
        r#"const ALL: [&str; 2] = ["poolwatch_events_total", "db_client_connection_use_time_seconds"];"#,
    );

    #[test]
    fn known_names_pass() {
        let alert =
            "expr: rate(poolwatch_events_total[1m]) > db_client_connection_use_time_seconds_bucket{a='b'}";
        let page = "`db_client_connection_*`, `prisma_pool_idle`, poolwatch:used:rate1m";
        assert_eq!(findings(&[RUST, ("alerts/a.yml", alert), ("README.md", page)]), [""; 0]);
    }

    #[test]
    fn an_unknown_name_is_found() {
        let found = findings(&[RUST, ("dashboards/a.json", "{\n\"expr\": \"poolwatch_event_total\"}")]);
        assert_eq!(found, [format!("dashboards/a.json:2: `poolwatch_event_total` is in no table ({TABLE})")]);
        assert_eq!(findings(&[RUST, ("docs/a.md", "poolwatch_pool_*")]).len(), 1);
    }

    #[test]
    fn what_a_dashboard_selects_is_ours_or_the_scrapes() {
        let line = "{\"refId\": \"A\", \"expr\": \"sum(up{a='b'}) + rate(EVENTS{a='b'}[1m])\", \"legendFormat\": \"{{a}} x{{b}}\"}";
        let good = line.replace("EVENTS", "poolwatch_events_total");
        assert_eq!(findings(&[RUST, ("dashboards/a.json", &good)]), [""; 0]);
        let bad = line.replace("EVENTS", "polwatch_events_total");
        assert_eq!(findings(&[RUST, ("dashboards/a.json", &bad)]).len(), 1);
        // Once, though two rules find it.
        let twice = line.replace("EVENTS", "poolwatch_event_total");
        assert_eq!(findings(&[RUST, ("dashboards/a.json", &twice)]).len(), 1);
        let variable = "{\"query\": \"label_values(build_info{a='b'}, region)\"}";
        assert_eq!(findings(&[RUST, ("dashboards/a.json", variable)]).len(), 1);
    }

    #[test]
    fn without_a_table_nothing_passes() {
        assert_eq!(findings(&[("README.md", "poolwatch_events_total")]).len(), 1);
        assert_eq!(findings(&[("README.md", "no names")]), [""; 0]);
    }
}
