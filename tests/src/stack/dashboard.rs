//! What a dashboard asks Prometheus, with its variables put in.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::shipped;

/// A dashboard.
pub struct Dashboard {
    /// Its file's name.
    pub name: String,
    json: Value,
}

/// A variable whose values come from Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The label whose values it has.
    pub label: String,
    /// Of which series.
    pub series: String,
}

/// The files, in a stable order.
pub fn files() -> Result<Vec<PathBuf>> {
    let folder = shipped::file("dashboards");
    let found = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    ensure!(!files.is_empty(), "no dashboards in {}", folder.display());
    Ok(files)
}

impl Dashboard {
    /// All of them.
    pub fn all() -> Result<Vec<Self>> {
        let read = |file: PathBuf| {
            let json = serde_json::from_str(&fs::read_to_string(&file)?)
                .with_context(|| file.display().to_string())?;
            let name = file.file_stem().context("a file has a name")?.to_string_lossy().into_owned();
            Ok(Self { name, json })
        };
        files()?.into_iter().map(read).collect()
    }

    fn list(&self, place: &str) -> impl Iterator<Item = &Value> {
        self.json.pointer(place).and_then(Value::as_array).into_iter().flatten()
    }

    /// Every expression with the title of its panel, panels of closed rows too.
    pub fn expressions(&self) -> Result<Vec<(String, String)>> {
        let mut panels: Vec<&Value> = self.list("/panels").collect();
        let folded = panels.iter().filter_map(|panel| panel.get("panels")?.as_array()).flatten();
        panels.extend(folded.collect::<Vec<_>>());
        let mut found = Vec::new();
        for panel in panels {
            let title = panel.get("title").and_then(Value::as_str).context("a panel without a title")?;
            for target in panel.get("targets").and_then(Value::as_array).into_iter().flatten() {
                let expression =
                    target.get("expr").and_then(Value::as_str).context("a target without expr")?;
                found.push((title.to_owned(), self.with_variables(expression)?));
            }
        }
        Ok(found)
    }

    /// Every variable that asks Prometheus.
    pub fn variables(&self) -> Result<Vec<Variable>> {
        let asking = self.list("/templating/list").filter(|variable| text(variable, "type") == Some("query"));
        asking
            .map(|variable| {
                let (name, query) =
                    text(variable, "name").zip(text(variable, "query")).context("name and query")?;
                let of = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
                let (series, label) =
                    of.and_then(|of| of.rsplit_once(", ")).with_context(|| query.to_owned())?;
                let series = self.with_variables(series)?;
                Ok(Variable { name: name.to_owned(), label: label.to_owned(), series })
            })
            .collect()
    }

    /// As Grafana would ask it with everything chosen. What it compares with lies as far back as a short test reaches.
    fn with_variables(&self, expression: &str) -> Result<String> {
        let names = self.list("/templating/list").filter_map(|variable| text(variable, "name"));
        let mut values: BTreeMap<&str, &str> = names.map(|name| (name, ".*")).collect();
        values.extend([("__rate_interval", "1m"), ("__range", "5m"), ("before", "30s")]);
        let mut asked = expression.to_owned();
        // From the end, so that no name is taken for the longer one that it begins.
        for (name, value) in values.iter().rev() {
            asked = asked.replace(&format!("${name}"), value);
        }
        ensure!(!asked.contains('$'), "{}: a variable that it does not have: {asked}", self.name);
        Ok(asked)
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dashboard(expression: &str) -> Dashboard {
        let json = json!({
            "templating": {"list": [
                {"name": "serv", "type": "custom", "query": "a,b"},
                {"name": "server", "type": "query", "query": "label_values(a{b=~\"$serv\"}, c)"},
            ]},
            "panels": [
                {"title": "row", "panels": [{"title": "folded", "targets": [{"expr": "up"}]}]},
                {"title": "open", "targets": [{"expr": expression}]},
            ],
        });
        Dashboard { name: "a".to_owned(), json }
    }

    #[test]
    fn variables_are_put_in() {
        let asked = dashboard("rate(a{b=~\"$server\"}[$__rate_interval] offset $before)");
        let expressions = asked.expressions().unwrap();
        let texts: Vec<&str> = expressions.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["rate(a{b=~\".*\"}[1m] offset 30s)", "up"]);
        let variable = Variable { name: "server".into(), label: "c".into(), series: "a{b=~\".*\"}".into() };
        assert_eq!(asked.variables().unwrap(), [variable]);
    }

    #[test]
    fn a_variable_that_is_not_there_is_found() {
        assert!(dashboard("rate(a[$interval])").expressions().is_err());
    }
}
