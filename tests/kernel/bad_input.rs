//! Bad input: each a clear message and the right exit code, and an end that leaves nothing behind.

use std::{
    collections::BTreeSet, ffi::OsStr, fs, net::TcpListener, os::unix::process::CommandExt as _, path::Path,
    process::Command, time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use poolwatch_tests::{
    agent::{self, Agent},
    clock, need,
    need::Feature,
    place,
    postgres::{Bench, Server, Way},
    process::{self, Answer},
};

const WAIT: Duration = Duration::from_secs(20);

/// Runs the agent with these arguments, which should end it at once.
fn answer<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Answer> {
    process::run("poolwatch", agent::command()?.args(arguments), WAIT)
}

/// It ended with this code, and says all these words without their case.
fn expect(answer: &Answer, what: &str, code: i32, words: &[&str]) -> Result<()> {
    println!("{what}: {} {}", answer.code, answer.errors.trim_end());
    ensure!(
        answer.code == code,
        "{what}: code {}, not {code}\n{}{}",
        answer.code,
        answer.output,
        answer.errors
    );
    let said = answer.errors.to_lowercase();
    for word in words {
        ensure!(said.contains(&word.to_lowercase()), "{what}: {word:?} is not in the message");
    }
    ensure!(!said.contains("panicked"), "{what}: a panic");
    Ok(())
}

/// A number that no process has.
fn free_pid() -> Result<u32> {
    let most: u32 = fs::read_to_string("/proc/sys/kernel/pid_max")?.trim().parse()?;
    (2..most).rev().find(|pid| !Path::new(&format!("/proc/{pid}")).exists()).context("no free pid")
}

#[test]
fn a_pid_that_does_not_exist_is_an_error_at_start() -> Result<()> {
    need!(Feature::Probes);
    let pid = free_pid()?.to_string();
    let answer = answer(["--pid", &pid, "--listen", "127.0.0.1:0"])?;
    expect(&answer, "no such process", 2, &[&pid])
}

#[test]
fn a_kernel_thread_is_an_error_at_start() -> Result<()> {
    need!(Feature::Probes);
    let answer = answer(["--pid", "2", "--listen", "127.0.0.1:0"])?;
    expect(&answer, "a kernel thread", 2, &["kernel", "--pid 2"])
}

#[test]
fn arguments_that_are_wrong_are_named() -> Result<()> {
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--pid", "zero"], &["zero", "--pid"]),
        (&["--pid", "0"], &["--pid"]),
        (&["--listen", "nowhere"], &["nowhere", "--listen"]),
        (&["--no-such-option"], &["--no-such-option"]),
        (&["--probes", "kprobes"], &["kprobes", "sock", "syscall"]),
        (&["--warn-utilization", "7"], &["7", "utilization"]),
        (&["--ring-bytes", "5000"], &["5000", "power of two", "--ring-bytes"]),
    ];
    for (arguments, words) in cases {
        expect(&answer(arguments)?, &arguments.join(" "), 2, words)?;
    }
    Ok(())
}

#[test]
fn without_privilege_it_names_what_is_missing() -> Result<()> {
    need!(Feature::OtherUsers);
    let directory = place::scratch()?;
    let binary = place::copy_for_all(&place::agent()?, directory.path())?;
    let mut command = agent::command_of(&binary);
    command.args(["--listen", "127.0.0.1:0"]).uid(65_534).gid(65_534).current_dir("/");
    let answer = process::run("poolwatch", &mut command, WAIT)?;
    expect(&answer, "as nobody", 3, &["CAP_BPF"])?;
    let mut check = agent::command_of(&binary);
    check.arg("check").uid(65_534).gid(65_534).current_dir("/");
    let answer = process::run("poolwatch check", &mut check, WAIT)?;
    println!("check as nobody: {}\n{}{}", answer.code, answer.output, answer.errors);
    ensure!(answer.code == 1, "check says with its code that something is missing: {}", answer.code);
    ensure!(format!("{}{}", answer.output, answer.errors).contains("CAP_BPF"), "check names the privilege");
    Ok(())
}

