//! A random replay of what people do: they type, delete, ask, take back, accept, open, close, switch, change settings, leave,
//! and crash.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Daemon;
use super::desk::Desk;
use super::tally::{Tally, percentile};

/// Windows at the same time.
const DESKS: usize = 4;
/// What each does in the short form.
const DEEDS: usize = 1000;
/// A file that has grown to this is written anew.
const LONG: usize = 6000;
/// Megabytes that the daemon may grow by after it has warmed up: what the allocator keeps between large and small requests
/// goes up and down by half of this.
const GROWTH: f64 = 16.0;

/// Numbers that look random and are the same for the same seed (SplitMix64, Steele and others, 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// When a replay ends.
enum Course {
    Deeds(usize),
    Until(Instant),
}

impl Course {
    fn share(&self, done: usize, started: Instant) -> f64 {
        match self {
            Self::Deeds(all) => done as f64 / *all as f64,
            Self::Until(end) => started.elapsed().as_secs_f64() / (*end - started).as_secs_f64(),
        }
    }
}

/// Somebody at a desk.
struct Person<'a> {
    daemon: &'a Daemon,
    number: usize,
    dice: Dice,
    desk: Desk,
    file: usize,
    total: Tally,
}

impl<'a> Person<'a> {
    fn new(daemon: &'a Daemon, number: usize, seed: u64) -> Self {
        let desk = Desk::open(daemon, number, &daemon.options());
        let dice = Dice(seed.wrapping_add(number as u64));
        let mut person = Self { daemon, number, dice, desk, file: 0, total: Tally::default() };
        person.desk.open_file(0);
        person
    }

    fn does_something(&mut self) {
        match self.dice.below(1000) {
            0..450 => self.types(),
            450..560 => self.deletes(),
            560..600 => self.changes_a_place(),
            600..650 => self.moves(),
            650..750 => self.desk.accept(self.file, self.dice.below(2) == 0),
            750..800 => self.desk.cancel_last(),
            800..830 => self.asks_by_hand(),
            830..860 => drop(self.desk.ask_status()),
            860..940 => self.switches_file(),
            940..960 => self.closes_a_file(),
            960..990 => self.changes_settings(),
            990..997 => std::thread::sleep(Duration::from_millis(50)),
            _ => self.leaves_and_comes_back(),
        }
        if self.dice.below(4) == 0 {
            // Looks at what has come before doing more.
            self.desk.hear_until(0);
        }
        self.desk.hear(Duration::from_millis(self.dice.pick(&[0, 0, 1, 3, 10])));
        self.desk.hear_until(24);
    }

    fn types(&mut self) {
        const TEXTS: &[&str] = &[
            "=", " ", "b", "r", "o", "w", "n", "_", "x =", "\n", "\n    ", "(", ")", "é", "𝄞", "\"", "brown", "# ", "{",
        ];
        let text = self.dice.pick(TEXTS);
        self.desk.type_in(self.file, text);
        if self.desk.files[self.file].text.len() > LONG {
            self.begins_anew();
        }
        self.desk.ask(self.file, false);
    }

    fn begins_anew(&mut self) {
        let all = 0..self.desk.files[self.file].text.len();
        let text = "value = 1\n".repeat(100 + self.dice.below(300));
        self.desk.replace(self.file, all, &text);
    }

    fn deletes(&mut self) {
        let it = &self.desk.files[self.file];
        let before = it.text[..it.cursor].char_indices().rev();
        let from = before.take(1 + self.dice.below(4)).last().map_or(it.cursor, |(at, _)| at);
        let bytes = from..it.cursor;
        self.desk.replace(self.file, bytes, "");
        self.desk.ask(self.file, false);
    }

    /// Somewhere else in the file, as a formatter or another person does.
    fn changes_a_place(&mut self) {
        let (from, to) = (self.place(), self.place());
        let bytes = from.min(to)..from.max(to).min(from.min(to) + 200);
        let end = floor(&self.desk.files[self.file].text, bytes.end);
        let text = self.dice.pick(&["", "# changed\n", "x = y\n"]);
        self.desk.replace(self.file, bytes.start..end.max(bytes.start), text);
    }

    fn moves(&mut self) {
        let at = self.place();
        let it = &mut self.desk.files[self.file];
        (it.cursor, it.ghost) = (at, None);
        self.desk.ask(self.file, false);
    }

    fn place(&mut self) -> usize {
        let text = &self.desk.files[self.file].text;
        floor(text, self.dice.below(text.len() + 1))
    }

    fn asks_by_hand(&mut self) {
        let id = self.desk.ask(self.file, true);
        if self.dice.below(2) == 0 {
            self.desk.hear_answer(id);
        }
    }

