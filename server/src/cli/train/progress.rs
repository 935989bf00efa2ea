//! How a run goes, on the terminal, and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foretype_model::train::run::Metrics;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar with the figures of the last step.
pub(super) struct Shown {
    bar: ProgressBar,
    bytes_per_token: f64,
    held_out: std::cell::Cell<Option<f64>>,
}

impl Shown {
    /// For a run of so many steps, of which some are done.
    pub(super) fn new(steps: usize, done: usize, bytes_per_token: f64) -> Self {
        let bar = ProgressBar::new(steps as u64).with_position(done as u64);
        let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg} {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        Self { bar, bytes_per_token, held_out: std::cell::Cell::new(None) }
    }

    /// A step was done.
    pub(super) fn step(&self, metrics: &Metrics) {
        let step = &metrics.step;
        if let Some(loss) = metrics.held_out {
            self.held_out.set(Some(loss));
            self.say(metrics, loss);
        }
        let held_out = self.held_out.get().map(|loss| format!(", held-out {loss:.3}")).unwrap_or_default();
        let speed = step.tokens as f64 / metrics.seconds.max(1e-9);
        self.bar.set_message(format!("loss {:.3}{held_out}, {speed:.0} tokens/s,", step.loss));
        self.bar.set_position(step.step as u64);
    }

    /// A line that stays.
    fn say(&self, metrics: &Metrics, held_out: f64) {
        let bits = held_out / std::f64::consts::LN_2 / self.bytes_per_token.max(1e-9);
        let (step, loss) = (metrics.step.step, metrics.step.loss);
        let line = format!("step {step}: loss {loss:.4}, held-out {held_out:.4} ({bits:.4} bits a byte)");
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether somebody pressed Ctrl-C.
pub(super) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// Listens from now on. The first time the run ends after its step, with a checkpoint; the second time the process ends.
    pub(super) fn watch() -> Self {
        let pressed = Arc::new(AtomicBool::new(false));
        let heard = pressed.clone();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    if heard.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                    eprintln!("foretype: stopping after this step; press again to stop at once");
                }
            });
        });
        Self(pressed)
    }

    pub(super) fn yes(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
