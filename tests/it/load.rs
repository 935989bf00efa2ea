//! Load: many editors at one daemon, and a long random replay of what people do to one.
//!
//! The replay has a long form: `FORETYPE_SOAK_MINUTES=60 cargo test -p foretype-tests --test it load:: -- --nocapture`.
//! `FORETYPE_SOAK_SEED` gives another course of events, `FORETYPE_SOAK_MODEL` a real model in place of the parrot.

mod desk;
mod replay;
mod tally;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use desk::Desk;
use foretype_tests::{World, parrot, text};
use serde_json::{Value, json};
use tally::{Tally, percentile};

/// Megabytes that a daemon may keep of what its model has read: little, so that it has to forget; and enough for everybody.
const LITTLE: usize = 16;
const ENOUGH: usize = 256;

/// A daemon of our own, with all that it sees. It ends with the test, or a minute after a test that was killed.
struct Daemon {
    world: World,
    model: PathBuf,
    /// Whether the model is the parrot.
    sings: bool,
    kv_mb: usize,
    pid: u32,
}

impl Daemon {
    fn start(kv_mb: usize) -> Self {
        let world = World::new();
        let real = std::env::var_os("FORETYPE_SOAK_MODEL").map(PathBuf::from);
        let sings = Self::sings();
        let model = real.unwrap_or_else(|| parrot::write(world.path()));
        let mut daemon = Self { world, model, sings, kv_mb, pid: 0 };
        // The first window starts it, and loads the model.
        Desk::open(&daemon, 0, &daemon.options()).leave();
        daemon.pid = daemon.status()["pid"].as_u64().expect("it runs") as u32;
        daemon
    }

    /// Whether the model of these tests is the parrot.
    fn sings() -> bool {
        std::env::var_os("FORETYPE_SOAK_MODEL").is_none()
    }

    /// The command that an editor's window starts.
    fn window(&self) -> Command {
        let mut command = self.world.command(&["lsp"]);
        command.env("FORETYPE_MEMORY_KV_MB", self.kv_mb.to_string()).env("FORETYPE_DAEMON_IDLE_MINUTES", "1");
        command
    }

    fn options(&self) -> Value {
        // Short prompts: it is the daemon that is to be busy.
        json!({ "model": self.model, "inline": { "candidates": 1 }, "context": { "max_tokens": 512 } })
    }

    fn status(&self) -> Value {
        let (ok, out, err) = text(&self.world.run(&["daemon", "status", "--json"]));
        assert!(ok, "the daemon is gone: {err}");
        serde_json::from_str(&out).expect("JSON")
    }

    /// Bytes that the KV caches of all its models take while no request uses them; never more than they may.
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

    /// Megabytes that are resident.
    fn megabytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the daemon lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes / 1024.0
    }

    /// Files and sockets that it holds open.
    fn handles(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("the daemon lives").count()
    }

    /// Serves whoever comes last at once, and then has nobody and works on nothing. Nothing in it has panicked, whoever crashed.
    fn comes_to_rest(&self) {
        let log = self.world.path().join("run/foretype/daemon.log");
        let log = std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        assert!(!log.contains("panicked at"), "{log}");
        let mut last = Desk::open(self, 0, &self.options());
        last.open_file(0);
        last.type_in(0, "last =");
        let id = last.ask(0, false);
        last.hear_answer(id);
        assert!(last.leave().suggested > 0 || !self.sings, "it suggests nothing any more");
        let deadline = Instant::now() + Duration::from_secs(30);
        let rests = |status: &Value| {
            let models = status["models"].as_array().expect("a list");
            status["clients"] == 0 && models.iter().all(|model| model["engine"]["running"].as_u64() <= Some(0))
        };
        loop {
            let status = self.status();
            if rests(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "it stays busy: {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A daemon that has failed its test may be gone.
        self.world.run(&["daemon", "stop"]);
    }
}

/// Lines that an editor types: with a real model so many that reading its file for the first time is not what is measured.
fn lines() -> usize {
    if Daemon::sings() { 12 } else { 48 }
}

/// Types lines as a person does who reads what is suggested: a question after each key, and before and after each `=` a look.
fn type_lines(desk: &mut Desk, pace: Duration) {
    const FILE: usize = 0;
    desk.open_file(FILE);
    for line in 0..lines() {
        for letter in format!("name_{line} =").chars() {
            let looks = letter == '=';
            if looks {
                desk.hear_until(0);
            }
            desk.type_in(FILE, letter.encode_utf8(&mut [0; 4]));
            let id = desk.ask(FILE, false);
            if looks {
                let before = desk.tally.suggested;
                desk.hear_answer(id);
                assert!(!desk.sings() || desk.tally.suggested > before, "nothing was suggested after `name_{line} =`");
            }
            desk.hear(pace);
        }
        desk.accept(FILE, line % 3 > 0);
        desk.type_in(FILE, "\n");
    }
    desk.hear_until(0);
}

/// So many editors type at the same time; what came of it, and how long each took.
fn type_together(daemon: &Daemon, editors: usize) -> Vec<(Tally, Duration)> {
    let start = Barrier::new(editors);
    let pace = Duration::from_millis(if daemon.sings { 0 } else { 150 });
    let one = |number: usize| {
        let mut desk = Desk::open(daemon, number, &daemon.options());
        start.wait();
        let started = Instant::now();
        type_lines(&mut desk, pace);
        let took = started.elapsed();
        (desk.leave(), took)
    };
    std::thread::scope(|scope| {
        let desks: Vec<_> = (0..editors).map(|number| scope.spawn(move || one(number))).collect();
        desks.into_iter().map(|desk| desk.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[test]
fn eight_editors_type_at_once_and_none_waits_for_the_others() {
    let daemon = Daemon::start(if Daemon::sings() { LITTLE } else { ENOUGH });
    let mut single = type_together(&daemon, 1);
    let before = daemon.megabytes();
    let mut all = type_together(&daemon, 8);
    let alone = percentile(&mut single[0].0.waits, 0.95);
    println!("one: p50 {:.1} ms, p95 {alone:.1} ms", percentile(&mut single[0].0.waits, 0.5));
    for (tally, took) in &mut all {
        assert_eq!(tally.asked, tally.answered);
        assert!(tally.suggested as usize >= lines() || !daemon.sings, "{tally:?}");
        let p95 = percentile(&mut tally.waits, 0.95);
        println!("of eight: p95 {p95:.1} ms, {} asked, {} suggested, {took:.2?}", tally.asked, tally.suggested);
    }
    let mut waits: Vec<f64> = all.iter().flat_map(|(tally, _)| &tally.waits).copied().collect();
    let together = percentile(&mut waits, 0.95);
    println!("eight together: p95 {together:.1} ms, {:.2} times that of one", together / alone);
    // One that happens to be first makes nobody starve: the slowest is measured by those in the middle.
    let mut took: Vec<Duration> = all.iter().map(|(_, took)| *took).collect();
    took.sort_unstable();
    let (middle, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    assert!(slowest < middle * 2 + Duration::from_secs(1), "one starves: {middle:?} and {slowest:?}");
    daemon.comes_to_rest();
    let more = daemon.megabytes() - before;
    assert!(daemon.kv_bytes() > 0 && more < (daemon.kv_mb + 48) as f64, "{more:.1} MB more for seven editors more");
}
