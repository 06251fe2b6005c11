//! What a process has used, as Linux counts it.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// In `/proc/PID/stat` times are counted in hundredths of a second, on every machine.
const TICKS_A_SECOND: f64 = 100.0;

/// The CPU time of a process, of all its threads.
pub(crate) fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let stat = read(process, "stat")?;
    // After the name, which may have blanks and brackets: state is the third field of the line, utime the 14th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(Duration::from_secs_f64(f64::from(ticks) / TICKS_A_SECOND))
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(process: u32) -> anyhow::Result<usize> {
    status(process, "VmRSS:")
}

/// The most that it was since the start, or since [`forget_peak`].
pub(crate) fn peak_kib(process: u32) -> anyhow::Result<usize> {
    status(process, "VmHWM:")
}

/// Begins the peak anew.
pub(crate) fn forget_peak(process: u32) -> anyhow::Result<()> {
    let path = format!("/proc/{process}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("failed to write {path}"))
}

fn status(process: u32, key: &str) -> anyhow::Result<usize> {
    let status = read(process, "status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(key));
    let value = value.with_context(|| format!("failed to find {key} in /proc/{process}/status"))?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

fn read(process: u32, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{process}/{name}");
    fs::read_to_string(&path).with_context(|| format!("failed to read {path} (this needs Linux)"))
}
