"""Neovims that share one daemon, and reconnect after it or their connection was killed."""

import subprocess
from signal import SIGKILL

from window import wait_until


def two_windows_share_one_daemon(env):
    first, second = env.open_with_suggestion(), env.open_with_suggestion(name="two.py")
    pids = [window.command("Foretype status").split("process ")[1].split()[0] for window in (first, second)]
    daemons = [str(number) for number, arguments in env.processes().items() if arguments == "daemon serve"]
    assert pids == daemons * 2 and len(daemons) == 1, (pids, env.processes())
    second.close()
    env.windows.remove(second)
    wait_until(
        lambda: list(env.processes().values()).count("lsp") == 1,
        lambda: f"the second connection process to exit: {env.processes()}",
    )
    first.press("<Tab>")
    wait_until(lambda: first.lines()[-1] == "    return a - b", "the first window to accept")


def a_killed_connection_is_restored(env):
    window = env.open_with_suggestion()
    killed = env.send(SIGKILL, "lsp")
    assert killed
    wait_until(
        lambda: (lambda now: now and not set(now) & set(killed))(
            [number for number, own in env.processes().items() if own == "lsp"]
        ),
        "a new process",
    )
    window.wait_no_ghost()
    window.wait_ready()
    window.type("a")
    window.wait_ghost(" - b")
    assert not [text for text in window.notified() if "in a row" in text]


def a_killed_daemon_is_restarted(env):
    window = env.open_with_suggestion()
    killed = env.send(SIGKILL, "daemon serve")
    assert len(killed) == 1
    wait_until(lambda: "daemon serve" in env.processes().values() and killed[0] not in env.processes(), "a new daemon")
    window.wait_ready()
    window.type("a")
    window.wait_ghost(" - b")


def restart_opens_a_new_connection(env):
    window = env.open_with_suggestion()
    before = window.lua("return vim.lsp.get_clients({ name = 'foretype' })[1].id")
    window.press("<Cmd>Foretype restart<CR>")
    wait_until(
        lambda: window.lua(
            "local c = vim.lsp.get_clients({ name = 'foretype' })[1]; return c and c.initialized and c.id or 0"
        )
        > before,
        "a new client",
    )
    window.wait_ready()
    window.type("a")
    window.wait_ghost(" - b")


def the_log_can_be_opened(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.command("Foretype log")
    assert any(buffer.name.endswith("/daemon.log") for buffer in window.nvim.buffers), [
        buffer.name for buffer in window.nvim.buffers
    ]


def no_process_outlives_its_Neovim(env):
    window = env.open_with_suggestion()
    window.close()
    env.windows.remove(window)
    wait_until(
        lambda: "lsp" not in env.processes().values(), lambda: f"the connection process to exit: {env.processes()}"
    )
    run = subprocess.run(
        [env.variables["FORETYPE_BIN"], "daemon", "status"], env=env.variables, capture_output=True, text=True
    )
    assert run.returncode == 0, run


def text_typed_while_no_server_runs_is_not_lost(env):
    works = env.home / "works"
    works.touch()
    program = env.script("sometimes", f'[ -e {works} ] || exit 3\nexec {env.variables["FORETYPE_BIN"]} "$@"')
    window = env.open_with_suggestion(init=f"require('foretype').setup({{ binary = '{program}' }})")
    works.unlink()
    assert env.send(SIGKILL, "lsp")
    wait_until(lambda: window.status()["state"] == "notConnected", lambda: f"a lost connection: {window.status()}")
    window.type("a")
    window.wait_no_ghost()
    works.touch()
    window.press("<Cmd>Foretype restart<CR>")
    window.wait_ready()
    window.type(" ")
    window.wait_ghost("- b")
    assert window.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 1, "the placeholder client is detached"
