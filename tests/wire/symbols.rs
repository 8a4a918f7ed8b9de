//! Functions of Go programs: what is found in a file is what Go's own disassembler shows of it, also when the
//! program's symbols were stripped, and however it was linked. And of Rust's, which have names only while they are not stripped.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch::discover::symbols::{Function, Unfound, go_functions, rust_functions};
use poolwatch_tests::{clock, need, need::Feature, place};

const BORROW: &str = "database/sql.(*DB).conn";
const ACQUIRE: &str = "github.com/jackc/puddle/v2.(*Pool[...]).Acquire";
/// Programs, the first linked in three ways, each with a function in it and Go's pattern for that.
const PROGRAMS: [(&str, &str, &str); 5] = [
    ("wire_pq", BORROW, r"^database/sql\.\(\*DB\)\.conn$"),
    ("pie/wire_pq", BORROW, r"^database/sql\.\(\*DB\)\.conn$"),
    ("external/wire_pq", BORROW, r"^database/sql\.\(\*DB\)\.conn$"),
    ("rig_sql", BORROW, r"^database/sql\.\(\*DB\)\.conn$"),
    ("rig_pgx", ACQUIRE, r"^github\.com/jackc/puddle/v2\.\(\*Pool\[.*\]\)\.Acquire$"),
];

fn program(name: &str) -> Result<PathBuf> {
    Ok(place::target()?.join("go").join(name))
}

fn find(path: &Path, name: &str) -> Result<Function> {
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    let found = go_functions(&file, &["no.such", name]).with_context(|| format!("{}", path.display()))?;
    let [function] = found.as_slice() else { anyhow::bail!("{found:x?} in {}", path.display()) };
    Ok(function.clone())
}

/// An instruction by Go's own disassembler.
struct Instruction {
    address: u64,
    bytes: Vec<u8>,
    word: String,
}

fn disassembled(path: &Path, pattern: &str) -> Result<Vec<Instruction>> {
    let output = Command::new("go").args(["tool", "objdump", "-s", pattern]).arg(path).output()?;
    ensure!(output.status.success(), "go tool objdump: {}", String::from_utf8_lossy(&output.stderr));
    let instruction = |line: &str| -> Option<Instruction> {
        let mut columns = line.split('\t').map(str::trim).filter(|column| !column.is_empty());
        let (_, address, code, text) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
        let address = u64::from_str_radix(address.strip_prefix("0x")?, 16).ok()?;
        let byte = |at: usize| u8::from_str_radix(code.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..code.len()).step_by(2).map(byte).collect();
        Some(Instruction { address, bytes: bytes?, word: text.split(' ').next()?.to_owned() })
    };
    Ok(String::from_utf8(output.stdout)?.lines().filter_map(instruction).collect())
}

#[test]
fn each_return_that_the_disassembler_shows_is_found() -> Result<()> {
    need!(Feature::GoDrivers, Feature::GoRigs, Feature::GoLinked);
    for (name, wanted, pattern) in PROGRAMS {
        let path = program(name)?;
        let (function, instructions) = (find(&path, wanted)?, disassembled(&path, pattern)?);
        let first = instructions.first().context("the disassembler shows the function")?.address;
        let expected: Vec<u64> = instructions
            .iter()
            .filter(|instruction| instruction.word == "RET")
            .map(|instruction| function.entry + (instruction.address - first))
            .collect();
        println!("{name}: entry {:#x}, {} returns", function.entry, function.returns.len());
        ensure!(function.returns == expected, "{name}: {:x?} instead of {expected:x?}", function.returns);
        ensure!(!expected.is_empty(), "{name}: the disassembler shows returns");
        ensure!(function.goroutine_in_register, "{name}: Go since 1.17 has its goroutine in a register");
        ensure!(function.exits.len() == expected.len(), "{name}: each return is seen somewhere");
        let stepped = function.exits.iter().filter(|exit| expected.contains(&exit.at)).count();
        println!("{name}: {stepped} of them only on the return itself");
        // Where what is returned is a call's own result, there is no other place.
        ensure!(stepped == usize::from(wanted == ACQUIRE), "{name}: {:x?}", function.exits);
        // The file has that code at that place.
        let file = fs::read(&path)?;
        for instruction in &instructions {
            let at = usize::try_from(function.entry + (instruction.address - first))?;
            let there = file.get(at..at + instruction.bytes.len());
            ensure!(there == Some(&instruction.bytes), "{name}: other code at {at:#x}");
        }
    }
    Ok(())
}

