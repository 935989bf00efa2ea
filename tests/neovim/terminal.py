"""A Neovim in a real terminal: tmux sends keys as a keyboard does, and captures the screen with its colours."""

import itertools
import os
import re
import subprocess

import pynvim

from window import quit_neovim, wait_until

session_numbers = itertools.count()
SGR_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")


def _attach(socket):
    """Attaches to a Neovim; None if it does not listen yet. Its socket file exists a moment before it listens."""
    try:
        return pynvim.attach("socket", path=str(socket))
    except (FileNotFoundError, ConnectionRefusedError):
        return None


class Terminal:
    def __init__(self, env, arguments):
        self.name = f"foretype-{os.getpid()}-{next(session_numbers)}"
        self.environment = env.variables | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        socket = env.home / f"{self.name}.sock"
        size = ["-x", "100", "-y", "30"]
        command = [env.program, "--listen", str(socket), *arguments]
        self.tmux("new-session", "-d", *size, "-c", str(env.workspace), *command)
        # With Alt, a key is sent as an escape and the key. By default, tmux delays the escape.
        self.tmux("set-option", "-g", "escape-time", "0")
        self.nvim = wait_until(lambda: _attach(socket), "Neovim to listen")
        self.pid = self.nvim.call("getpid")
        state = "return require('foretype').status().state"
        wait_until(
            lambda: self.nvim.exec_lua(state) in ("ready", "busy"), lambda: f"ready; it is {self.nvim.exec_lua(state)}"
        )
        self.grey = "38;2;%d;%d;%d" % tuple(
            self.nvim.exec_lua("return vim.api.nvim_get_hl(0, { name = 'ForetypeSuggestion' }).fg").to_bytes(3, "big")
        )

    def tmux(self, *arguments):
        run = subprocess.run(
            ["tmux", "-L", self.name, "-f", "/dev/null", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, f"tmux {arguments[0]}: {run.stderr}"
        return run.stdout

    def press(self, *keys):
        """Presses keys, given in tmux's notation."""
        for key in keys:
            self.tmux("send-keys", key)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def ghost(self):
        """Text in the colour of suggestions, one line for each row that has some."""
        lines = []
        for line in self.tmux("capture-pane", "-p", "-e").split("\n"):
            grey, parts = False, []
            for number, part in enumerate(SGR_SEQUENCE.split(line)):
                if number % 2:
                    grey = self.grey in part
                elif grey:
                    parts.append(part)
            if parts:
                lines.append("".join(parts))
        return "\n".join(lines)

    def wait_ghost(self, pattern):
        def matching_ghost():
            ghost = self.ghost()
            return ghost if ghost and re.fullmatch(pattern, ghost, re.S) else None

        return wait_until(matching_ghost, lambda: f"ghost text {pattern!r}; it is {self.ghost()!r} on\n{self.screen()}")

    def wait_no_ghost(self):
        wait_until(lambda: self.ghost() == "", lambda: f"no ghost text; it is {self.ghost()!r}")

    def wait_last_line(self, text):
        wait_until(
            lambda: self.nvim.current.buffer[-1] == text,
            lambda: f"the last line is {text!r}; it is {self.nvim.current.buffer[-1]!r}",
        )

    def close(self, kill=False):
        quit_neovim(self.nvim, self.pid, kill)
        subprocess.run(["tmux", "-L", self.name, "kill-server"], env=self.environment, capture_output=True)
