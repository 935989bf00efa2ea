//! What the kernel knows about a server's process. Linux only; elsewhere it is unknown.

use std::time::Duration;

/// Ticks of a second in `/proc`: the same on every Linux machine that Foretype runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time so far, in user and in kernel mode.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_cpu_seconds(&stat)
}

/// The most memory it has held, in megabytes.
pub(super) fn peak_megabytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_megabytes(&status, "VmHWM:")
}

/// Seconds of processor time that the whole machine has spent, or that its host has given to others.
pub(super) fn machine_cpu_seconds() -> Option<f64> {
    parse_busy_seconds(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// Seconds of the whole machine as in [`machine_seconds`], and of this process.
pub(super) fn machine_and_own_cpu_seconds() -> Option<(f64, f64)> {
    Some((machine_cpu_seconds()?, cpu_seconds(std::process::id())?))
}

/// Of the processor time that the machine has in `elapsed`, the share that went to others: `busy` seconds in all, `own` of them ours.
pub(super) fn other_cpu_share(busy: f64, own: f64, elapsed: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    ((busy - own) / (elapsed.as_secs_f64() * cores)).clamp(0.0, 1.0)
}

/// Of `cpu user nice system idle iowait irq softirq steal ...`: all but the idle ones; guests are in the first two.
fn parse_busy_seconds(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((ticks.iter().take(8).sum::<f64>() - idle) / TICKS_PER_SECOND)
}

/// The memory that this process holds now, in megabytes.
pub(super) fn resident_megabytes() -> Option<f64> {
    parse_megabytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// What the processor calls itself.
pub(super) fn processor_name() -> Option<String> {
    parse_processor_name(&std::fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// Of the first `model name : NAME`.
fn parse_processor_name(cpuinfo: &str) -> Option<String> {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'))?;
    Some(name.trim().to_owned())
}

/// Of `PID (NAME) STATE ...`: fields 14 and 15. The name may hold spaces and brackets.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn parse_megabytes(status: &str, what: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_pages_are_understood() {
        assert_eq!(parse_cpu_seconds("7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"), Some(2.0));
        assert_eq!(parse_megabytes("Name:\tx\nVmHWM:\t  2048 kB\n", "VmHWM:"), Some(2.0));
        assert_eq!(parse_busy_seconds("cpu  100 0 50 900 30 0 0 50 7 0\ncpu0 1 1\n"), Some(2.0));
        assert_eq!(parse_processor_name("processor\t: 0\nmodel name\t: A B\n").as_deref(), Some("A B"));
        assert_eq!(parse_processor_name("processor\t: 0\n"), None);
        assert_eq!((parse_cpu_seconds("nonsense"), parse_megabytes("", "VmHWM:")), (None, None));
        assert_eq!(
            (other_cpu_share(0.0, 1.0, Duration::from_secs(1)), other_cpu_share(1e9, 0.0, Duration::from_secs(1))),
            (0.0, 1.0)
        );
    }
}