#[test]
fn in_a_pid_namespace_of_its_own_it_says_what_to_do() -> Result<()> {
    need!(Feature::Probes);
    let mut apart = Command::new("unshare");
    apart.args(["--pid", "--fork", "--mount-proc"]).arg(place::agent()?);
    let answer = process::run("poolwatch", apart.args(["--listen", "127.0.0.1:0"]), WAIT)?;
    expect(&answer, "another PID namespace", 3, &["PID namespace of its own", "hostPID: true"])?;
    let mut apart = Command::new("unshare");
    apart.args(["--pid", "--fork", "--mount-proc"]).arg(place::agent()?).arg("check");
    let answer = process::run("poolwatch", &mut apart, WAIT)?;
    ensure!(answer.code == 1 && answer.output.contains("process numbers: give it"), "{}", answer.output);
    Ok(())
}

#[test]
fn check_is_content_with_a_machine_that_runs_the_probes() -> Result<()> {
    need!(Feature::Probes);
    let answer = answer(["check"])?;
    println!("check: {}\n{}{}", answer.code, answer.output, answer.errors);
    ensure!(answer.code == 0 && answer.output.lines().count() >= 5, "one line a probe and 0");
    Ok(())
}

#[test]
fn a_config_that_cannot_be_read_or_is_wrong_names_file_line_and_key() -> Result<()> {
    let directory = place::scratch()?;
    let missing = directory.path().join("missing.toml").display().to_string();
    expect(&answer(["--config", &missing])?, "no such file", 2, &["missing.toml", "no such file"])?;

    let cases = [
        ("unknown key", "listen = \"127.0.0.1:0\"\nlisten_on = 1\n", &["line 2", "listen_on"][..]),
        ("wrong type", "\n\nslow_threshold = [1]\n", &["line 3", "slow_threshold"]),
        ("not TOML", "listen = \n", &["line 1"]),
        ("bad value", "warn_utilization = 3.0\n", &["line 1", "warn_utilization"]),
        ("unknown key in a table", "[[server]]\naddress = \"10.0.0.5\"\nprot = 5432\n", &["line 3", "prot"]),
    ];
    for (what, text, words) in cases {
        let file = directory.path().join("bad.toml");
        fs::write(&file, text)?;
        let path = file.display().to_string();
        for arguments in [vec!["--config", &path], vec!["config", "check", &path]] {
            let answer = answer(&arguments)?;
            expect(&answer, &format!("{what} ({})", arguments.join(" ")), 2, words)?;
            ensure!(answer.errors.contains("bad.toml"), "{what}: the file is not named");
        }
    }
    fs::write(directory.path().join("good.toml"), "listen = \"127.0.0.1:0\"\nslow_threshold = \"250ms\"\n")?;
    let good = directory.path().join("good.toml").display().to_string();
    expect(&answer(["config", "check", &good])?, "a good file", 0, &[])
}

#[test]
fn a_config_that_others_own_cannot_be_read_by_nobody() -> Result<()> {
    need!(Feature::OtherUsers);
    let directory = place::scratch()?;
    let binary = place::copy_for_all(&place::agent()?, directory.path())?;
    let file = directory.path().join("private.toml");
    fs::write(&file, "")?;
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let mut command = agent::command_of(&binary);
    command.arg("--config").arg(&file).uid(65_534).gid(65_534).current_dir("/");
    let answer = process::run("poolwatch", &mut command, WAIT)?;
    expect(&answer, "an unreadable file", 2, &["private.toml", "permission denied"])
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    need!(Feature::Probes);
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let port = taken.local_addr()?.port().to_string();
    let answer = answer(["--listen", &address])?;
    expect(&answer, "a port in use", 1, &[&port, "in use"])
}

/// Numbers of the BPF programs that a process holds open, by what the kernel says of its descriptors.
fn programs_of(pid: u32) -> Result<BTreeSet<u32>> {
    let mut programs = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        programs.extend(text.lines().filter_map(|line| {
            line.strip_prefix("prog_id:").and_then(|number| number.trim().parse::<u32>().ok())
        }));
    }
    Ok(programs)
}

