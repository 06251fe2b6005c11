//! Measures servers in turn, so that what else the machine does concerns them alike.

use std::time::Duration;

use super::client::{Answers, Run, count, send};
use super::process::{cpu_time, forget_peak, peak_kib};
use super::reviews::Load;
use super::servers::Server;

/// How it is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    /// How often each server has its turn.
    pub(crate) rounds: usize,
    /// How long a turn is.
    pub(crate) turn: Duration,
    /// Reviews a second of the open loop; `None`: half of what the slowest server answers in the closed one.
    pub(crate) rate: Option<f64>,
}

/// What one server did with a load.
#[derive(Default)]
pub(crate) struct Measurement {
    /// In a closed loop.
    pub(crate) closed: Answers,
    /// Reviews a second, in each round of it.
    pub(crate) per_second: Vec<f64>,
    /// CPU time of the server in it, and of the client.
    pub(crate) cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// In an open loop at the same rate for all servers.
    pub(crate) open: Answers,
    pub(crate) peak_kib: usize,
    /// Lines of the log in both.
    pub(crate) logged: usize,
}

/// So much of a turn is sent before it, and not counted.
const WARM_UP: u32 = 5;
/// The share of the closed loop's throughput that an open loop asks for.
const OPEN_SHARE: f64 = 0.5;

/// Measures all servers, each with the load that is its own; also the rate of the open loop.
pub(crate) fn measure(servers: &[Server], loads: &[&Load], plan: Plan) -> anyhow::Result<(Vec<Measurement>, f64)> {
    let Plan { connections, rounds, turn, rate } = plan;
    let closed = Run { connections, rate: None, duration: turn, reviews: usize::MAX };
    let mut all: Vec<Measurement> = servers.iter().map(|_| Measurement::default()).collect();
    let mut logged_before = Vec::new();
    for (server, load) in servers.iter().zip(loads) {
        send(&server.target, load, Run { duration: turn / WARM_UP, ..closed })?;
        forget_peak(server.process)?;
        logged_before.push(server.logged());
    }
    for _ in 0..rounds {
        for ((server, load), measured) in servers.iter().zip(loads).zip(&mut all) {
            let before = [cpu_time(server.process)?, cpu_time(std::process::id())?];
            let answers = send(&server.target, load, closed)?;
            measured.cpu += cpu_time(server.process)?.saturating_sub(before[0]);
            measured.client_cpu += cpu_time(std::process::id())?.saturating_sub(before[1]);
            measured.per_second.push(answers.per_second());
            measured.closed.add(&answers);
        }
    }
    let slowest = all.iter().map(|measured| measured.closed.per_second()).fold(f64::INFINITY, f64::min);
    let rate = rate.unwrap_or((slowest * OPEN_SHARE).floor());
    for _ in 0..rounds {
        for ((server, load), measured) in servers.iter().zip(loads).zip(&mut all) {
            measured.open.add(&send(&server.target, load, Run { rate: Some(rate), ..closed })?);
        }
    }
    for ((server, measured), before) in servers.iter().zip(&mut all).zip(logged_before) {
        measured.peak_kib = peak_kib(server.process)?;
        measured.logged = server.logged() - before;
    }
    Ok((all, rate))
}

impl Measurement {
    /// The server's CPU time for a review.
    pub(crate) fn cpu_a_review(&self) -> Duration {
        self.cpu.div_f64(count(self.closed.latencies.len().max(1)))
    }

    /// The client's CPU time for a review.
    pub(crate) fn client_cpu_a_review(&self) -> Duration {
        self.client_cpu.div_f64(count(self.closed.latencies.len().max(1)))
    }

    /// Answers other than they must be.
    pub(crate) fn wrong(&self) -> usize {
        self.closed.wrong + self.open.wrong
    }
}
