//! Windows that the latest prompts of a document were built on.

use std::collections::VecDeque;
use std::sync::Arc;

use foretype_plugins::{Request, Window, window};

/// Windows that are kept, one for each place that the user may return to.
const MAX_WINDOWS: usize = 4;

/// Windows of the latest prompts, so that a user who returns to a place finds its prompt in the KV cache.
#[derive(Debug, Default)]
pub(crate) struct RecentWindows {
    /// Windows, the latest last.
    windows: VecDeque<Arc<Window>>,
}

impl RecentWindows {
    /// Window of the latest prompt.
    pub(crate) fn latest(&self) -> Option<&Arc<Window>> {
        self.windows.back()
    }

    /// Attaches the latest reusable window to a request and returns true. If none is reusable, attaches the latest,
    /// because a new window may share its beginning, and returns false.
    pub(crate) fn attach_to(&self, request: &mut Request) -> bool {
        for window in self.windows.iter().rev() {
            request.window = Some(window.clone());
            if window::is_reusable(request) {
                return true;
            }
        }
        request.window = self.latest().cloned();
        false
    }

    /// Records the window of a prompt.
    pub(crate) fn push(&mut self, window: Arc<Window>) {
        self.remove(&window);
        self.windows.push_back(window);
        if self.windows.len() > MAX_WINDOWS {
            self.windows.pop_front();
        }
    }

    /// Removes all windows, so that the next prompt is built from scratch.
    pub(crate) fn clear(&mut self) {
        self.windows.clear();
    }

    /// Replaces a window.
    pub(crate) fn replace(&mut self, old: &Arc<Window>, new: Arc<Window>) {
        self.remove(old);
        self.push(new);
    }

    /// Removes a window by its text, since edits above it shift its anchor.
    fn remove(&mut self, window: &Window) {
        self.windows.retain(|other| (&other.prefix, &other.suffix) != (&window.prefix, &window.suffix));
    }
}
