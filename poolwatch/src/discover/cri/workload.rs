//! Which workload a pod is one of, from its name and the labels that Kubernetes' own controllers put on it.
//!
//! A label tells which controller made the pod, and so how the pod's name was made of the workload's. A name that
//! was not made so gives nothing: the API server, which knows, is not asked.

use std::collections::HashMap;

/// Characters that a controller adds to the names of its pods.
const RANDOM: usize = 5;
/// Digits of the minute for which a `CronJob` made a Job; a date has as many.
const MINUTE: usize = 8;

/// The workload's name: that of a Deployment, a `StatefulSet`, a `DaemonSet`, a Job or a `CronJob`.
pub(super) fn workload(pod: &str, labels: &HashMap<String, String>) -> Option<String> {
    let label = |name: &str| labels.get(name).map(String::as_str);
    if let Some(hash) = label("pod-template-hash").or_else(|| label("rollouts-pod-template-hash")) {
        return named(without_random(pod)?.strip_suffix(hash)?.strip_suffix('-')?);
    }
    if let Some(job) = label("batch.kubernetes.io/job-name").or_else(|| label("job-name")) {
        return named(without_number(job, |digits| digits == MINUTE).unwrap_or(job));
    }
    if label("statefulset.kubernetes.io/pod-name").is_some() {
        return named(without_number(pod, |digits| digits > 0)?);
    }
    label("controller-revision-hash")?;
    named(without_random(pod)?)
}

fn named(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

fn without_random(pod: &str) -> Option<&str> {
    let (name, random) = pod.rsplit_once('-')?;
    (random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(name)
}

fn without_number(name: &str, is_it: impl Fn(usize) -> bool) -> Option<&str> {
    let (name, number) = name.rsplit_once('-')?;
    (is_it(number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pod: &str, labels: &[(&str, &str)], expected: Option<&str>) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(workload(pod, &labels).as_deref(), expected, "{pod}");
    }

    #[test]
    fn each_controller_is_known_by_its_label() {
        let template = ("pod-template-hash", "7c9f8d6b5");
        check("api-7c9f8d6b5-x2x4z", &[("app", "other"), template], Some("api"));
        check("my-api-7c9f8d6b5-x2x4z", &[template], Some("my-api"));
        check("web-66b6c48dd5-abcde", &[("rollouts-pod-template-hash", "66b6c48dd5")], Some("web"));
        let set = ("statefulset.kubernetes.io/pod-name", "db-proxy-12");
        check("db-proxy-12", &[set, ("controller-revision-hash", "db-proxy-5f")], Some("db-proxy"));
        check(
            "agent-9vk2p",
            &[("controller-revision-hash", "6d5"), ("pod-template-generation", "1")],
            Some("agent"),
        );
        check("migrate-k2v7q", &[("job-name", "migrate")], Some("migrate"));
        check(
            "report-29384760-fz9qk",
            &[("batch.kubernetes.io/job-name", "report-29384760")],
            Some("report"),
        );
    }

    #[test]
    fn a_name_that_says_nothing_gives_no_workload() {
        check("api", &[], None);
        check("api-7c9f8d6b5-x2x4z", &[("app", "api")], None);
        // Too long a name is cut before the random end: the hash is not whole.
        check("a-very-long-name-7c9-x2x4z", &[("pod-template-hash", "7c9f8d6b5")], None);
        check("7c9f8d6b5-x2x4z", &[("pod-template-hash", "7c9f8d6b5")], None);
        check("api-7c9f8d6b5", &[("pod-template-hash", "7c9f8d6b5")], None);
        check("db", &[("statefulset.kubernetes.io/pod-name", "db")], None);
        check("", &[("controller-revision-hash", "1")], None);
    }
}
