//! Random replay of user actions: typing, deleting, requesting, cancelling, accepting, opening, closing and switching
//! files, changing settings, leaving and crashing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use foretype_plugins::random::Random;
use serde_json::json;

use super::Daemon;
use super::load_client::LoadClient;
use super::request_counts::{RequestCounts, percentile};

/// Number of windows at the same time.
const CLIENT_COUNT: usize = 4;
/// Number of actions of each window in the short form.
const ACTION_COUNT: usize = 1000;
/// Size in bytes at which a file is replaced by a short one.
const MAX_FILE_BYTES: usize = 6000;
/// Megabytes that the daemon may grow by after it has warmed up. What the allocator keeps varies by half of this.
const MAX_GROWTH_MB: f64 = 16.0;

/// Draws one of several things.
fn choose<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

/// End of a replay.
enum ReplayLength {
    Actions(usize),
    Deadline(Instant),
}

impl ReplayLength {
    fn progress(&self, done: usize, started: Instant) -> f64 {
        match self {
            Self::Actions(all) => done as f64 / *all as f64,
            Self::Deadline(end) => started.elapsed().as_secs_f64() / (*end - started).as_secs_f64(),
        }
    }
}

/// User of a window who acts at random.
struct SimulatedUser<'a> {
    daemon: &'a Daemon,
    number: usize,
    random: Random,
    client: LoadClient,
    file: usize,
    total: RequestCounts,
}

impl<'a> SimulatedUser<'a> {
    fn new(daemon: &'a Daemon, number: usize, seed: u64) -> Self {
        let client = daemon.open_client(number, &daemon.options());
        let random = Random::new(seed.wrapping_add(number as u64));
        let mut user = Self { daemon, number, random, client, file: 0, total: RequestCounts::default() };
        user.client.open_file(0);
        user
    }

    fn act(&mut self) {
        match self.random.below(1000) {
            0..450 => self.type_text(),
            450..560 => self.delete(),
            560..600 => self.edit_elsewhere(),
            600..650 => self.move_cursor(),
            650..750 => self.client.accept(self.file, self.random.below(2) == 0),
            750..800 => self.client.cancel_last(),
            800..830 => self.request_manually(),
            830..860 => drop(self.client.request_status()),
            860..940 => self.switch_file(),
            940..960 => self.close_file(),
            960..990 => self.change_settings(),
            990..997 => std::thread::sleep(Duration::from_millis(50)),
            _ => self.restart_client(),
        }
        if self.random.below(4) == 0 {
            // Reads all answers before the next action.
            self.client.receive_until(0);
        }
        self.client.receive(Duration::from_millis(choose(&mut self.random, &[0, 0, 1, 3, 10])));
        self.client.receive_until(24);
    }

    fn type_text(&mut self) {
        const TEXTS: &[&str] = &[
            "=", " ", "b", "r", "o", "w", "n", "_", "x =", "\n", "\n    ", "(", ")", "é", "𝄞", "\"", "brown", "# ", "{",
        ];
        let text = choose(&mut self.random, TEXTS);
        self.client.type_in(self.file, text);
        if self.client.files[self.file].text.len() > MAX_FILE_BYTES {
            self.reset_file();
        }
        self.client.request_completion(self.file, false);
    }

    fn reset_file(&mut self) {
        let all = 0..self.client.files[self.file].text.len();
        let text = "value = 1\n".repeat(100 + self.random.below(300));
        self.client.replace(self.file, all, &text);
    }

    fn delete(&mut self) {
        let file = &self.client.files[self.file];
        let end = file.cursor;
        let before = file.text[..end].char_indices().rev();
        let start = before.take(1 + self.random.below(4)).last().map_or(end, |(at, _)| at);
        self.client.replace(self.file, start..end, "");
        self.client.request_completion(self.file, false);
    }

    /// Changes text away from the cursor, as a formatter or another user does.
    fn edit_elsewhere(&mut self) {
        let (from, to) = (self.random_offset(), self.random_offset());
        let (start, end) = (from.min(to), from.max(to));
        let end = self.client.files[self.file].text.floor_char_boundary(end.min(start + 200));
        let text = choose(&mut self.random, &["", "# changed\n", "x = y\n"]);
        self.client.replace(self.file, start..end, text);
    }

    fn move_cursor(&mut self) {
        let cursor = self.random_offset();
        let file = &mut self.client.files[self.file];
        (file.cursor, file.ghost) = (cursor, None);
        self.client.request_completion(self.file, false);
    }

    fn random_offset(&mut self) -> usize {
        let text = &self.client.files[self.file].text;
        text.floor_char_boundary(self.random.below(text.len() + 1))
    }

    fn request_manually(&mut self) {
        let id = self.client.request_completion(self.file, true);
        if self.random.below(2) == 0 {
            self.client.receive_answer(id);
        }
    }

    fn switch_file(&mut self) {
        self.file = self.random.below(self.client.files.len());
        if !self.client.files[self.file].is_open {
            self.client.open_file(self.file);
        }
        self.client.request_completion(self.file, false);
    }

    /// Closes a file while an answer for it may be pending.
    fn close_file(&mut self) {
        self.client.request_completion(self.file, false);
        self.client.close_file(self.file);
        self.client.request_completion(self.file, false);
        self.switch_file();
    }

