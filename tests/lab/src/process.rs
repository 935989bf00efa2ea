//! CPU time and memory of processes, from Linux's `/proc`. Other systems do not have it, and all values are `None`
//! there.

use std::time::Duration;

/// Clock ticks per second in `/proc`, the same on every Linux system that Foretype runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of a process so far, in user and in kernel mode.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_cpu_seconds(&stat)
}

/// Peak memory of a process in megabytes.
pub(crate) fn peak_megabytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_megabytes(&status, "VmHWM:")
}

/// CPU time that all processes of the machine have used, including time that its hypervisor gave to other machines.
pub(crate) fn machine_cpu_seconds() -> Option<f64> {
    parse_busy_seconds(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// CPU time of the machine as in [`machine_cpu_seconds`], and of this process.
pub(crate) fn machine_and_own_cpu_seconds() -> Option<(f64, f64)> {
    Some((machine_cpu_seconds()?, cpu_seconds(std::process::id())?))
}

/// Share of the machine's CPU time during `elapsed` that other processes used. All processes together used `all`
/// seconds, of which `own` seconds do not count.
pub(crate) fn other_cpu_share(all: f64, own: f64, elapsed: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    ((all - own) / (elapsed.as_secs_f64() * cores)).clamp(0.0, 1.0)
}

/// Busy time from the line `cpu user nice system idle iowait irq softirq steal ...`. `user` and `nice` include guests.
fn parse_busy_seconds(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((ticks.iter().take(8).sum::<f64>() - idle) / TICKS_PER_SECOND)
}

/// Current memory of this process in megabytes.
pub(crate) fn resident_megabytes() -> Option<f64> {
    parse_megabytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Name of the processor.
pub(crate) fn processor_name() -> Option<String> {
    parse_processor_name(&std::fs::read_to_string("/proc/cpuinfo").ok()?)
}

/// Name in the first line `model name : NAME`.
fn parse_processor_name(cpuinfo: &str) -> Option<String> {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'))?;
    Some(name.trim().to_owned())
}

/// Fields 14 and 15 of `PID (NAME) STATE ...`. The name may contain spaces and brackets.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// Value in megabytes of a line `FIELD 123 kB`.
fn parse_megabytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_proc_are_parsed() {
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