/// A method of crypto/tls, what it defers last, and by how many deferred calls it ends.
const ENDS: [(&str, &str, usize); 2] = [
    ("crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Read.deferwrap1", 1),
    ("crypto/tls.(*Conn).Write", "crypto/tls.(*Conn).Write.deferwrap2", 2),
];

#[test]
fn the_returns_behind_what_crypto_tls_defers_are_seen_there() -> Result<()> {
    need!(Feature::GoDrivers, Feature::GoRigs, Feature::GoLinked);
    for (name, wanted, calls) in ENDS {
        let (function, last) = (find(&program("tls_pgx")?, name)?, find(&program("tls_pgx")?, wanted)?);
        let left = function.left_by(Some(&last), calls);
        println!("{name}: {:x?} {:x?} {:x?}", function.deferred, last.untouched, left);
        ensure!(left.iter().filter(|exit| Some(exit.at) == last.untouched).count() == 1, "{name}: {left:x?}");
        let own = left.iter().filter(|exit| function.returns.contains(&exit.at)).count();
        let behind = function.deferred.iter().filter(|end| end.calls == calls).count();
        ensure!(behind > 0 && own + behind == function.returns.len(), "{name}: {left:x?}");
    }
    Ok(())
}

#[test]
fn a_stripped_program_has_its_functions_still() -> Result<()> {
    need!(Feature::GoDrivers, Feature::GoRigs, Feature::GoLinked);
    let directory = place::scratch()?;
    for (name, wanted, _) in PROGRAMS {
        let (path, stripped) = (program(name)?, directory.path().join("stripped"));
        let status = Command::new("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(&path).status()?;
        ensure!(status.success(), "strip {name}");
        let symbols = Command::new("nm").arg(&stripped).output()?;
        ensure!(symbols.stdout.is_empty(), "{name} is stripped");
        let (whole, found) = (find(&path, wanted)?, find(&stripped, wanted)?);
        ensure!(found == whole, "{name}: {found:x?} instead of {whole:x?}");
    }
    Ok(())
}

#[test]
fn what_is_no_program_of_go_is_told_as_such() -> Result<()> {
    need!(Feature::GoDrivers, Feature::GoRigs, Feature::GoLinked);
    let check =
        |path: &Path| -> Result<Option<Unfound>> { Ok(go_functions(&File::open(path)?, &[BORROW]).err()) };
    ensure!(check(&std::env::current_exe()?)? == Some(Unfound::NotGo), "this test is Rust");
    ensure!(check(&place::apps().join("go/go.mod"))? == Some(Unfound::NotElf), "a text");
    let directory = place::scratch()?;
    let whole = fs::read(program("wire_pq")?)?;
    // Wherever it is cut or damaged, an answer comes, and no panic.
    for part in 1..40 {
        let cut = directory.path().join("cut");
        fs::write(&cut, whole.get(..whole.len() * part / 40).context("a part")?)?;
        if let Ok(found) = go_functions(&File::open(&cut)?, &[BORROW]) {
            ensure!(found == [find(&program("wire_pq")?, BORROW)?], "{part}/40: {found:?}");
        }
    }
    Ok(())
}

/// Found in it, by name, and how long that took in milliseconds.
fn found_in_rust(path: &Path) -> Result<(Vec<String>, u64)> {
    let wanted = ["PlaintextSink::write", "Reader as std::io::Read::read", "Reader::into_first_chunk"];
    let began = clock::monotonic();
    let found = rust_functions(&File::open(path)?, "rustls::conn::", &wanted)?;
    let took = u64::try_from((clock::monotonic() - began) / 1_000_000)?;
    Ok((found.into_iter().map(|door| door.name).collect(), took))
}

#[test]
fn rust_has_its_functions_until_it_is_stripped() -> Result<()> {
    need!(Feature::GoLinked);
    let directory = place::scratch()?;
    let stripped = directory.path().join("stripped");
    for (name, reads) in [
        ("poolwatch-tls-sqlx", "Reader as std::io::Read::read"),
        ("poolwatch-tls-tokio-postgres", "Reader::into_first_chunk"),
    ] {
        let path = place::built(name)?;
        let (found, took) = found_in_rust(&path)?;
        println!("{name}: {found:?}, {} bytes in {took} ms", fs::metadata(&path)?.len());
        for wanted in [reads, "PlaintextSink::write"] {
            ensure!(found.iter().any(|name| name == wanted), "{name} has no {wanted}");
        }
        let status = Command::new("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(&path).status()?;
        ensure!(status.success(), "strip {name}");
        ensure!(found_in_rust(&stripped)?.0.is_empty(), "{name} is stripped");
    }
    Ok(())
}
