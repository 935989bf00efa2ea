//! Progress of a training run on the terminal, and its interruption by Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foretype_model::train::run::StepMetrics;
use indicatif::{ProgressBar, ProgressStyle};

/// Progress bar with the figures of the last step.
pub(super) struct TrainingProgress {
    bar: ProgressBar,
    bytes_per_token: f64,
    held_out: std::cell::Cell<Option<f64>>,
}

impl TrainingProgress {
    /// Creates the bar for a run of `steps` steps, of which `done` are already done.
    pub(super) fn new(steps: usize, done: usize, bytes_per_token: f64) -> Self {
        let bar = ProgressBar::new(steps as u64).with_position(done as u64);
        let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg} {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        Self { bar, bytes_per_token, held_out: std::cell::Cell::new(None) }
    }

    /// Shows the figures of a step.
    pub(super) fn show_step(&self, metrics: &StepMetrics) {
        let step = &metrics.step;
        if let Some(loss) = metrics.held_out {
            self.held_out.set(Some(loss));
            self.print_held_out(metrics, loss);
        }
        let held_out = self.held_out.get().map(|loss| format!(", held-out {loss:.3}")).unwrap_or_default();
        let speed = step.tokens as f64 / metrics.seconds.max(1e-9);
        self.bar.set_message(format!("loss {:.3}{held_out}, {speed:.0} tokens/s,", step.loss));
        self.bar.set_position(step.step as u64);
    }

    /// Prints the held-out loss on a line that stays.
    fn print_held_out(&self, metrics: &StepMetrics, held_out: f64) {
        let bits = held_out / std::f64::consts::LN_2 / self.bytes_per_token.max(1e-9);
        let (step, loss) = (metrics.step.step, metrics.step.loss);
        let line = format!("step {step}: loss {loss:.4}, held-out {held_out:.4} ({bits:.4} bits per byte)");
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Flag that is set when Ctrl-C is pressed.
pub(super) struct InterruptFlag(Arc<AtomicBool>);

impl InterruptFlag {
    /// Listens from now on. The first Ctrl-C ends the run after the current step, with a checkpoint; the second ends
    /// the process.
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
                    eprintln!("foretype: stopping after this step (press Ctrl-C again to stop immediately)");
                }
            });
        });
        Self(pressed)
    }

    /// Returns true once Ctrl-C was pressed.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
