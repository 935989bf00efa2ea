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
    fn share(&self, done: usize, started: Instant) -> f64 {
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
        let mut person = Self { daemon, number, random, client, file: 0, total: RequestCounts::default() };
        person.client.open_file(0);
        person
    }

    fn act(&mut self) {
        match self.random.below(1000) {
            0..450 => self.types(),
            450..560 => self.deletes(),
            560..600 => self.changes_a_place(),
            600..650 => self.moves(),
            650..750 => self.client.accept(self.file, self.random.below(2) == 0),
            750..800 => self.client.cancel_last(),
            800..830 => self.asks_by_hand(),
            830..860 => drop(self.client.request_status()),
            860..940 => self.switches_file(),
            940..960 => self.closes_a_file(),
            960..990 => self.changes_settings(),
            990..997 => std::thread::sleep(Duration::from_millis(50)),
            _ => self.leaves_and_comes_back(),
        }
        if self.random.below(4) == 0 {
            // Reads all answers before the next action.
            self.client.receive_until(0);
        }
        self.client.receive(Duration::from_millis(choose(&mut self.random, &[0, 0, 1, 3, 10])));
        self.client.receive_until(24);
    }

    fn types(&mut self) {
        const TEXTS: &[&str] = &[
            "=", " ", "b", "r", "o", "w", "n", "_", "x =", "\n", "\n    ", "(", ")", "é", "𝄞", "\"", "brown", "# ", "{",
        ];
        let text = choose(&mut self.random, TEXTS);
        self.client.type_in(self.file, text);
        if self.client.files[self.file].text.len() > MAX_FILE_BYTES {
            self.begins_anew();
        }
        self.client.request_completion(self.file, false);
    }

    fn begins_anew(&mut self) {
        let all = 0..self.client.files[self.file].text.len();
        let text = "value = 1\n".repeat(100 + self.random.below(300));
        self.client.replace(self.file, all, &text);
    }

    fn deletes(&mut self) {
        let it = &self.client.files[self.file];
        let before = it.text[..it.cursor].char_indices().rev();
        let from = before.take(1 + self.random.below(4)).last().map_or(it.cursor, |(at, _)| at);
        let bytes = from..it.cursor;
        self.client.replace(self.file, bytes, "");
        self.client.request_completion(self.file, false);
    }

    /// Somewhere else in the file, as a formatter or another person does.
    fn changes_a_place(&mut self) {
        let (from, to) = (self.place(), self.place());
        let bytes = from.min(to)..from.max(to).min(from.min(to) + 200);
        let end = floor(&self.client.files[self.file].text, bytes.end);
        let text = choose(&mut self.random, &["", "# changed\n", "x = y\n"]);
        self.client.replace(self.file, bytes.start..end.max(bytes.start), text);
    }

    fn moves(&mut self) {
        let at = self.place();
        let it = &mut self.client.files[self.file];
        (it.cursor, it.ghost) = (at, None);
        self.client.request_completion(self.file, false);
    }

    fn place(&mut self) -> usize {
        let text = &self.client.files[self.file].text;
        floor(text, self.random.below(text.len() + 1))
    }

    fn asks_by_hand(&mut self) {
        let id = self.client.request_completion(self.file, true);
        if self.random.below(2) == 0 {
            self.client.receive_answer(id);
        }
    }

    fn switches_file(&mut self) {
        self.file = self.random.below(self.client.files.len());
        if !self.client.files[self.file].is_open {
            self.client.open_file(self.file);
        }
        self.client.request_completion(self.file, false);
    }

    /// While an answer for it may be under way.
    fn closes_a_file(&mut self) {
        self.client.request_completion(self.file, false);
        self.client.close_file(self.file);
        self.client.request_completion(self.file, false);
        self.switches_file();
    }

    fn changes_settings(&mut self) {
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

    fn leaves_and_comes_back(&mut self) {
        let new = self.daemon.open_client(self.number, &self.daemon.options());
        let old = std::mem::replace(&mut self.client, new);
        let crashes = self.random.below(2) == 0;
        self.total.add(if crashes { old.kill() } else { old.shut_down() });
        self.file = 0;
        self.client.open_file(0);
    }

    fn leaves(mut self) -> RequestCounts {
        self.total.add(self.client.shut_down());
        self.total
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Progress of the replay, and the daemon's resident megabytes at that point.
#[derive(Debug, Default)]
struct Sight {
    megabytes: Vec<(f64, f64)>,
    kv_bytes: u64,
}

impl Sight {
    /// The most megabytes between two shares of the replay.
    fn most(&self, from: f64, to: f64) -> f64 {
        let inside = self.megabytes.iter().filter(|(share, _)| (from..to).contains(share));
        inside.map(|(_, megabytes)| *megabytes).fold(0.0, f64::max)
    }
}

fn course() -> ReplayLength {
    let minutes = std::env::var("FORETYPE_SOAK_MINUTES").ok();
    minutes.map_or(ReplayLength::Actions(ACTION_COUNT), |minutes| {
        let minutes: f64 = minutes.parse().expect("FORETYPE_SOAK_MINUTES is a number");
        ReplayLength::Deadline(Instant::now() + Duration::from_secs_f64(minutes * 60.0))
    })
}

/// Everybody does things until the course is over; meanwhile the daemon is watched.
fn replay(daemon: &Daemon, seed: u64, course: &ReplayLength) -> (RequestCounts, Sight) {
    let started = Instant::now();
    let stop = AtomicBool::new(false);
    let done: Vec<_> = (0..CLIENT_COUNT).map(|_| AtomicUsize::new(0)).collect();
    let share = |number: usize| course.share(done[number].load(Ordering::Relaxed), started);
    let one = |number: usize| {
        let mut person = SimulatedUser::new(daemon, number, seed);
        while share(number) < 1.0 && !stop.load(Ordering::Relaxed) {
            person.act();
            done[number].fetch_add(1, Ordering::Relaxed);
        }
        person.leaves()
    };
    std::thread::scope(|scope| {
        let one = &one;
        let people: Vec<_> = (0..CLIENT_COUNT).map(|number| scope.spawn(move || one(number))).collect();
        let mut sight = Sight::default();
        while people.iter().any(|person| !person.is_finished()) {
            let slowest = (0..CLIENT_COUNT).map(share).fold(1.0, f64::min);
            sight.megabytes.push((slowest, daemon.megabytes()));
            sight.kv_bytes = sight.kv_bytes.max(daemon.kv_bytes());
            // Should one of them fail, the others need not go on.
            let failed = people.iter().enumerate().any(|(number, person)| person.is_finished() && share(number) < 1.0);
            stop.fetch_or(failed, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(200));
        }
        let mut total = RequestCounts::default();
        for person in people {
            total.add(person.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        (total, sight)
    })
}

#[test]
fn a_long_random_replay_loses_no_answer_and_no_memory() {
    let daemon = Daemon::start(super::SMALL_KV_MB);
    super::stub_model::write(&daemon.env.path().join("second"));
    let seed = std::env::var("FORETYPE_SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let course = course();
    let handles = daemon.open_handles();
    let (mut tally, sight) = replay(&daemon, seed, &course);
    daemon.assert_idle();
    let (early, late) = (sight.most(0.2, 0.6), sight.most(0.6, 1.1));
    let (p50, p99) = (percentile(&mut tally.waits, 0.5), percentile(&mut tally.waits, 0.99));
    println!(
        "seed {seed}: {} windows, {} asked, {} answered, {} suggested (p50 {p50:.1} ms, p99 {p99:.1} ms), {} taken back; \
         most memory {early:.1} MB, later {late:.1} MB; KV caches {:.1} MB; {} handles",
        tally.windows,
        tally.asked,
        tally.answered,
        tally.suggested,
        tally.cancelled,
        sight.kv_bytes as f64 / f64::from(1 << 20),
        daemon.open_handles(),
    );
    assert!(tally.suggested * 20 > tally.asked && tally.cancelled > 0, "nothing much happened: {tally:?}");
    assert!(sight.kv_bytes as usize > (daemon.kv_mb << 20) / 2, "the caches were never full");
    assert!(early > 0.0 && late < early + MAX_GROWTH_MB, "it grew from {early:.1} to {late:.1} MB");
    let kept = daemon.open_handles().saturating_sub(handles);
    assert!(kept < 8, "it holds on to {kept} files and sockets of windows that are gone");
}
