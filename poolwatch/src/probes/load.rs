//! Loads the object with this kernel's settings and attaches one tier of it.

use std::{fmt, fs, path::Path};

use aya::{
    Btf, Ebpf, EbpfLoader, Endianness,
    maps::{MapData, RingBuf},
    programs::{BtfTracePoint, RawTracePoint, UProbe, uprobe::UProbeScope},
};
use object::{Object as _, ObjectSegment as _};
use poolwatch_ebpf::wire::watch;

use super::{
    calls,
    catalog::{self, Hook, PROBES, Probe, Tier},
    evidence::Evidence,
    failure::{outcome_of, refusal_of},
    layout,
    log::{self, ProbeLog},
    maps::Maps,
    memory,
    verdict::{self, Outcome},
    wanted::{Wanted, Watch},
};
use crate::{config, event::ProbeState};

/// The kernel side; empty when the agent was built without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/poolwatch.bpf.o"));

/// Ring bytes above which the reader is woken, as a share of the whole.
const WAKE_SHARE: u64 = 4;

/// Ring bytes above which texts are not told any more, in quarters of the whole.
const NO_TEXT_QUARTERS: u64 = 3;

/// Maps whose room is taken at once, and that only probes in TLS libraries use.
const LIBRARY_MAPS: [&str; 3] = ["OBJECTS", "HEARD", "SPOKEN"];

/// Ring of a survey: nothing is read from it.
const SURVEY_RING: u32 = 64 << 10;

