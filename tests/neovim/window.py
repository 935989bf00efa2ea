"""A Neovim, driven by keys and observed by its screen. Every wait ends with a condition or a generous timeout."""

import os
import re
import signal
import time

from screen import Screen

# Time limit of a wait. Long, because a busy machine must not fail a case.
TIMEOUT_SECONDS = 120


def wait_until(condition, description, timeout=TIMEOUT_SECONDS):
    """Waits until `condition()` is true and returns its result. `description` is a text or a function."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out; expected: {description() if callable(description) else description}")
        time.sleep(0.01)


def quit_neovim(nvim, pid, kill):
    """Quits a Neovim, or kills it if it must not or cannot answer."""
    try:
        if kill or nvim.api.get_mode()["blocking"]:
            os.kill(pid, signal.SIGKILL)
        else:
            nvim.quit("qall!")
    except (EOFError, OSError):
        # It exited before it could answer.
        pass
    try:
        nvim.close()
    except (EOFError, OSError, RuntimeError):
        # The event loop was stopped by a signal, which is raised later.
        pass


class Window:
    """A Neovim to which the test attaches as a user interface."""

    def __init__(self, nvim, env, size=(100, 30)):
        self.nvim, self.env = nvim, env
        self.pid = nvim.call("getpid")
        self.screen = Screen(*size)
        nvim.ui_attach(*size, rgb=True, ext_linegrid=True)
        wait_until(lambda: self.lua("return vim.v.vim_did_enter == 1"), "Neovim to start")
        self.screen.ghost_colour = self.lua("return (vim.api.nvim_get_hl(0, { name = 'ForetypeSuggestion' })).fg")

    # State

    def lua(self, code, *args):
        return self.nvim.exec_lua(code, *args)

    def command(self, text):
        return self.nvim.command_output(text)

    def update_screen(self):
        """Processes what Neovim has drawn by now and returns the screen. In the middle of a command of several keys,
        Neovim does not answer, and the screen is returned as it is."""
        if self.nvim.api.get_mode()["blocking"]:
            return self.screen
        self.nvim.call("rpcnotify", self.nvim.channel_id, "drawn")
        while True:
            _, name, arguments = self.nvim.next_message()
            if name == "redraw":
                self.screen.redraw(arguments)
            elif name == "drawn":
                return self.screen

    def ghost(self):
        return self.update_screen().ghost()

    def lines(self):
        return self.nvim.current.buffer[:]

    def cursor(self):
        row, column = self.nvim.current.window.cursor
        return row, column

    def status(self):
        return self.lua(
            "local s = require('foretype').status(); return { state = s.state, text = s.text, fault = s.fault }"
        )

    def recorded(self, kind):
        """Events of a kind that init.lua has recorded."""
        return self.lua("return _G.recorded[...]", kind)

    def events(self, name):
        return [event.get("data") for event in self.recorded("events") if event["name"] == f"Foretype{name}"]

    def notified(self):
        """Texts of the notifications, the latest last."""
        return [notification["text"] for notification in self.recorded("notifications")]

    def request_count(self):
        """Number of requests for suggestions."""
        return sum(request["type"] == "pending" for request in self.recorded("suggestion_requests"))

    def is_waiting(self):
        """Returns true if a request for suggestions is pending."""
        last = {request["id"]: request["type"] for request in self.recorded("suggestion_requests")}
        return "pending" in last.values()

    # Actions

    def press(self, *keys):
        """Presses keys, given in Neovim's notation, one after another."""
        for key in keys:
            self.nvim.input(key)
            self.update_screen()

    def type(self, text):
        self.press(*("<lt>" if letter == "<" else letter for letter in text))

    def wait_ready(self):
        """Waits until the model is loaded, and returns this window."""
        wait_until(lambda: self.status()["state"] in ("ready", "busy"), lambda: f"ready; it is {self.status()}")
        return self

    def wait_ghost(self, pattern):
        """Waits for ghost text that matches the whole pattern, and returns it."""

        def matching_ghost():
            ghost = self.ghost()
            return ghost if re.fullmatch(pattern, ghost, re.S) and ghost else None

        def description():
            requests = self.recorded("suggestion_requests")[-4:]
            return f"ghost text {pattern!r}; it is {self.ghost()!r}, {self.status()}, {requests}\n{self.screen.text()}"

        return wait_until(matching_ghost, description)

    def wait_lines(self, lines):
        wait_until(lambda: self.lines() == lines, lambda: f"the buffer is {lines}; it is {self.lines()}")

    def wait_idle(self):
        """Waits until no request for suggestions is pending or scheduled."""

        def is_idle():
            before = self.request_count()
            self.lua("vim.wait(60)")
            return not self.is_waiting() and self.request_count() == before

        wait_until(is_idle, "no more requests")

    def wait_no_ghost(self):
        wait_until(lambda: self.ghost() == "", lambda: f"no ghost text; it is {self.ghost()!r}")

    def expect_no_ghost(self):
        """Checks for a while that there is no ghost text."""
        for _ in range(25):
            ghost = self.ghost()
            assert ghost == "", f"unexpected ghost text: {ghost!r}"
            time.sleep(0.01)
        self.wait_idle()
        assert self.ghost() == "", f"unexpected ghost text: {self.ghost()!r}"

    def close(self, kill=False):
        quit_neovim(self.nvim, self.pid, kill)
