"""Several Neovims share one daemon; when it ends, each comes back by itself."""

import subprocess
from signal import SIGKILL

from bench import SHOP
from window import until


def two_windows_share_one_daemon(bench):
    first, second = bench.shop(), bench.shop(name="two.py")
    pids = [window.command("Foretype status").split("process ")[1].split()[0] for window in (first, second)]
    daemons = [str(number) for number, arguments in bench.processes().items() if arguments == "daemon serve"]
    assert pids == daemons * 2 and len(daemons) == 1, (pids, bench.processes())
    second.close()
    bench.windows.remove(second)
    until(lambda: list(bench.processes().values()).count("lsp") == 1, lambda: f"the process of the second ends with it: {bench.processes()}")
    first.press("<Tab>")
    until(lambda: first.lines()[-1] == "    return a - b", "the first goes on")


def a_connection_that_is_killed_comes_back(bench):
    window = bench.shop()
    killed = bench.send(SIGKILL, "lsp")
    assert killed
    until(lambda: (lambda now: now and not set(now) & set(killed))([number for number, own in bench.processes().items() if own == "lsp"]), "another process")
    window.wait_no_ghost()
    window.ready()
    window.type("a")
    window.wait_ghost(" - b")
    assert not [text for text in window.notified() if "in a row" in text]


def a_daemon_that_is_killed_comes_back(bench):
    window = bench.shop()
    killed = bench.send(SIGKILL, "daemon serve")
    assert len(killed) == 1
    until(lambda: "daemon serve" in bench.processes().values() and killed[0] not in bench.processes(), "another daemon")
    window.ready()
    window.type("a")
    window.wait_ghost(" - b")


def restart_gives_a_new_connection(bench):
    window = bench.shop()
    before = window.lua("return vim.lsp.get_clients({ name = 'foretype' })[1].id")
    window.press("<Cmd>Foretype restart<CR>")
    until(lambda: window.lua("local c = vim.lsp.get_clients({ name = 'foretype' })[1]; return c and c.initialized and c.id or 0") > before, "another client")
    window.ready()
    window.type("a")
    window.wait_ghost(" - b")


def the_log_is_shown(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.command("Foretype log")
    assert any(buffer.name.endswith("/daemon.log") for buffer in window.nvim.buffers), [buffer.name for buffer in window.nvim.buffers]


def leaving_neovim_leaves_no_process_of_its_own(bench):
    window = bench.shop()
    window.close()
    bench.windows.remove(window)
    until(lambda: "lsp" not in bench.processes().values(), lambda: f"its process ends: {bench.processes()}")
    run = subprocess.run([bench.environment["FORETYPE_BIN"], "daemon", "status"], env=bench.environment, capture_output=True, text=True)
    assert run.returncode == 0, run


def what_is_typed_while_there_is_no_server_is_not_lost(bench):
    works = bench.home / "works"
    works.touch()
    program = bench.script("sometimes", f'[ -e {works} ] || exit 3\nexec {bench.environment["FORETYPE_BIN"]} "$@"')
    window = bench.shop(init=f"require('foretype').setup({{ binary = '{program}' }})")
    works.unlink()
    assert bench.send(SIGKILL, "lsp")
    until(lambda: window.status()["state"] == "notConnected", lambda: f"it is away: {window.status()}")
    window.type("a")
    window.wait_no_ghost()
    works.touch()
    window.press("<Cmd>Foretype restart<CR>")
    window.ready()
    window.type(" ")
    window.wait_ghost("- b")
    assert window.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 1, "nobody stands in any more"