/// Why nothing can be watched. The text names what is missing and how to get it.
#[derive(Debug)]
pub enum Refusal {
    /// The agent was built without probes.
    NoObject,
    /// No privilege.
    NoPrivilege(String),
    /// Process numbers are not the machine's; what to do about it.
    Apart(&'static str),
    /// The kernel lacks something that cannot be done without.
    NoFeature(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObject => {
                f.write_str("this poolwatch was built without its probes; build it with `cargo xtask build`")
            }
            Self::NoPrivilege(why) => write!(
                f,
                "no privilege to load probes: {why}. Run as root, or with the capabilities CAP_BPF and CAP_PERFMON, and for \
                 older connections CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN (`poolwatch check` tells which are \
                 missing)"
            ),
            Self::Apart(remedy) => write!(
                f,
                "poolwatch is in a PID namespace of its own, where the numbers of processes lead to others or nobody: {remedy}"
            ),
            Self::NoFeature(why) => write!(f, "this kernel cannot be watched: {why} (see `poolwatch check`)"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The attached kernel side. Dropping it detaches everything.
pub struct Attached {
    /// Keeps programs and links alive, and attaches more.
    pub evidence: Evidence,
    /// The records.
    pub ring: RingBuf<MapData>,
    /// The other maps.
    pub maps: Maps,
    /// What became of each probe, in the catalogue's order.
    pub states: Vec<ProbeState>,
    /// The tier that is attached.
    pub tier: Tier,
    /// Shows what the probes log.
    pub log: ProbeLog,
}

/// Loads and attaches.
///
/// # Errors
/// [`Refusal`] when a probe that is needed cannot be attached in any wanted tier.
pub fn attach(wanted: &Wanted) -> Result<Attached, Refusal> {
    if OBJECT.is_empty() {
        return Err(Refusal::NoObject);
    }
    let tiers: &[Tier] = match wanted.tier {
        Some(Tier::Sock) => &[Tier::Sock],
        Some(Tier::Syscall) => &[Tier::Syscall],
        None => &[Tier::Sock, Tier::Syscall],
    };
    let mut refusal = None;
    for tier in tiers {
        match attach_tier(wanted, *tier) {
            Ok(attached) => {
                memory::give_back();
                return Ok(attached);
            }
            Err(found @ Refusal::NoPrivilege(_)) => return Err(found),
            Err(found) => refusal = refusal.or(Some(found)),
        }
    }
    Err(refusal.unwrap_or(Refusal::NoObject))
}

fn attach_tier(wanted: &Wanted, tier: Tier) -> Result<Attached, Refusal> {
    let offsets = layout::read().map_err(|error| Refusal::NoFeature(format!("{error:#}")))?;
    let mut ebpf = load(wanted, &offsets)?;
    let btf = kernel_types()?;
    let mut outcomes = Vec::new();
    for probe in catalog::of_tier(tier) {
        let outcome = if !probe.escalated {
            attach_probe(&mut ebpf, probe, &btf)
        } else if wanted.wants(probe) {
            load_probe(&mut ebpf, probe)
        } else {
            Outcome::Unwanted
        };
        if probe.needed && outcome != Outcome::Attached {
            return Err(refused(probe, &outcome));
        }
        outcomes.push((probe.name, outcome));
    }
    let states: Vec<ProbeState> = PROBES
        .iter()
        .map(|probe| {
            let outcome = outcomes.iter().find(|(name, _)| *name == probe.name).map(|(_, outcome)| outcome);
            verdict::state(probe, outcome.unwrap_or(&Outcome::NotTried))
        })
        .collect();
    let broken = |error: &dyn fmt::Display| Refusal::NoFeature(format!("the object's maps: {error}"));
    let records = ebpf.take_map("RECORDS").ok_or_else(|| broken(&"no RECORDS"))?;
    let ring = RingBuf::try_from(records).map_err(|error| broken(&error))?;
    let maps = Maps::take(&mut ebpf).map_err(|error| broken(&error))?;
    let log = log::take(&mut ebpf);
    let evidence = Evidence::new(ebpf, states.clone());
    Ok(Attached { evidence, ring, maps, states, tier, log })
}

/// What every probe of both tiers does here.
#[derive(Clone, Debug)]
pub struct Survey {
    /// In the catalogue's order.
    pub states: Vec<ProbeState>,
    /// All that one tier needs can be attached.
    pub usable: bool,
}

/// Attaches every probe for a moment.
///
/// # Errors
/// [`Refusal`] when the object cannot even be loaded.
pub fn survey() -> Result<Survey, Refusal> {
    if OBJECT.is_empty() {
        return Err(Refusal::NoObject);
    }
    let offsets = layout::read().map_err(|error| Refusal::NoFeature(format!("{error:#}")))?;
    let watch = Watch::Listed { children: false };
    let (evidence, tls) = (config::Evidence::Always, config::Tls::Auto);
    let wanted = Wanted { tier: None, watch, ring_bytes: SURVEY_RING, sql: true, evidence, tls };
    let mut ebpf = load(&wanted, &offsets)?;
    let btf = kernel_types()?;
    let outcomes: Vec<(&Probe, Outcome)> =
        PROBES.iter().map(|probe| (probe, attach_probe(&mut ebpf, probe, &btf))).collect();
    let works = |tier: Tier| {
        let needed = |probe: &Probe| probe.needed && probe.tier.is_none_or(|own| own == tier);
        outcomes.iter().all(|(probe, outcome)| !needed(probe) || *outcome == Outcome::Attached)
    };
    let usable = works(Tier::Sock) || works(Tier::Syscall);
    let states = outcomes.iter().map(|(probe, outcome)| verdict::state(probe, outcome)).collect();
    Ok(Survey { states, usable })
}

fn kernel_types() -> Result<Btf, Refusal> {
    Btf::parse_file(layout::BTF_PATH, Endianness::default())
        .map_err(|error| Refusal::NoFeature(format!("{}: {error}", layout::BTF_PATH)))
}

fn load(wanted: &Wanted, offsets: &poolwatch_ebpf::wire::Offsets) -> Result<Ebpf, Refusal> {
    let (forms, pauses) = (calls::forms(), calls::pauses());
    let watch = match wanted.watch {
        Watch::All => watch::ALL,
        Watch::Listed { children: false } => watch::LISTED,
        Watch::Listed { children: true } => watch::LISTED_AND_CHILDREN,
    };
    let wake_above = u64::from(wanted.ring_bytes) / WAKE_SHARE;
    let no_text_above = u64::from(wanted.ring_bytes) / 4 * NO_TEXT_QUARTERS;
    let (no_sql, no_turns) = (u32::from(!wanted.sql), u32::from(wanted.tls == config::Tls::Off));
    let mut loader = EbpfLoader::new();
    loader
        .override_global("OFFSETS", offsets, true)
        .override_global("CALL_FORMS", &forms[..], true)
        .override_global("CALL_PAUSES", &pauses[..], true)
        .override_global("WATCH", &watch, true)
        .override_global("WAKE_ABOVE", &wake_above, true)
        .override_global("NO_TEXT_ABOVE", &no_text_above, true)
        .override_global("NO_SQL", &no_sql, true)
        .override_global("NO_TURNS", &no_turns, true)
        .map_max_entries("RECORDS", wanted.ring_bytes);
    if wanted.tls != config::Tls::Auto {
        for map in LIBRARY_MAPS {
            loader.map_max_entries(map, 1);
        }
    }
    loader.load(OBJECT).map_err(|error| refusal_of(&error))
}

fn refused(probe: &Probe, outcome: &Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(why) => Refusal::NoPrivilege(format!("probe {}: {why}", probe.name)),
        Outcome::NoHook => Refusal::NoFeature(format!("it has no {}", probe.hook.name())),
        Outcome::Failed(why) => Refusal::NoFeature(format!("probe {}: {why}", probe.name)),
        _ => Refusal::NoFeature(format!("probe {}", probe.name)),
    }
}

/// Loads a probe that will be attached when it is wanted: that needs no more than it takes to use maps.
fn load_probe(ebpf: &mut Ebpf, probe: &Probe) -> Outcome {
    let Some(program) = ebpf.program_mut(probe.name) else {
        return Outcome::Failed("the object has no such program".to_owned());
    };
    let loaded = match probe.hook {
        Hook::Function | Hook::Library(_) => <&mut UProbe>::try_from(program).and_then(UProbe::load),
        Hook::Typed(_) | Hook::Raw(_) => {
            <&mut RawTracePoint>::try_from(program).and_then(RawTracePoint::load)
        }
    };
    match loaded {
        Ok(()) => Outcome::Calm,
        Err(error) => outcome_of(&error),
    }
}

/// Tries one probe: asking the kernel is the only reliable test of what it can.
fn attach_probe(ebpf: &mut Ebpf, probe: &Probe, btf: &Btf) -> Outcome {
    let Some(program) = ebpf.program_mut(probe.name) else {
        return Outcome::Failed("the object has no such program".to_owned());
    };
    let tried = match probe.hook {
        Hook::Typed(tracepoint) => <&mut BtfTracePoint>::try_from(program).and_then(|program| {
            program.load(tracepoint, btf)?;
            program.attach().map(|_| ())
        }),
        Hook::Raw(tracepoint) => <&mut RawTracePoint>::try_from(program).and_then(|program| {
            program.load()?;
            program.attach(tracepoint).map(|_| ())
        }),
        Hook::Function | Hook::Library(_) => <&mut UProbe>::try_from(program).and_then(|program| {
            program.load()?;
            let own = Path::new("/proc/self/exe");
            program.attach(own_entry(), own, UProbeScope::CallingProcess).map(|_| ())
        }),
    };
    match tried {
        Ok(()) => Outcome::Attached,
        Err(error) => outcome_of(&error),
    }
}

/// Offset of the first instruction of the agent's own program, to try a probe on: it ran long ago.
fn own_entry() -> u64 {
    let data = fs::read("/proc/self/exe").unwrap_or_default();
    let Ok(file) = object::File::parse(&*data) else { return 0 };
    let entry = file.entry();
    let within = |segment: object::Segment<'_, '_>| {
        let (offset, size) = segment.file_range();
        entry.checked_sub(segment.address()).filter(|within| *within < size).map(|within| offset + within)
    };
    file.segments().find_map(within).unwrap_or(0)
}
