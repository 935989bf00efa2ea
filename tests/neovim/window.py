"""One Neovim, as a user sees and uses it: keys go in, a screen comes out. All waits end with an event or after a generous time."""

import os
import re
import signal
import time

import pynvim

from screen import Screen

PATIENCE = 120


def until(look, what, limit=PATIENCE):
    """Waits until `look` gives something true, and gives that."""
    end = time.monotonic() + limit
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"in vain: {what() if callable(what) else what}")
        time.sleep(0.01)


def end(nvim, pid, hangs):
    """Ends a Neovim."""
    try:
        if hangs or nvim.api.get_mode()["blocking"]:
            os.kill(pid, signal.SIGKILL)
        else:
            nvim.quit("qall!")
    except (EOFError, OSError):
        # It went before it could answer.
        pass
    try:
        nvim.close()
    except (EOFError, OSError, RuntimeError):
        # A signal that ended its event loop is on its way up already.
        pass


class Window:
    """A Neovim whose interface we are."""

    def __init__(self, nvim, bench, size=(100, 30)):
        self.nvim, self.bench = nvim, bench
        self.pid = nvim.call("getpid")
        self.screen = Screen(*size)
        nvim.ui_attach(*size, rgb=True, ext_linegrid=True)
        until(lambda: self.lua("return vim.v.vim_did_enter == 1"), "Neovim starts")
        self.screen.ghost_colour = self.lua("return (vim.api.nvim_get_hl(0, { name = 'ForetypeSuggestion' })).fg")

    # Questions

    def lua(self, code, *args):
        return self.nvim.exec_lua(code, *args)

    def command(self, text):
        return self.nvim.command_output(text)

    def look(self):
        """Takes in all that Neovim has drawn by now; within a command of several keys it answers nothing."""
        if self.nvim.api.get_mode()["blocking"]:
            return self.screen
        self.nvim.call("rpcnotify", self.nvim.channel_id, "looked")
        while True:
            _, name, arguments = self.nvim.next_message()
            if name == "redraw":
                self.screen.redraw(arguments)
            elif name == "looked":
                return self.screen

    def ghost(self):
        return self.look().ghost()

    def lines(self):
        return self.nvim.current.buffer[:]

    def cursor(self):
        row, column = self.nvim.current.window.cursor
        return row, column

    def status(self):
        return self.lua("local s = require('foretype').status(); return { state = s.state, text = s.text, fault = s.fault }")

    def seen(self, what):
        return self.lua("return _G.seen[...]", what)

    def events(self, name):
        return [event.get("data") for event in self.seen("events") if event["name"] == f"Foretype{name}"]

    def notified(self):
        return [each["text"] for each in self.seen("notified")]

    def asked(self):
        """How many suggestions were asked for."""
        return sum(request["type"] == "pending" for request in self.seen("requests"))

    def waits(self):
        """Whether an answer is still to come."""
        last = {request["id"]: request["type"] for request in self.seen("requests")}
        return "pending" in last.values()

    # Deeds

    def press(self, *keys):
        """Keys in Neovim's notation, each when the one before was dealt with."""
        for key in keys:
            self.nvim.input(key)
            self.look()

    def type(self, text):
        self.press(*("<lt>" if letter == "<" else letter for letter in text))

    def ready(self):
        until(lambda: self.status()["state"] in ("ready", "busy"), lambda: f"ready; it is {self.status()}")
        return self

    def wait_ghost(self, pattern):
        """Waits for ghost text that matches as a whole, and gives it."""
        def look():
            ghost = self.ghost()
            return ghost if re.fullmatch(pattern, ghost, re.S) and ghost else None
        return until(look, lambda: f"ghost text {pattern!r}; it is {self.ghost()!r}, status {self.status()}, "
                           f"asked {self.seen('requests')[-4:]}\n{self.screen.text()}")

    def wait_lines(self, lines):
        until(lambda: self.lines() == lines, lambda: f"the buffer is {lines}; it is {self.lines()}")

    def wait_quiet(self):
        """Waits until no suggestion is asked for or will be."""
        def look():
            before = self.asked()
            self.lua("vim.wait(60)")
            return not self.waits() and self.asked() == before
        until(look, "nothing is asked any more")

    def wait_no_ghost(self):
        until(lambda: self.ghost() == "", lambda: f"no ghost text; it is {self.ghost()!r}")

    def keeps_no_ghost(self):
        """Looks for a while: there is no ghost text, and none comes."""
        for _ in range(25):
            ghost = self.ghost()
            assert ghost == "", f"ghost text where none should be: {ghost!r}"
            time.sleep(0.01)
        self.wait_quiet()
        assert self.ghost() == "", f"ghost text where none should be: {self.ghost()!r}"

    def close(self, hangs=False):
        end(self.nvim, self.pid, hangs)