/// The program with this number is still in the kernel.
fn loaded(program: u32) -> Result<bool> {
    let mut command = Command::new("bpftool");
    command.args(["prog", "show", "id", &program.to_string()]);
    Ok(process::run("bpftool", &mut command, WAIT)?.code == 0)
}

#[test]
fn sigterm_under_load_ends_it_well_detaches_the_probes_and_frees_the_port() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    server.role("bench")?;
    server.psql("postgres", "create database bench owner bench")?;
    server.bench_tables("bench", "bench")?;
    for tier in need::tiers() {
        let agent = Agent::start(["--probes", tier])?;
        let (pid, port) = (agent.pid(), agent.port());
        let programs = programs_of(pid)?;
        ensure!(programs.len() >= 4, "its programs are seen from outside: {programs:?}");
        let can_ask = process::run("bpftool", Command::new("bpftool").arg("version"), WAIT).is_ok();
        let bench = Bench {
            way: Way::Tcp4,
            user: "bench",
            database: "bench",
            mode: "simple",
            clients: 4,
            transactions: 10_000,
        };
        let (made, code, errors, seconds) = std::thread::scope(|scope| -> Result<_> {
            let load = scope.spawn(|| server.bench(&bench));
            clock::until(Duration::from_secs(10), "load", || {
                let page = agent.metrics()?;
                let counted = page.sum("db_client_operation_duration_seconds_count", &[]);
                Ok((counted > 1000.0).then_some(()))
            })?;
            let began = clock::monotonic();
            let (code, errors) = agent.terminate()?;
            let seconds = clock::seconds_since(began);
            ensure!(!load.is_finished(), "the load was over too soon to tell anything");
            let made = load.join().map_err(|_| anyhow::anyhow!("a panic"))??;
            Ok((made, code, errors, seconds))
        })?;
        println!(
            "{tier}: ended with {code} in {seconds:.3} s; the load went on to {made}; {programs:?}\n{errors}"
        );
        ensure!(code == 0 && seconds < 5.0, "a good and quick end");
        ensure!(made == 40_000, "the load is not disturbed");
        TcpListener::bind(("127.0.0.1", port)).context("the port is free again")?;
        if can_ask {
            // The kernel drops what nobody holds a moment after the last close.
            clock::until(Duration::from_secs(5), "the end of the programs", || {
                for program in &programs {
                    if loaded(*program)? {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })?;
        }
    }
    Ok(())
}

#[test]
fn sigint_ends_it_well_too() -> Result<()> {
    need!(Feature::Probes);
    let mut agent = Agent::start::<&str>([])?;
    let code = agent.stop(process::INTERRUPT)?;
    ensure!(code == 0, "ended with {code}: {}", agent.errors());
    Ok(())
}

#[test]
fn a_watched_process_that_ends_is_told_and_the_agent_stays_unless_told_to_go() -> Result<()> {
    need!(Feature::Probes, Feature::Postgres);
    let server = Server::start()?;
    for exit_with in [false, true] {
        let mut client = poolwatch_tests::client::Client::start(Some("watched"))?;
        client.open("a", &server.address_of(Way::Tcp4, "postgres", "postgres"))?;
        let pid = client.pid().to_string();
        let mut arguments = vec!["--pid", &pid];
        if exit_with {
            arguments.push("--exit-with-pid");
        }
        let mut agent = Agent::start(arguments)?;
        client.kill()?;
        let told = || Ok(agent_says(&agent, &pid).then_some(()));
        clock::until(Duration::from_secs(5), "a line about the end of the process", told)
            .with_context(|| agent.errors())?;
        println!("exit with pid {exit_with}: {}", agent.errors());
        if exit_with {
            let code = agent.wait(Duration::from_secs(5))?;
            ensure!(code == 0, "ended with {code}");
        } else {
            ensure!(agent.get("/readyz")?.0 == 200, "it stays up");
        }
    }
    Ok(())
}

fn agent_says(agent: &Agent, pid: &str) -> bool {
    agent.errors().lines().any(|line| line.contains(pid) && line.contains("ended"))
}
