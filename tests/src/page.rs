//! The text exposition format 0.0.4, read more strictly than Prometheus reads it.
//!
//! Prometheus takes the last of two equal series and forgives much else; a page of ours must not need that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result, bail, ensure};

/// Labels of a series, in the order of their names.
pub type Labels = BTreeMap<String, String>;

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name, with `_bucket`, `_sum` or `_count` where there is one.
    pub name: String,
    /// Labels.
    pub labels: Labels,
    /// Value.
    pub value: f64,
}

/// A page that keeps the rules.
#[derive(Clone, Debug)]
pub struct Page {
    /// Samples in the order of the page.
    pub samples: Vec<Sample>,
    /// Type of each family.
    pub types: BTreeMap<String, String>,
    /// The text itself.
    pub text: String,
}

/// Labels that stand for something found out only now and then.
const OPTIONAL: [&str; 3] = ["k8s_namespace_name", "k8s_pod_name", "k8s_container_name"];

const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

impl Page {
    /// Reads a page; the error names the line that breaks a rule.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader::default();
        for (number, line) in text.lines().enumerate() {
            reader.line(line).with_context(|| format!("line {}: {line}", number + 1))?;
        }
        ensure!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
        let page = Self { samples: reader.samples, types: reader.types, text: text.to_owned() };
        page.check_histograms()?;
        Ok(page)
    }

    /// The samples of that name that have all these labels.
    pub fn matching<'p>(
        &'p self,
        name: &'p str,
        labels: &'p [(&'p str, &'p str)],
    ) -> impl Iterator<Item = &'p Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|v| v == value))
        })
    }

    /// The value of the one such series; `None` when there is none, an error when there are several.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Result<Option<f64>> {
        let found: Vec<_> = self.matching(name, labels).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.value)),
            several => bail!("{} series of {name} have {labels:?}", several.len()),
        }
    }

    /// The sum over all such series; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Every bucket counts at least what the one below counts, and the last counts all.
    fn check_histograms(&self) -> Result<()> {
        for family in self.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for sample in self.samples.iter().filter(|sample| sample.name == format!("{family}_bucket")) {
                let mut labels = sample.labels.clone();
                let bound = labels.remove("le").with_context(|| format!("{family}: a bucket without le"))?;
                series.entry(labels).or_default().push((number(&bound)?, sample.value));
            }
            for (labels, buckets) in series {
                let ordered = buckets.is_sorted_by(|low, high| low.0 < high.0 && low.1 <= high.1);
                ensure!(ordered, "{family}{labels:?}: buckets out of order: {buckets:?}");
                let exact: Vec<_> = labels.iter().map(|(l, v)| (l.as_str(), v.as_str())).collect();
                let name = format!("{family}_count");
                let all = self.matching(&name, &exact).find(|sample| sample.labels == labels);
                let all = all.with_context(|| format!("{family}{labels:?}: no count"))?.value;
                let last = buckets.last().copied();
                let whole = last.is_some_and(|(bound, count)| bound.is_infinite() && same(count, all));
                ensure!(whole, "{family}{labels:?}: {last:?} against a count of {all}");
            }
        }
        Ok(())
    }
}

/// Counts are whole numbers, exact in a float.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5
}

