//! Prints what the kernel side tells, one line a record: for people who look into the probes.
use std::{thread, time::Duration};

use poolwatch::{
    intake::Intake,
    probes::{Wanted, Watch, attach, catalog::Tier},
};

fn main() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::stderr).init();
    let tier = match std::env::args().nth(1).as_deref() {
        Some("syscall") => Some(Tier::Syscall),
        Some("sock") => Some(Tier::Sock),
        _ => None,
    };
    let attached = match attach(&Wanted {
        tier,
        watch: Watch::All,
        ring_bytes: 4 << 20,
        sql: true,
        evidence: poolwatch::config::Evidence::Off,
    }) {
        Ok(attached) => attached,
        Err(refusal) => {
            eprintln!("{refusal}");
            std::process::exit(3);
        }
    };
    for state in &attached.states {
        eprintln!("{state:?}");
    }
    let mut intake = Intake::new(attached.ring);
    let mut sightings = Vec::new();
    let seconds: u64 = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(10);
    for _ in 0..seconds * 100 {
        thread::sleep(Duration::from_millis(10));
        intake.drain(&mut sightings);
        for sighting in &sightings {
            println!("{sighting:?}");
        }
    }
    eprintln!("{:?} {:?}", intake.totals(), attached.maps.books());
}
