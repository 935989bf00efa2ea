"""Test environment of one run: temporary folders, one daemon, and its Neovims. The run removes all of them."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pynvim

from terminal import Terminal
from window import Window, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "editors/neovim"
SHOP = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    "


class TestEnv:
    def __init__(self, program, out):
        self.program, self.out = program, out
        # Short, because the length of a socket's path is limited.
        self.home = Path(tempfile.mkdtemp(prefix="fnv-"))
        self.workspace = self.home / "shop"
        for name in ("shop", "run", "tmp", "config/nvim"):
            (self.home / name).mkdir(parents=True, mode=0o700)
        (self.workspace / ".git").mkdir()
        # Installed as a package, without a plugin manager.
        self.installed = self.home / "share/nvim/site/pack/foretype/start/foretype"
        shutil.copytree(PLUGIN, self.installed, ignore=shutil.ignore_patterns("tags"))
        self.windows = []
        self.version = tuple(int(part) for part in self._version().split("."))

    def _version(self):
        run = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return run.stdout.split()[1].removeprefix("v").split("-")[0]

    @property
    def variables(self):
        """Environment variables of the programs under test."""
        home = str(self.home)
        folders = {
            f"XDG_{name}_HOME": f"{home}/{folder}"
            for name, folder in (("CONFIG", "config"), ("DATA", "share"), ("STATE", "state"), ("CACHE", "cache"))
        }
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NVIM", "VIM", "XDG_", "FORETYPE_", "TMUX"))
        }
        return (
            inherited
            | folders
            | {
                "HOME": home,
                "XDG_RUNTIME_DIR": f"{home}/run",
                "TMPDIR": f"{home}/tmp",
                "LANG": "C.UTF-8",
                "FORETYPE_BIN": os.environ["FORETYPE_BIN"],
                "FORETYPE_MODEL": os.environ["FORETYPE_MODEL"],
                # A busy machine must not suppress suggestions.
                "FORETYPE_INLINE_DEADLINE_MS": "60000",
                "FORETYPE_INLINE_MINIMUM_CONFIDENCE": "-10",
                # The speed of the machine decides whether a suggestion is first shown in part.
                "FORETYPE_INLINE_SHOW_PARTS": "false",
            }
        )

    def write(self, name, text):
        path = self.workspace / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def script(self, name, text):
        """Writes a shell script that replaces the program under test, and returns its path."""
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
        """Arguments of a Neovim that opens a file with the cursor at its end."""
        init_file = self.home / f"init-{len(list(self.home.glob('init-*.lua')))}.lua"
        init_file.write_text(f"dofile({json.dumps(str(REPOSITORY / 'tests/neovim/init.lua'))})\n{init}\n")
        files = [] if name is None else ["+normal! G$", str(self.write(name, text) if text is not None else name)]
        return ["-u", str(init_file), *files]

    def open(self, name=None, text=None, init="", environment=None, size=(100, 30)):
        """Starts a Neovim with a file of the workspace and the cursor at its end."""
        command = ["/usr/bin/env", "-i", "-C", str(self.workspace)]
        command += [f"{key}={value}" for key, value in (self.variables | (environment or {})).items()]
        nvim = pynvim.attach("child", argv=[*command, self.program, "--embed", *self.arguments(name, text, init)])
        window = Window(nvim, self, size)
        self.windows.append(window)
        return window

    def open_with_suggestion(self, typed="return ", ghost="a - b", name="shop.py", **options):
        """Starts a Neovim, types, and waits for the suggestion."""
        window = self.open(name, SHOP, **options).wait_ready()
        window.press("A")
        window.type(typed)
        window.wait_ghost(ghost)
        return window

    def terminal(self, name, text, init=""):
        """Starts a Neovim in a terminal."""
        terminal = Terminal(self, self.arguments(name, text, init))
        self.windows.append(terminal)
        return terminal

    def close_windows(self, kill=False):
        while self.windows:
            self.windows.pop().close(kill)

    def processes(self):
        """Arguments of the running processes of the program under test in this environment, by process id."""
        mark = f"XDG_RUNTIME_DIR={self.home}/run"
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                path, *arguments = (folder / "cmdline").read_text().rstrip("\0").split("\0")
                if Path(path).name == "foretype" and mark in (folder / "environ").read_text().split("\0"):
                    found[int(folder.name)] = " ".join(arguments)
            except (OSError, UnicodeDecodeError):
                continue
        return found

    def send(self, signal_number, arguments):
        """Sends a signal to the processes with these arguments, and returns their ids."""
        pids = [pid for pid, process_arguments in self.processes().items() if process_arguments == arguments]
        for pid in pids:
            os.kill(pid, signal_number)
        return pids

    def stop(self):
        """Stops all processes that were started, by id, and removes the folders."""
        self.close_windows(kill=True)
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        try:
            wait_until(lambda: not self.processes(), "the daemon to exit", 15)
        finally:
            for log in [*self.home.glob("run/foretype/*.log"), *self.home.glob("state/nvim/*.log")]:
                shutil.copy(log, self.out / log.name)
            shutil.rmtree(self.home, ignore_errors=True)
