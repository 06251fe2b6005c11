//! What is printed: ratios first, then the figures that they are of.

use std::time::Duration;

use super::client::Answers;
use super::measure::Measurement;
use super::reviews::Load;
use super::servers::Server;

/// The latencies that are printed.
const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];

/// Prints what the servers did with a load. The first of them is what the others are compared with.
pub(crate) fn print(load: &Load, servers: &[Server], measured: &mut [Measurement], rate: f64) {
    println!("\n{} ({} reviews, {} KiB on average)", load.name, load.reviews.len(), load.mean_bytes().div_ceil(1024));
    let figures: Vec<_> = measured.iter_mut().map(Figures::of).collect();
    let Some((base, others)) = figures.split_first() else { return };
    for (number, (server, other)) in servers.iter().skip(1).zip(others).enumerate() {
        let by_round = || measured[number + 1].per_second.iter().zip(&measured[0].per_second);
        let ratios = by_round().map(|(other, base)| other / base);
        let (least, most) =
            ratios.fold((f64::INFINITY, 0.0), |(least, most), ratio| (ratio.min(least), ratio.max(most)));
        println!(
            "  {} / {}: throughput {:.2} ({least:.2}–{most:.2}), CPU {:.2}, p99 {:.2}; at {rate}/s: p50 {:.2}, p99 {:.2}",
            server.name,
            servers[0].name,
            other.per_second / base.per_second,
            ratio(other.cpu, base.cpu),
            ratio(other.closed[1], base.closed[1]),
            ratio(other.open[0], base.open[0]),
            ratio(other.open[1], base.open[1]),
        );
    }
    println!(
        "  {:24} {:>8} {:>26} {:>26} {:>8} {:>8} {:>9}",
        "", "reviews", "closed: p50 p99 p99.9 ms", "open: p50 p99 p99.9 ms", "CPU µs", "client", "peak MiB"
    );
    for ((server, figures), measured) in servers.iter().zip(&figures).zip(&*measured) {
        let Figures { per_second, closed, open, cpu } = figures;
        println!(
            "  {:24} {per_second:>6.0}/s {} {} {:>8.1} {:>8.1} {:>9.1}{}",
            server.name,
            milliseconds(*closed),
            milliseconds(*open),
            cpu.as_secs_f64() * 1e6,
            measured.client_cpu_a_review().as_secs_f64() * 1e6,
            f64::from(u32::try_from(measured.peak_kib).unwrap_or(u32::MAX)) / 1024.0,
            if server.judges { notes(measured) } else { String::new() },
        );
    }
}

struct Figures {
    per_second: f64,
    closed: [Duration; 3],
    open: [Duration; 3],
    cpu: Duration,
}

impl Figures {
    fn of(measured: &mut Measurement) -> Self {
        let cpu = measured.cpu_a_review();
        let Measurement { closed, open, .. } = measured;
        Self {
            per_second: closed.per_second(),
            closed: closed.quantiles(QUANTILES),
            open: open.quantiles(QUANTILES),
            cpu,
        }
    }
}

/// What should not go unseen.
fn notes(measured: &Measurement) -> String {
    let denied = measured.closed.denied + measured.open.denied;
    let logged =
        if denied > 0 { format!("  {} log lines of {denied} denials", measured.logged) } else { String::new() };
    let wrong = if measured.wrong() > 0 { format!("  {} WRONG ANSWERS", measured.wrong()) } else { String::new() };
    logged + &wrong
}

/// Prints how long denials waited for a look at Git.
pub(crate) fn print_delay(what: &str, answers: &mut Answers) {
    let [p50, p99, _] = answers.quantiles(QUANTILES).map(|latency| latency.as_secs_f64() * 1e3);
    println!("  {what}: {} answers, p50 {p50:.1} ms, p99 {p99:.1} ms", answers.latencies.len());
}

fn milliseconds(latencies: [Duration; 3]) -> String {
    let [p50, p99, p999] = latencies.map(|latency| latency.as_secs_f64() * 1e3);
    format!("{p50:>8.2} {p99:>8.2} {p999:>8.2}")
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}
