//! The windows that the prompts of a document were built on.

use std::collections::VecDeque;
use std::sync::Arc;

use foretype_plugins::{Request, Window, window};

/// Places of a document that are remembered.
const KEPT: usize = 4;

/// The windows of the last prompts, so that who comes back to a place finds it as it was read.
#[derive(Debug, Default)]
pub struct Windows {
    /// The latest last.
    windows: VecDeque<Arc<Window>>,
}

impl Windows {
    /// The window of the last prompt.
    pub fn latest(&self) -> Option<&Arc<Window>> {
        self.windows.back()
    }

    /// Gives a request the latest window that holds for it; if none does, the latest, whose beginning a new one may share. Says whether
    /// one holds.
    pub fn choose_for(&self, request: &mut Request) -> bool {
        for window in self.windows.iter().rev() {
            request.window = Some(window.clone());
            if window::holds(request) {
                return true;
            }
        }
        request.window = self.latest().cloned();
        false
    }

    /// A prompt was built on this window.
    pub fn put(&mut self, window: Arc<Window>) {
        self.remove(&window);
        self.windows.push_back(window);
        if self.windows.len() > KEPT {
            self.windows.pop_front();
        }
    }

    /// Prompts are to be written anew.
    pub fn clear(&mut self) {
        self.windows.clear();
    }

    /// A window takes the place of another.
    pub fn replace(&mut self, old: &Arc<Window>, new: Arc<Window>) {
        self.remove(old);
        self.put(new);
    }

    /// Wherever its anchor lies by now.
    fn remove(&mut self, window: &Window) {
        self.windows.retain(|other| (&other.before, &other.after) != (&window.before, &window.after));
    }
}
