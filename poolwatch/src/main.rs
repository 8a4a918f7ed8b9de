//! temporary
use poolwatch::{agent::{self, Job, Wish}, clock::Clock, export::{ExportSettings, access::{Access, AccessFiles}}, infer::settings::Settings, probes::{Wanted, Watch, catalog::Tier}};
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut tier = None; let mut listen = "127.0.0.1:9762".to_owned(); let mut pids = vec![]; let mut record = None; let mut settings = Settings::default();
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() { match a.as_str() {
        "--probes" => tier = match args.next().as_deref() { Some("sock") => Some(Tier::Sock), Some("syscall") => Some(Tier::Syscall), _ => None },
        "--listen" => listen = args.next().unwrap(), "--pid" => pids.push(args.next().unwrap().parse()?), "-o" => record = Some(args.next().unwrap().into()),
        "--pool-max" => settings.pool_max.push((None, args.next().unwrap().parse()?)),
        _ => {} } }
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    let watch = if pids.is_empty() { Watch::All } else { Watch::Listed { children: true } };
    agent::run(Job { wish: Wish { pids, children: true, ports: vec![5432, 6432], services: Box::new(|_| true) }, wanted: Wanted { tier, watch, ring_bytes: 4 << 20 }, settings,
        export: ExportSettings { labels: vec![], label_user: false, own_process: true, clock: Clock::start() }, access: Access::load(&AccessFiles::default())?, record, exit_with_pid: false }, listener, async { let _ = tokio::signal::ctrl_c().await; }).await
}
