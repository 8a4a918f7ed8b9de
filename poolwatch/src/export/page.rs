//! The page `/metrics`: samples come in one by one, text exposition format 0.0.4 goes out.
//!
//! Samples of one metric with equal labels are summed, so that the page never holds a series twice.
//! The order is by name and labels: the same samples always give the same bytes.

use std::collections::BTreeMap;

use prometheus::{
    TextEncoder,
    proto::{
        Bucket, Counter, Gauge, Histogram as HistogramProto, LabelPair, MetricFamily, MetricType,
        Summary as SummaryProto,
    },
};

use super::{
    histogram::Histogram,
    labels::LabelSet,
    metrics::{Kind, Metric},
    summary::Summary,
};

enum Value {
    Number(f64),
    Durations(Histogram),
    Summary(Summary),
}

struct Family {
    metric: &'static Metric,
    samples: BTreeMap<LabelSet, Value>,
}

/// A page in the making.
#[derive(Default)]
pub struct Page {
    families: BTreeMap<&'static str, Family>,
}

impl Page {
    /// Adds a gauge or a counter.
    pub fn number(&mut self, metric: &'static Metric, labels: LabelSet, value: f64) {
        match self.samples(metric).entry(labels).or_insert(Value::Number(0.0)) {
            Value::Number(sum) => *sum += value,
            Value::Durations(_) | Value::Summary(_) => {}
        }
    }

    /// Sets a gauge that says yes (1) or no (0): saying it twice changes nothing.
    pub fn info(&mut self, metric: &'static Metric, labels: LabelSet, yes: bool) {
        self.samples(metric).insert(labels, Value::Number(f64::from(u8::from(yes))));
    }

    /// Adds a histogram.
    pub fn durations(&mut self, metric: &'static Metric, labels: LabelSet, durations: &Histogram) {
        match self.samples(metric).entry(labels).or_insert_with(|| Value::Durations(Histogram::default())) {
            Value::Durations(sum) => sum.add(durations),
            Value::Number(_) | Value::Summary(_) => {}
        }
    }

    /// Adds a summary.
    pub fn summary(&mut self, metric: &'static Metric, labels: LabelSet, summary: &Summary) {
        match self.samples(metric).entry(labels).or_insert_with(|| Value::Summary(Summary::default())) {
            Value::Summary(sum) => sum.add(summary),
            Value::Number(_) | Value::Durations(_) => {}
        }
    }

    fn samples(&mut self, metric: &'static Metric) -> &mut BTreeMap<LabelSet, Value> {
        let family = || Family { metric, samples: BTreeMap::new() };
        &mut self.families.entry(metric.name).or_insert_with(family).samples
    }

    /// The text, with the `constant` labels on every series.
    pub fn render(self, constant: &[(String, String)]) -> Result<String, prometheus::Error> {
        let families: Vec<_> = self.families.into_values().map(|family| family.encode(constant)).collect();
        TextEncoder::new().encode_to_string(&families)
    }
}

impl Family {
    fn encode(self, constant: &[(String, String)]) -> MetricFamily {
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
        family.set_metric(samples.map(|(labels, value)| sample(kind, labels, &value, constant)).collect());
        family
    }
}

fn sample(
    kind: Kind,
    labels: LabelSet,
    value: &Value,
    constant: &[(String, String)],
) -> prometheus::proto::Metric {
    let own = labels.into_iter().map(|(name, value)| (name.to_owned(), value));
    let mut pairs: Vec<_> = own.chain(constant.iter().cloned()).collect();
    pairs.sort_unstable();
    let mut sample = prometheus::proto::Metric::from_label(pairs.into_iter().map(label_pair).collect());
    match (kind, value) {
        (Kind::Counter, Value::Number(number)) => {
            let mut counter = Counter::default();
            counter.set_value(*number);
            sample.set_counter(counter);
        }
        (_, Value::Number(number)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*number);
            sample.set_gauge(gauge);
        }
        (_, Value::Durations(durations)) => sample.set_histogram(histogram(durations)),
        (_, Value::Summary(durations)) => sample.set_summary(summary(durations)),
    }
    sample
}

fn label_pair((name, value): (String, String)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name);
    pair.set_value(value);
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
