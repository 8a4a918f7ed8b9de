//! What is asked of poolwatch's cost, held against what was measured. Where the measurement's own noise is larger than
//! what it is to tell, there is no verdict.

use crate::{
    EMPTY,
    pairs::Median,
    table::{Found, shown},
};

/// One thing that is asked.
pub struct Verdict {
    asked: String,
    measured: String,
    judgement: &'static str,
}

impl Verdict {
    /// A row of the table.
    pub fn line(&self) -> String {
        format!("| {} | {} | {} |", self.asked, self.measured, self.judgement)
    }
}

/// It is kept to.
pub const MET: &str = "met";
/// It is not.
pub const MISSED: &str = "missed";
/// That cannot be told.
pub const OPEN: &str = "none: the noise is larger than what is to be told; more pairs may tell";

/// At most so much, by the whole interval.
pub fn at_most(measured: Median, limit: f64) -> &'static str {
    if measured.high <= limit {
        MET
    } else if measured.low > limit {
        MISSED
    } else {
        OPEN
    }
}

/// Of something that must never be more, and is as much as `noise` without the cause that is looked for.
pub fn never_more(longest: f64, noise: f64, limit: f64) -> &'static str {
    if longest <= limit {
        MET
    } else if noise > limit / 2.0 {
        OPEN
    } else {
        MISSED
    }
}

fn at_least(measured: Median, limit: f64) -> &'static str {
    let Median { value, low, high, count } = measured;
    at_most(Median { value: -value, low: -high, high: -low, count }, -limit)
}

/// Largest half of an interval of the classic test that still says anything, as a share.
const NOISE: f64 = 0.03;

/// All of them that something was measured for.
pub fn verdicts(found: &Found) -> Vec<Verdict> {
    let mut all = Vec::new();
    for cost in &found.costs {
        let name = &cost.name;
        let mut ask = |what: &str, measured: String, judgement| {
            all.push(Verdict { asked: format!("{name}: {what}"), measured, judgement });
        };
        // Over TLS nothing is asked but that the price is told.
        if name.contains("TLS") {
            continue;
        }
        if cost.per_second.value >= 9500.0 {
            let each = shown(cost.each, 1e-6, 2);
            ask("processor per transaction + 0.9 µs at most", each, at_most(cost.each, 0.9e-6));
            ask("p50 + 2 µs at most", shown(cost.p50, 1e-6, 1), at_most(cost.p50, 2e-6));
        } else if name.ends_with(", 1000/s") {
            let agent = shown(cost.agent, 0.01, 2);
            ask("poolwatch itself 0.5 % of a processor at most", agent, at_most(cost.agent, 0.005));
        }
        if name == "select, TCP, 8 clients" {
            ask("0.92 of the throughput", shown(cost.ratio, 1.0, 3), at_least(cost.ratio, 0.92));
        }
    }
    // What the kernel takes for an empty program is no promise of ours.
    for tax in found.taxes.iter().filter(|tax| tax.tier != EMPTY) {
        let limit = match (tax.tier.as_str(), tax.call.contains("socket")) {
            ("sock", true) => 40.0,
            ("sock", false) => 1.0,
            (_, true) => 60.0,
            (_, false) => 40.0,
        };
        all.push(Verdict {
            asked: format!("{}, {}: + {limit} ns at most", tax.tier, tax.call),
            measured: shown(tax.more, 1.0, 1),
            judgement: at_most(tax.more, limit),
        });
    }
    for web in found.webs.iter().filter(|web| web.name.starts_with("classic")) {
        let mut ask = |what: &str, measured, judgement| {
            all.push(Verdict { asked: format!("{}: {what}", web.name), measured, judgement });
        };
        let failed = if web.failed < 0.01 { MET } else { MISSED };
        ask("fewer than 1 % fail, watched or not", format!("{:.3} %", web.failed * 100.0), failed);
        for (what, share, longer) in [("mean", web.mean_share, web.mean), ("p99", web.p99_share, web.p99)] {
            let measured = format!("{} %, {} ms", shown(share, 0.01, 2), shown(longer, 1e-3, 3));
            ask(
                &format!("{what} + 1 % or the noise, of 3 % at most, and never + 1 ms"),
                measured,
                classic(share, longer),
            );
        }
    }
    all
}

/// Within a hundredth, or not to be told from nothing by a measurement that is fine enough.
fn classic(share: Median, longer: Median) -> &'static str {
    let noise = f64::midpoint(share.high, -share.low);
    if longer.value > 1e-3 {
        MISSED
    } else if share.value < 0.01 || (share.value <= noise && noise <= NOISE) {
        if noise <= NOISE { MET } else { OPEN }
    } else if noise <= NOISE {
        MISSED
    } else {
        OPEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: f64, value: f64, high: f64) -> Median {
        Median { value, low, high, count: 10 }
    }

    #[test]
    fn noise_that_holds_the_limit_allows_no_verdict() {
        assert_eq!(at_most(of(0.5, 0.7, 0.9), 0.9), MET);
        assert_eq!(at_most(of(1.0, 1.2, 1.5), 0.9), MISSED);
        assert_eq!(at_most(of(0.5, 0.7, 1.5), 0.9), OPEN);
        assert_eq!(at_least(of(0.93, 0.95, 0.97), 0.92), MET);
        assert_eq!(at_least(of(0.8, 0.85, 0.9), 0.92), MISSED);
        assert_eq!(at_least(of(0.9, 0.93, 0.95), 0.92), OPEN);
    }

    #[test]
    fn what_the_machine_does_by_itself_allows_no_verdict() {
        assert_eq!(never_more(4.0, 9.0, 5.0), MET);
        assert_eq!(never_more(6.0, 2.0, 5.0), MISSED);
        assert_eq!(never_more(6.0, 3.0, 5.0), OPEN);
    }

    #[test]
    fn the_classic_test_wants_little_noise() {
        let none = of(-1e-5, 0.0, 1e-5);
        assert_eq!(classic(of(-0.01, 0.002, 0.012), none), MET);
        assert_eq!(classic(of(-0.05, 0.002, 0.08), none), OPEN);
        assert_eq!(classic(of(0.03, 0.04, 0.05), none), MISSED);
        assert_eq!(classic(of(-0.01, 0.002, 0.012), of(1e-3, 2e-3, 3e-3)), MISSED);
    }
}
