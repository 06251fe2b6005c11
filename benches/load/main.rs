//! What driftwall costs, seen from outside: load for the real `driftwall serve`, in turn with an empty handler on
//! the same stack.
//!
//!     cargo bench --bench load
//!     cargo bench --bench load -- --help
//!
//! `docs/performance.md` says what the figures mean.

mod client;
mod empty_handler;
mod measure;
mod process;
mod report;
mod repository;
mod reviews;
mod servers;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use client::{Run, send};
use measure::{Plan, measure};
use reviews::{Load, denials_by_many, loads, updates_of_generated};
use servers::{Server, Sources};

/// Measures driftwall under load, in turn with an empty handler on the same stack.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only the loads whose name contains one of these, such as `denials` or `objects`
    only: Vec<String>,
    /// Connections that are kept open
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How often each server has its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Reviews a second of the open loop; half of what the slowest answers, if it is left out
    #[arg(long)]
    rate: Option<f64>,
    /// Numbers of declared objects that are compared
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10_000, 100_000])]
    objects: Vec<usize>,
    /// Numbers of sources that are compared
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    sources: Vec<usize>,
    /// Other builds of driftwall to be measured beside this one
    #[arg(long, value_name = "PROGRAM")]
    with: Vec<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve as the empty handler until standard input ends
    #[command(hide = true)]
    EmptyHandler { folder: PathBuf },
}

/// The build of this commit.
const DRIFTWALL: &str = env!("CARGO_BIN_EXE_driftwall");

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::EmptyHandler { folder }) => serve_empty_handler(folder)?,
        None => {
            println!("{}", machine());
            run(&cli)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn serve_empty_handler(folder: &Path) -> anyhow::Result<()> {
    // The allocator's settings are a part of the stack.
    driftwall::memory::give_back_what_is_freed();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?);
    // Whoever started this has ended.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(empty_handler::serve(listener, &servers::read_certificate(folder)?))
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let Cli { connections, rounds, seconds, rate, .. } = *cli;
    let plan = Plan { connections, rounds, turn: Duration::from_secs_f64(seconds), rate };
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|only| name.contains(only.as_str()));

    let folder = tempfile::tempdir()?;
    let commit = repository::recorded(folder.path())?;
    let sources = |revision: &str| Sources {
        repository: folder.path().to_owned(),
        revision: revision.to_owned(),
        paths: vec!["apps".to_owned()],
    };
    let loads: Vec<_> = loads()?.into_iter().filter(|load| wanted(load.name)).collect();
    if !loads.is_empty() {
        let mut servers =
            vec![Server::empty_handler()?, Server::driftwall("driftwall", DRIFTWALL.as_ref(), &sources(&commit))?];
        for program in &cli.with {
            servers.push(Server::driftwall(&program.display().to_string(), program, &sources(&commit))?);
        }
        for load in loads {
            let (mut measured, rate) = measure(&servers, &vec![&load; servers.len()], plan)?;
            report::print(&load, &servers, &mut measured, rate);
        }
    }
    let polled = denials_by_many()?;
    if wanted(polled.name) {
        measure_delay(&Server::driftwall("driftwall", DRIFTWALL.as_ref(), &sources("main"))?, &polled, plan)?;
    }
    if wanted("declared objects") {
        compare_sizes("declared objects", &cli.objects, plan, |objects| (objects, 1))?;
    }
    if wanted("sources") {
        compare_sizes("sources of 100 objects each", &cli.sources, plan, |sources| (100 * sources, sources))?;
    }
    Ok(())
}

/// How long denials wait for a look at a repository that is polled: each alone, and many at once.
fn measure_delay(server: &Server, load: &Load, plan: Plan) -> anyhow::Result<()> {
    println!("\n{}: what the look adds to a denial", load.name);
    let alone = Run { connections: 1, rate: Some(0.5), duration: Duration::from_secs(8), reviews: usize::MAX };
    report::print_delay("each alone", &mut send(&server.target, load, alone)?);
    let at_once = Run {
        connections: plan.connections,
        rate: None,
        duration: plan.turn.max(Duration::from_secs(5)),
        reviews: load.reviews.len(),
    };
    report::print_delay("one after another on each connection", &mut send(&server.target, load, at_once)?);
    Ok(())
}

/// Compares servers that read more and more. `size` says how many objects and sources each has.
fn compare_sizes(
    what: &str,
    numbers: &[usize],
    plan: Plan,
    size: impl Fn(usize) -> (usize, usize),
) -> anyhow::Result<()> {
    println!("\nby number of {what}: judged UPDATEs of objects in turn");
    let (mut servers, mut loads, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers {
        let (objects, sources) = size(*number);
        let folder = tempfile::tempdir()?;
        let revision = repository::generated(folder.path(), objects, sources)?;
        let paths = (0..sources).map(|source| format!("apps/{source}")).collect();
        let sources = Sources { repository: folder.path().to_owned(), revision, paths };
        let server = Server::driftwall(&number.to_string(), DRIFTWALL.as_ref(), &sources)?;
        println!("  {number}: {} MiB resident when ready", process::resident_kib(server.process)? / 1024);
        servers.push(server);
        loads.push(updates_of_generated(objects)?);
        folders.push(folder);
    }
    let Some(first) = loads.first() else { return Ok(()) };
    let (mut measured, rate) = measure(&servers, &loads.iter().collect::<Vec<_>>(), plan)?;
    report::print(first, &servers, &mut measured, rate);
    Ok(())
}

/// The machine, in a line.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{threads} threads of {}, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}
