"""A Neovim in a real terminal: tmux gives it keys as a keyboard would, and shows what it draws, with colours."""

import itertools
import os
import re
import subprocess

import pynvim

from window import end, until

numbers = itertools.count()
COLOUR = re.compile(r"\x1b\[([0-9;]*)m")


class Terminal:
    def __init__(self, bench, arguments):
        self.name = f"foretype-{os.getpid()}-{next(numbers)}"
        self.environment = bench.environment | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        socket = bench.home / f"{self.name}.sock"
        self.tmux("new-session", "-d", "-x", "100", "-y", "30", "-c", str(bench.workspace), bench.program, "--listen", str(socket), *arguments)
        # A key like Alt is an escape and another key: without this tmux would hold the escape back.
        self.tmux("set-option", "-g", "escape-time", "0")
        until(socket.exists, "Neovim listens")
        self.nvim = pynvim.attach("socket", path=str(socket))
        self.pid = self.nvim.call("getpid")
        state = "return require('foretype').status().state"
        until(lambda: self.nvim.exec_lua(state) in ("ready", "busy"), lambda: f"ready; it is {self.nvim.exec_lua(state)}")
        self.grey = "38;2;%d;%d;%d" % tuple(self.nvim.exec_lua(
            "return vim.api.nvim_get_hl(0, { name = 'ForetypeSuggestion' }).fg").to_bytes(3, "big"))

    def tmux(self, *words):
        run = subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", *words], env=self.environment, capture_output=True, text=True)
        assert run.returncode == 0, f"tmux {words[0]}: {run.stderr}"
        return run.stdout

    def press(self, *keys):
        """Keys in tmux's notation."""
        for key in keys:
            self.tmux("send-keys", key)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def ghost(self):
        """What stands on the terminal in the colour of suggestions."""
        lines = []
        for line in self.tmux("capture-pane", "-p", "-e").split("\n"):
            grey, parts = False, []
            for number, part in enumerate(COLOUR.split(line)):
                if number % 2:
                    grey = self.grey in part
                elif grey:
                    parts.append(part)
            if parts:
                lines.append("".join(parts))
        return "\n".join(lines)

    def wait_ghost(self, pattern):
        look = lambda: (lambda ghost: ghost if ghost and re.fullmatch(pattern, ghost, re.S) else None)(self.ghost())
        return until(look, lambda: f"ghost text {pattern!r}; it is {self.ghost()!r} on\n{self.screen()}")

    def wait_no_ghost(self):
        until(lambda: self.ghost() == "", lambda: f"no ghost text; it is {self.ghost()!r}")

    def wait_last_line(self, text):
        until(lambda: self.nvim.current.buffer[-1] == text, lambda: f"the last line is {text!r}; it is {self.nvim.current.buffer[-1]!r}")

    def close(self, hangs=False):
        end(self.nvim, self.pid, hangs)
        subprocess.run(["tmux", "-L", self.name, "kill-server"], env=self.environment, capture_output=True)
