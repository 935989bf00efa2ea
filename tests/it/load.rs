//! Load tests: many editors on one daemon, and a long random replay of user actions.
//!
//! The replay has a long form: `FORETYPE_SOAK_MINUTES=60 cargo test -p foretype-tests --test it load:: -- --nocapture`.
//! `FORETYPE_SOAK_SEED` sets the random seed, `FORETYPE_SOAK_MODEL` a real model in place of the stub model.

mod load_client;
mod replay;
mod request_counts;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use foretype_tests::{TestEnv, stub_model, text};
use load_client::LoadClient;
use request_counts::{RequestCounts, percentile};
use serde_json::{Value, json};

use crate::lsp::eventually;

/// Size in megabytes of the prefix cache: small, so that sequences are evicted, and ample for all clients.
const SMALL_KV_MB: usize = 16;
const AMPLE_KV_MB: usize = 256;

/// Daemon in its own environment. It ends with the test, or a minute after a test that was killed.
struct Daemon {
    env: TestEnv,
    model: PathBuf,
    /// True if the model is the stub model.
    has_stub_model: bool,
    kv_mb: usize,
    pid: u32,
}

impl Daemon {
    fn start(kv_mb: usize) -> Self {
        let env = TestEnv::new();
        let real = std::env::var_os("FORETYPE_SOAK_MODEL").map(PathBuf::from);
        let has_stub_model = Self::has_stub_model();
        let model = real.unwrap_or_else(|| stub_model::write(env.path()));
        let mut daemon = Self { env, model, has_stub_model, kv_mb, pid: 0 };
        // The first window starts it, and loads the model.
        daemon.open_client(0, &daemon.options()).shut_down();
        daemon.pid = daemon.status()["pid"].as_u64().expect("it runs") as u32;
        daemon
    }

    /// Returns true if these tests use the stub model.
    fn has_stub_model() -> bool {
        std::env::var_os("FORETYPE_SOAK_MODEL").is_none()
    }

    /// Command that an editor window starts.
    fn window(&self) -> Command {
        let mut command = self.env.command(&["lsp"]);
        command.env("FORETYPE_MEMORY_KV_MB", self.kv_mb.to_string()).env("FORETYPE_DAEMON_IDLE_MINUTES", "1");
        command
    }

    /// Opens editor window `number`.
    fn open_client(&self, number: usize, options: &Value) -> LoadClient {
        LoadClient::open(&self.env, self.window(), self.has_stub_model, number, options)
    }

    fn options(&self) -> Value {
        // Short prompts, so that the daemon is busy rather than the model.
        json!({ "model": self.model, "inline": { "candidates": 1 }, "context": { "max_tokens": 512 } })
    }

    fn status(&self) -> Value {
        let (ok, out, err) = text(&self.env.run(&["daemon", "status", "--json"]));
        assert!(ok, "the daemon is not running: {err}");
        serde_json::from_str(&out).expect("JSON")
    }

    /// Size in bytes of the idle KV caches of all models, after checking their limit.
    fn kv_bytes(&self) -> u64 {
        let status = self.status();
        let engines = status["models"].as_array().expect("a list").iter().map(|model| &model["engine"]);
        let bytes = engines.filter(|engine| engine.is_object()).map(|engine| {
            assert_eq!(engine["kv_limit"], self.kv_mb << 20);
            let bytes = engine["kv_bytes"].as_u64().expect("a number");
            assert!(bytes <= (self.kv_mb << 20) as u64, "{engine}");
            bytes
        });
        bytes.sum()
    }

    /// Resident memory in megabytes.
    fn megabytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the daemon lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes / 1024.0
    }

    /// Number of open files and sockets.
    fn open_handles(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("the daemon lives").count()
    }

    /// Asserts that the daemon still serves a client, then has no clients and no work, and has not panicked.
    fn assert_idle(&self) {
        let log = self.env.path().join("run/foretype/daemon.log");
        let log = std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        assert!(!log.contains("panicked at"), "{log}");
        let mut last = self.open_client(0, &self.options());
        last.open_file(0);
        last.type_in(0, "last =");
        let id = last.request_completion(0, false);
        last.receive_answer(id);
        assert!(last.shut_down().suggested > 0 || !self.has_stub_model, "no suggestion after the load");
        let is_idle = |status: &Value| {
            let models = status["models"].as_array().expect("a list");
            status["clients"] == 0 && models.iter().all(|model| model["engine"]["running"].as_u64() <= Some(0))
        };
        let mut daemon = self;
        eventually(&mut daemon, |daemon| daemon.status(), is_idle);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A daemon that has failed its test may be gone.
        self.env.run(&["daemon", "stop"]);
    }
}

