"""Folders of their own, one daemon, and the Neovims of a run; all of them end with the run."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pynvim

from terminal import Terminal
from window import Window, until

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "editors/neovim"
SHOP = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    "


class Bench:
    def __init__(self, program, out):
        self.program, self.out = program, out
        # The socket's path has to be short.
        self.home = Path(tempfile.mkdtemp(prefix="fnv-"))
        self.workspace = self.home / "shop"
        for name in ("shop", "run", "tmp", "config/nvim"):
            (self.home / name).mkdir(parents=True, mode=0o700)
        (self.workspace / ".git").mkdir()
        # As a user installs it without a plugin manager.
        self.installed = self.home / "share/nvim/site/pack/foretype/start/foretype"
        shutil.copytree(PLUGIN, self.installed, ignore=shutil.ignore_patterns("tags"))
        self.windows = []
        self.version = tuple(int(part) for part in self._version().split("."))

    def _version(self):
        run = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return run.stdout.split()[1].removeprefix("v").split("-")[0]

    @property
    def environment(self):
        home = str(self.home)
        folders = {f"XDG_{name}_HOME": f"{home}/{folder}" for name, folder in
                   (("CONFIG", "config"), ("DATA", "share"), ("STATE", "state"), ("CACHE", "cache"))}
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith(("NVIM", "VIM", "XDG_", "FORETYPE_", "TMUX"))}
        return inherited | folders | {
            "HOME": home, "XDG_RUNTIME_DIR": f"{home}/run", "TMPDIR": f"{home}/tmp", "LANG": "C.UTF-8",
            "FORETYPE_BIN": os.environ["FORETYPE_BIN"], "FORETYPE_MODEL": os.environ["FORETYPE_MODEL"],
            # A busy machine is no reason for an empty screen.
            "FORETYPE_INLINE_DEADLINE_MS": "60000", "FORETYPE_INLINE_MINIMUM_CONFIDENCE": "-10",
            # Whether a suggestion is shown in part first hangs on how fast the machine is.
            "FORETYPE_INLINE_SHOW_PARTS": "false",
        }

    def write(self, name, text):
        path = self.workspace / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def script(self, name, text):
        """A program in the place of the one under test."""
        path = self.home / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def stub_model(self, name, reply):
        """Writes a stub model that answers `reply` (endlessly, if it is empty) and returns its path."""
        path = self.home / name
        if not path.exists():
            program = Path(os.environ["FORETYPE_BIN"]).with_name("stub-model")
            subprocess.run([program, path, reply], check=True)
        return str(path)

    def arguments(self, name=None, text=None, init=""):
        """The command line of a Neovim with a file open and the cursor at its end."""
        own = self.home / f"init-{len(list(self.home.glob('init-*.lua')))}.lua"
        own.write_text(f"dofile({json.dumps(str(REPOSITORY / 'tests/neovim/init.lua'))})\n{init}\n")
        files = [] if name is None else ["+normal! G$", str(self.write(name, text) if text is not None else name)]
        return ["-u", str(own), *files]

    def open(self, name=None, text=None, init="", environment=None, size=(100, 30)):
        """A Neovim with a file of the workspace open, and the cursor at its end."""
        start = ["/usr/bin/env", "-i", "-C", str(self.workspace)]
        start += [f"{key}={value}" for key, value in (self.environment | (environment or {})).items()]
        nvim = pynvim.attach("child", argv=[*start, self.program, "--embed", *self.arguments(name, text, init)])
        window = Window(nvim, self, size)
        self.windows.append(window)
        return window

    def shop(self, typed="return ", ghost="a - b", name="shop.py", **options):
        """A Neovim in which a suggestion has come."""
        window = self.open(name, SHOP, **options).ready()
        window.press("A")
        window.type(typed)
        window.wait_ghost(ghost)
        return window

    def terminal(self, name, text, init=""):
        terminal = Terminal(self, self.arguments(name, text, init))
        self.windows.append(terminal)
        return terminal

    def close_windows(self, hang=False):
        while self.windows:
            self.windows.pop().close(hang)

    def processes(self):
        """Processes of the program under test that this bench started: id and arguments."""
        mark = f"XDG_RUNTIME_DIR={self.home}/run"
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                program, *arguments = (folder / "cmdline").read_text().rstrip("\0").split("\0")
                if Path(program).name == "foretype" and mark in (folder / "environ").read_text().split("\0"):
                    found[int(folder.name)] = " ".join(arguments)
            except (OSError, UnicodeDecodeError):
                continue
        return found

    def send(self, signal_number, arguments):
        """Sends a signal to the processes with these arguments; gives their ids."""
        numbers = [number for number, own in self.processes().items() if own == arguments]
        for number in numbers:
            os.kill(number, signal_number)
        return numbers

    def stop(self):
        """Ends what was started, by its process id."""
        self.close_windows(hang=True)
        for number in self.processes():
            try:
                os.kill(number, signal.SIGTERM)
            except ProcessLookupError:
                pass
        try:
            until(lambda: not self.processes(), "the daemon ends", 15)
        finally:
            for log in [*self.home.glob("run/foretype/*.log"), *self.home.glob("state/nvim/*.log")]:
                shutil.copy(log, self.out / log.name)
            shutil.rmtree(self.home, ignore_errors=True)