#[derive(Default)]
struct Reader {
    samples: Vec<Sample>,
    types: BTreeMap<String, String>,
    helps: BTreeSet<String>,
    series: BTreeSet<(String, Labels)>,
    family: String,
    done: BTreeSet<String>,
    label_names: HashMap<String, BTreeSet<String>>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap_or_default();
            ensure!(self.helps.insert(name.to_owned()), "HELP twice");
            return self.enter(name);
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').context("a TYPE has a name and a type")?;
            ensure!(TYPES.contains(&kind), "an unknown type");
            ensure!(self.types.insert(name.to_owned(), kind.to_owned()).is_none(), "TYPE twice");
            return self.enter(name);
        }
        ensure!(!line.is_empty() && !line.starts_with('#'), "neither a series, HELP nor TYPE");
        let sample = sample(line)?;
        let family = self.family_of(&sample.name)?;
        self.enter(&family)?;
        self.check_labels(&sample)?;
        let fresh = self.series.insert((sample.name.clone(), sample.labels.clone()));
        ensure!(fresh, "a series twice");
        self.samples.push(sample);
        Ok(())
    }

    /// All lines of a family stand together.
    fn enter(&mut self, family: &str) -> Result<()> {
        if self.family != family {
            ensure!(!self.done.contains(family), "a second group of lines of {family}");
            self.done.insert(std::mem::replace(&mut self.family, family.to_owned()));
        }
        Ok(())
    }

    fn family_of(&self, name: &str) -> Result<String> {
        if self.types.contains_key(name) {
            return Ok(name.to_owned());
        }
        ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|family| {
                matches!(self.types.get(*family).map(String::as_str), Some("histogram" | "summary"))
            })
            .map(str::to_owned)
            .context("a series without TYPE before it")
    }

    /// Series of one name have the same label names, so that sums and matches over them mean something.
    fn check_labels(&mut self, sample: &Sample) -> Result<()> {
        let names: BTreeSet<String> = sample.labels.keys().cloned().collect();
        let before = self.label_names.entry(sample.name.clone()).or_insert_with(|| names.clone());
        let differ = names.symmetric_difference(before).find(|name| !OPTIONAL.contains(&name.as_str()));
        ensure!(differ.is_none(), "label {differ:?} is on some series of this name only");
        Ok(())
    }
}

fn sample(line: &str) -> Result<Sample> {
    let end = line.find(['{', ' ']).context("a series has a value")?;
    let (name, rest) = line.split_at(end);
    ensure!(name_is_good(name), "a bad name");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').context("one space before the value")?;
    Ok(Sample { name: name.to_owned(), labels, value: number(value)? })
}

fn name_is_good(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut text: &str) -> Result<(Labels, &str)> {
    let mut found = Labels::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((found, rest));
        }
        let (name, rest) = text.split_once("=\"").context("a label has a quoted value")?;
        ensure!(name_is_good(name) && !name.contains(':'), "a bad label name {name:?}");
        let (value, rest) = quoted(rest)?;
        ensure!(found.insert(name.to_owned(), value).is_none(), "label {name} twice");
        text = rest.strip_prefix(',').unwrap_or(rest);
        ensure!(rest.starts_with([',', '}']), "a comma or a brace after a label");
    }
}

/// A value up to its closing quote, and what follows it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, text.split_at(at + 1).1)),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => bail!("an unknown escape {other:?}"),
            },
            other => value.push(other),
        }
    }
    bail!("a value without its closing quote")
}

fn number(text: &str) -> Result<f64> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        other => other.parse().with_context(|| format!("{other:?} is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\\\"\\n\"} 3\na_total{x=\"2\"} 4\n";

    #[test]
    fn a_good_page_is_read() {
        let page = Page::parse(GOOD).unwrap();
        assert_eq!(page.value("a_total", &[("x", "1\"\n")]).unwrap(), Some(3.0));
        assert_eq!(page.value("a_total", &[("x", "3")]).unwrap(), None);
        assert!((page.sum("a_total", &[]) - 7.0).abs() < 1e-9);
        assert!(page.value("a_total", &[]).is_err());
    }

    #[test]
    fn broken_rules_are_named() {
        let cases = [
            ("# TYPE a gauge\na 1\na 2\n", "a series twice"),
            ("# TYPE a gauge\n# TYPE a gauge\n", "TYPE twice"),
            ("# HELP a A.\n# HELP a A.\n", "HELP twice"),
            ("a 1\n", "without TYPE"),
            ("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na{x=\"2\"} 1\n", "second group"),
            ("# TYPE a gauge\na{x=\"1\"} 1\na{y=\"1\"} 1\n", "on some series"),
            ("# TYPE a gauge\na{x=\"1} 1\n", "closing quote"),
            ("# TYPE a gauge\na one\n", "no number"),
            ("# TYPE a gauge\na 1", "no end"),
            (
                "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
                "order",
            ),
            ("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n", "against a count"),
        ];
        for (text, expected) in cases {
            let error = format!("{:#}", Page::parse(text).expect_err(text));
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