    fn change_settings(&mut self) {
        let mut options = self.daemon.options();
        let second = self.daemon.env.path().join("second/stub-model");
        if self.daemon.has_stub_model && self.random.below(8) == 0 {
            options["model"] = json!(second);
        }
        options["inline"]["max_lines"] = json!(1 + self.random.below(12));
        options["inline"]["multi_line"] = json!(self.random.below(2) == 0);
        options["context"]["open_files"] = json!(self.random.below(2) == 0);
        options["context"]["recent_edits"] = json!(self.random.below(2) == 0);
        options["enable"] = json!({ "go": self.random.below(2) == 0 });
        self.client.settings(&options);
    }

    fn restart_client(&mut self) {
        let new = self.daemon.open_client(self.number, &self.daemon.options());
        let old = std::mem::replace(&mut self.client, new);
        let crashes = self.random.below(2) == 0;
        self.total.add(if crashes { old.kill() } else { old.shut_down() });
        self.file = 0;
        self.client.open_file(0);
    }

    fn leave(mut self) -> RequestCounts {
        self.total.add(self.client.shut_down());
        self.total
    }
}

/// Memory of the daemon during a replay.
#[derive(Debug, Default)]
struct ResourceUsage {
    /// Progress of the replay, from 0 to 1, and the daemon's resident megabytes at that point.
    megabytes: Vec<(f64, f64)>,
    /// Largest size of the idle KV caches.
    kv_bytes: u64,
}

impl ResourceUsage {
    /// Peak of the megabytes in a part of the replay.
    fn peak_megabytes(&self, part: std::ops::Range<f64>) -> f64 {
        let inside = self.megabytes.iter().filter(|(progress, _)| part.contains(progress));
        inside.map(|(_, megabytes)| *megabytes).fold(0.0, f64::max)
    }
}

/// Length that the environment asks for.
fn replay_length() -> ReplayLength {
    let Ok(minutes) = std::env::var("FORETYPE_SOAK_MINUTES") else { return ReplayLength::Actions(ACTION_COUNT) };
    let minutes: f64 = minutes.parse().expect("FORETYPE_SOAK_MINUTES is a number");
    ReplayLength::Deadline(Instant::now() + Duration::from_secs_f64(minutes * 60.0))
}

/// Lets all users act at the same time, and watches the memory of the daemon meanwhile.
fn replay(daemon: &Daemon, seed: u64, length: &ReplayLength) -> (RequestCounts, ResourceUsage) {
    let started = Instant::now();
    let stop = AtomicBool::new(false);
    let done: Vec<_> = (0..CLIENT_COUNT).map(|_| AtomicUsize::new(0)).collect();
    let progress = |number: usize| length.progress(done[number].load(Ordering::Relaxed), started);
    let run_user = |number: usize| {
        let mut user = SimulatedUser::new(daemon, number, seed);
        while progress(number) < 1.0 && !stop.load(Ordering::Relaxed) {
            user.act();
            done[number].fetch_add(1, Ordering::Relaxed);
        }
        user.leave()
    };
    std::thread::scope(|scope| {
        let run_user = &run_user;
        let users: Vec<_> = (0..CLIENT_COUNT).map(|number| scope.spawn(move || run_user(number))).collect();
        let mut usage = ResourceUsage::default();
        while users.iter().any(|user| !user.is_finished()) {
            let slowest = (0..CLIENT_COUNT).map(progress).fold(1.0, f64::min);
            usage.megabytes.push((slowest, daemon.megabytes()));
            usage.kv_bytes = usage.kv_bytes.max(daemon.kv_bytes());
            // If one of them fails, the others stop.
            let failed = users.iter().enumerate().any(|(number, user)| user.is_finished() && progress(number) < 1.0);
            stop.fetch_or(failed, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(200));
        }
        let mut total = RequestCounts::default();
        for user in users {
            total.add(user.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        (total, usage)
    })
}

#[test]
fn a_long_random_replay_loses_no_answer_and_no_memory() {
    let daemon = Daemon::start(super::SMALL_KV_MB);
    super::stub_model::write(&daemon.env.path().join("second"));
    let seed = std::env::var("FORETYPE_SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let length = replay_length();
    let handles = daemon.open_handles();
    let (mut tally, usage) = replay(&daemon, seed, &length);
    daemon.assert_idle();
    let (early, late) = (usage.peak_megabytes(0.2..0.6), usage.peak_megabytes(0.6..1.1));
    let (p50, p99) = (percentile(&mut tally.waits, 0.5), percentile(&mut tally.waits, 0.99));
    println!(
        "seed {seed}: {} windows, {} asked, {} answered, {} suggested (p50 {p50:.1} ms, p99 {p99:.1} ms), {} cancelled; \
         peak memory {early:.1} MB, later {late:.1} MB; KV caches {:.1} MB; {} handles",
        tally.windows,
        tally.asked,
        tally.answered,
        tally.suggested,
        tally.cancelled,
        usage.kv_bytes as f64 / f64::from(1 << 20),
        daemon.open_handles(),
    );
    assert!(tally.suggested * 20 > tally.asked && tally.cancelled > 0, "too little happened: {tally:?}");
    assert!(usage.kv_bytes as usize > (daemon.kv_mb << 20) / 2, "the caches were never full");
    assert!(early > 0.0 && late < early + MAX_GROWTH_MB, "memory grew from {early:.1} to {late:.1} MB");
    let leaked = daemon.open_handles().saturating_sub(handles);
    assert!(leaked < 8, "{leaked} files and sockets of closed windows are still open");
}
