//! The page `/metrics`: samples come in one by one, text exposition format 0.0.4 goes out.
//!
//! Samples of one metric with equal labels are summed, so that the page never holds a series twice.
//! The order is by name and labels: the same samples always give the same bytes.

use std::{collections::BTreeMap, mem};

use prometheus::{
    TextEncoder,
    proto::{
        Bucket, Counter, Gauge, Histogram as HistogramProto, LabelPair, MetricFamily, MetricType,
        Summary as SummaryProto,
    },
};

use super::{
    histogram::Histogram,
    labels::Series,
    metrics::{Kind, Metric},
    summary::Summary,
};

enum Value {
    Number(f64),
    Info(bool),
    Durations(Box<Histogram>),
    Summary(Summary),
}

impl Value {
    /// Takes what is said of the same series once more.
    fn add(&mut self, more: Self) {
        match (self, more) {
            (Self::Number(sum), Self::Number(more)) => *sum += more,
            (Self::Info(is), Self::Info(more)) => *is = more,
            (Self::Durations(sum), Self::Durations(more)) => sum.add(&more),
            (Self::Summary(sum), Self::Summary(more)) => sum.add(&more),
            // A metric has values of one kind.
            _ => {}
        }
    }
}

struct Family {
    metric: &'static Metric,
    samples: Vec<(Series, Value)>,
}

/// A page in the making.
#[derive(Default)]
pub struct Page {
    families: BTreeMap<&'static str, Family>,
}

impl Page {
    /// Adds a gauge or a counter.
    pub fn number(&mut self, metric: &'static Metric, series: impl Into<Series>, value: f64) {
        self.add(metric, series.into(), Value::Number(value));
    }

    /// Sets a gauge that says yes (1) or no (0): saying it twice changes nothing.
    pub fn info(&mut self, metric: &'static Metric, series: impl Into<Series>, yes: bool) {
        self.add(metric, series.into(), Value::Info(yes));
    }

    /// Adds a histogram.
    pub fn durations(&mut self, metric: &'static Metric, series: impl Into<Series>, durations: &Histogram) {
        self.add(metric, series.into(), Value::Durations(Box::new(durations.clone())));
    }

    /// Adds a summary.
    pub fn summary(&mut self, metric: &'static Metric, series: impl Into<Series>, summary: &Summary) {
        self.add(metric, series.into(), Value::Summary(*summary));
    }

    fn add(&mut self, metric: &'static Metric, series: Series, value: Value) {
        let family = || Family { metric, samples: Vec::new() };
        self.families.entry(metric.name).or_insert_with(family).samples.push((series, value));
    }

    /// The text, with the `constant` labels on every series.
    pub fn render(self, constant: &[(String, String)]) -> Result<String, prometheus::Error> {
        let mut text = String::new();
        // One by one: what the encoder wants of a family takes much more memory than its text.
        for family in self.families.into_values() {
            TextEncoder::new().encode_utf8(&[family.encode(constant)], &mut text)?;
        }
        Ok(text)
    }
}

impl Family {
    /// In order, and each series once.
    fn tidy(&mut self) {
        // Most come in order already. What is said of one series stays in its own, so that sums do not vary.
        self.samples.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.samples.dedup_by(|(later, more), (first, value)| {
            let same = later == first;
            if same {
                value.add(mem::replace(more, Value::Info(false)));
            }
            same
        });
    }

    fn encode(mut self, constant: &[(String, String)]) -> MetricFamily {
        self.tidy();
        let mut family = MetricFamily::default();
        family.set_name(self.metric.name.to_owned());
        family.set_help(self.metric.help.to_owned());
        family.set_field_type(match self.metric.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
            Kind::Summary => MetricType::SUMMARY,
        });
        let kind = self.metric.kind;
        let samples = self.samples.into_iter();
        family.set_metric(samples.map(|(series, value)| sample(kind, &series, &value, constant)).collect());
        family
    }
}

fn sample(
    kind: Kind,
    series: &Series,
    value: &Value,
    constant: &[(String, String)],
) -> prometheus::proto::Metric {
    let mut pairs: Vec<_> = series.iter().collect();
    if !constant.is_empty() {
        pairs.extend(constant.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        pairs.sort_unstable();
    }
    let mut sample = prometheus::proto::Metric::from_label(pairs.into_iter().map(label_pair).collect());
    match value {
        Value::Number(number) => set_number(&mut sample, kind, *number),
        Value::Info(yes) => set_number(&mut sample, kind, f64::from(u8::from(*yes))),
        Value::Durations(durations) => sample.set_histogram(histogram(durations)),
        Value::Summary(durations) => sample.set_summary(summary(durations)),
    }
    sample
}

fn set_number(sample: &mut prometheus::proto::Metric, kind: Kind, number: f64) {
    if kind == Kind::Counter {
        let mut counter = Counter::default();
        counter.set_value(number);
        sample.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(number);
        sample.set_gauge(gauge);
    }
}

fn label_pair((name, value): (&str, &str)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn histogram(durations: &Histogram) -> HistogramProto {
    let buckets = durations.buckets().map(|(bound, below)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut proto = HistogramProto::default();
    proto.set_bucket(buckets.collect());
    proto.set_sample_count(durations.count());
    proto.set_sample_sum(durations.seconds());
    proto
}

fn summary(durations: &Summary) -> SummaryProto {
    let mut proto = SummaryProto::default();
    proto.set_sample_count(durations.count());
    proto.set_sample_sum(durations.seconds());
    proto
}