/// Number of lines that an editor types. With a real model there are more, so that the first prefill does not dominate.
fn line_count() -> usize {
    if Daemon::has_stub_model() { 12 } else { 48 }
}

/// Types lines, requesting a completion after each key and waiting for all answers before and after each `=`.
fn type_lines(client: &mut LoadClient, pace: Duration) {
    const FILE: usize = 0;
    client.open_file(FILE);
    for line in 0..line_count() {
        for letter in format!("name_{line} =").chars() {
            let is_checked = letter == '=';
            if is_checked {
                client.receive_until(0);
            }
            client.type_in(FILE, letter.encode_utf8(&mut [0; 4]));
            let id = client.request_completion(FILE, false);
            if is_checked {
                let before = client.tally.suggested;
                client.receive_answer(id);
                assert!(
                    !client.has_stub_model() || client.tally.suggested > before,
                    "nothing was suggested after `name_{line} =`"
                );
            }
            client.receive(pace);
        }
        client.accept(FILE, line % 3 > 0);
        client.type_in(FILE, "\n");
    }
    client.receive_until(0);
}

/// Lets `editors` editors type at the same time; returns the counters and the duration of each.
fn type_together(daemon: &Daemon, editors: usize) -> Vec<(RequestCounts, Duration)> {
    let start = Barrier::new(editors);
    let pace = Duration::from_millis(if daemon.has_stub_model { 0 } else { 150 });
    let type_in_window = |number: usize| {
        let mut client = daemon.open_client(number, &daemon.options());
        start.wait();
        let started = Instant::now();
        type_lines(&mut client, pace);
        let took = started.elapsed();
        (client.shut_down(), took)
    };
    let type_in_window = &type_in_window;
    std::thread::scope(|scope| {
        let windows: Vec<_> = (0..editors).map(|number| scope.spawn(move || type_in_window(number))).collect();
        windows
            .into_iter()
            .map(|window| window.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[test]
fn eight_editors_type_at_once_and_none_waits_for_the_others() {
    let daemon = Daemon::start(if Daemon::has_stub_model() { SMALL_KV_MB } else { AMPLE_KV_MB });
    let mut single = type_together(&daemon, 1);
    let before = daemon.megabytes();
    let mut all = type_together(&daemon, 8);
    let alone = percentile(&mut single[0].0.waits, 0.95);
    println!("one: p50 {:.1} ms, p95 {alone:.1} ms", percentile(&mut single[0].0.waits, 0.5));
    for (tally, took) in &mut all {
        assert_eq!(tally.asked, tally.answered);
        assert!(tally.suggested as usize >= line_count() || !daemon.has_stub_model, "{tally:?}");
        let p95 = percentile(&mut tally.waits, 0.95);
        println!("of eight: p95 {p95:.1} ms, {} asked, {} suggested, {took:.2?}", tally.asked, tally.suggested);
    }
    let mut waits: Vec<f64> = all.iter().flat_map(|(tally, _)| &tally.waits).copied().collect();
    let together = percentile(&mut waits, 0.95);
    println!("eight together: p95 {together:.1} ms, {:.2} times that of one", together / alone);
    // Compares the slowest with the median, because the first to start is faster than the rest.
    let mut took: Vec<Duration> = all.iter().map(|(_, took)| *took).collect();
    took.sort_unstable();
    let (middle, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    assert!(
        slowest < middle * 2 + Duration::from_secs(1),
        "the slowest editor took {slowest:?}, the median {middle:?}"
    );
    daemon.assert_idle();
    let more = daemon.megabytes() - before;
    assert!(daemon.kv_bytes() > 0 && more < (daemon.kv_mb + 48) as f64, "{more:.1} MB more for seven more editors");
}