    fn switches_file(&mut self) {
        self.file = self.dice.below(self.desk.files.len());
        if !self.desk.files[self.file].is_open {
            self.desk.open_file(self.file);
        }
        self.desk.ask(self.file, false);
    }

    /// While an answer for it may be under way.
    fn closes_a_file(&mut self) {
        self.desk.ask(self.file, false);
        self.desk.close_file(self.file);
        self.desk.ask(self.file, false);
        self.switches_file();
    }

    fn changes_settings(&mut self) {
        let mut options = self.daemon.options();
        let second = self.daemon.world.path().join("second/parrot");
        if self.daemon.sings && self.dice.below(8) == 0 {
            options["model"] = json!(second);
        }
        options["inline"]["max_lines"] = json!(1 + self.dice.below(12));
        options["inline"]["multi_line"] = json!(self.dice.below(2) == 0);
        options["context"]["open_files"] = json!(self.dice.below(2) == 0);
        options["context"]["recent_edits"] = json!(self.dice.below(2) == 0);
        options["enable"] = json!({ "go": self.dice.below(2) == 0 });
        self.desk.settings(&options);
    }

    fn leaves_and_comes_back(&mut self) {
        let new = Desk::open(self.daemon, self.number, &self.daemon.options());
        let old = std::mem::replace(&mut self.desk, new);
        let crashes = self.dice.below(2) == 0;
        self.total.add(if crashes { old.vanish() } else { old.leave() });
        self.file = 0;
        self.desk.open_file(0);
    }

    fn leaves(mut self) -> Tally {
        self.total.add(self.desk.leave());
        self.total
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// What was seen of the daemon while it worked: how far the replay was, and the megabytes that were resident.
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

fn course() -> Course {
    let minutes = std::env::var("FORETYPE_SOAK_MINUTES").ok();
    minutes.map_or(Course::Deeds(DEEDS), |minutes| {
        let minutes: f64 = minutes.parse().expect("FORETYPE_SOAK_MINUTES is a number");
        Course::Until(Instant::now() + Duration::from_secs_f64(minutes * 60.0))
    })
}

/// Everybody does things until the course is over; meanwhile the daemon is watched.
fn replay(daemon: &Daemon, seed: u64, course: &Course) -> (Tally, Sight) {
    let started = Instant::now();
    let stop = AtomicBool::new(false);
    let done: Vec<_> = (0..DESKS).map(|_| AtomicUsize::new(0)).collect();
    let share = |number: usize| course.share(done[number].load(Ordering::Relaxed), started);
    let one = |number: usize| {
        let mut person = Person::new(daemon, number, seed);
        while share(number) < 1.0 && !stop.load(Ordering::Relaxed) {
            person.does_something();
            done[number].fetch_add(1, Ordering::Relaxed);
        }
        person.leaves()
    };
    std::thread::scope(|scope| {
        let one = &one;
        let people: Vec<_> = (0..DESKS).map(|number| scope.spawn(move || one(number))).collect();
        let mut sight = Sight::default();
        while people.iter().any(|person| !person.is_finished()) {
            let slowest = (0..DESKS).map(share).fold(1.0, f64::min);
            sight.megabytes.push((slowest, daemon.megabytes()));
            sight.kv_bytes = sight.kv_bytes.max(daemon.kv_bytes());
            // Should one of them fail, the others need not go on.
            let failed = people.iter().enumerate().any(|(number, person)| person.is_finished() && share(number) < 1.0);
            stop.fetch_or(failed, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(200));
        }
        let mut total = Tally::default();
        for person in people {
            total.add(person.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        (total, sight)
    })
}

#[test]
fn a_long_random_replay_loses_no_answer_and_no_memory() {
    let daemon = Daemon::start(super::LITTLE);
    super::parrot::write(&daemon.world.path().join("second"));
    let seed = std::env::var("FORETYPE_SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let course = course();
    let handles = daemon.handles();
    let (mut tally, sight) = replay(&daemon, seed, &course);
    daemon.comes_to_rest();
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
        daemon.handles(),
    );
    assert!(tally.suggested * 20 > tally.asked && tally.cancelled > 0, "nothing much happened: {tally:?}");
    assert!(sight.kv_bytes as usize > (daemon.kv_mb << 20) / 2, "the caches were never full");
    assert!(early > 0.0 && late < early + GROWTH, "it grew from {early:.1} to {late:.1} MB");
    let kept = daemon.handles().saturating_sub(handles);
    assert!(kept < 8, "it holds on to {kept} files and sockets of windows that are gone");
}
