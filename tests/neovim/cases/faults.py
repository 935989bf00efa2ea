"""What is wrong is said once, with a way out."""

from signal import SIGCONT, SIGSTOP

from bench import SHOP
from window import until


def a_missing_program_is_told_once_and_checkhealth_names_the_remedy(bench):
    window = bench.open("missing.py", SHOP, init="require('foretype').setup({ binary = '/nowhere/foretype' })")
    until(window.notified, "a word")
    window.press("A")
    window.type("return ")
    window.press("<Esc>")
    window.command("edit other.py")
    window.press("i")
    window.keeps_no_ghost()
    window.press("<Esc>")
    assert window.notified() == ["Foretype: the option binary names /nowhere/foretype, which is not a program. See :checkhealth foretype"], window.notified()
    status = window.status()
    assert status["state"] == "notConnected" and status["fault"] and "/nowhere/foretype" in status["text"], status
    assert window.lua("return require('foretype').statusline()") == "Foretype !"
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "ERROR the option binary names /nowhere/foretype" in report and "cargo install --path server" in report, report
    window.command("bwipeout!")
    window.lua("require('foretype').setup({ binary = ... })", bench.environment["FORETYPE_BIN"])
    window.command("Foretype restart")
    window.ready()


def a_program_that_is_nowhere_is_told(bench):
    window = bench.open("missing.py", SHOP, environment={"FORETYPE_BIN": "", "PATH": "/usr/bin:/bin"})
    until(window.notified, "a word")
    assert window.notified() == ["Foretype: the program foretype is not found. See :checkhealth foretype"], window.notified()


def a_program_on_the_path_or_in_cargos_folder_is_found(bench):
    folder = bench.home / ".cargo/bin"
    folder.mkdir(parents=True)
    (folder / "foretype").symlink_to(bench.environment["FORETYPE_BIN"])
    window = bench.open("found.py", SHOP, environment={"FORETYPE_BIN": "", "PATH": "/usr/bin:/bin"})
    window.ready()
    assert window.lua("return (require('foretype.binary').find())") == str(folder / "foretype")
    window.close()
    bench.windows.remove(window)
    window = bench.open("found.py", SHOP, environment={"FORETYPE_BIN": "", "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(bench.home / "tmp")})
    until(lambda: window.lua("return require('foretype.binary').find() ~= nil"), "it is found")
    (folder / "foretype").unlink()


def a_program_that_ends_again_and_again_is_given_up_with_a_word(bench):
    crashing = bench.script("crashing", "exit 3")
    window = bench.open("crash.py", SHOP, init=f"require('foretype').setup({{ binary = '{crashing}' }})")
    until(lambda: any("in a row" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
    assert window.status()["text"] == "the daemon ends again and again" and window.status()["fault"]
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()
    assert sum("in a row" in text for text in window.notified()) == 1
    window.lua("require('foretype').setup({ binary = ... })", bench.environment["FORETYPE_BIN"])
    window.press("<Cmd>Foretype restart<CR>")
    window.ready()
    window.type("a")
    window.wait_ghost(" - b")


def a_program_that_is_something_else_does_not_disturb_typing(bench):
    silent = bench.script("silent", "exec sleep 600")
    window = bench.open("silent.py", SHOP, init=f"require('foretype').setup({{ binary = '{silent}' }})")
    window.press("A")
    window.type("return a")
    window.press("<Tab>", "<Esc>")
    assert window.lines()[-1].startswith("    return a"), window.lines()
    assert window.status()["state"] == "starting", window.status()


def a_daemon_that_hangs_does_not_disturb_typing_and_its_late_answer_is_dropped(bench):
    window = bench.shop()
    window.press("<C-]>")
    assert bench.send(SIGSTOP, "daemon serve")
    try:
        window.type("a")
        until(lambda: window.status()["state"] == "busy", lambda: f"it thinks: {window.status()}")
        assert window.lua("return require('foretype').statusline()") == "Foretype ·"
        window.type(" *")
        window.press("<Esc>")
        assert window.lines()[-1] == "    return a *" and window.status()["state"] != "busy"
        window.press("o")
        window.type("pass")
    finally:
        bench.send(SIGCONT, "daemon serve")
    window.wait_quiet()
    window.look()
    late = [ghost for ghost in window.screen.ghosts[window.screen.ghosts.index("a - b") + 1:] if ghost.strip().startswith(("- b", "a - b"))]
    assert not late, window.screen.ghosts


def what_a_hanging_daemon_was_asked_is_shown_when_it_answers(bench):
    window = bench.shop()
    window.press("<C-]>")
    assert bench.send(SIGSTOP, "daemon serve")
    try:
        window.type("a")
        until(lambda: window.status()["state"] == "busy", lambda: f"it thinks: {window.status()}")
    finally:
        bench.send(SIGCONT, "daemon serve")
    window.wait_ghost(" - b")
    until(lambda: window.status()["state"] == "ready", lambda: f"it has thought: {window.status()}")


def a_model_that_is_not_there_is_told_with_the_remedy(bench):
    window = bench.open("model.py", SHOP, environment={"FORETYPE_MODEL": "/nowhere/model.gguf"})
    until(lambda: window.status()["state"] == "error", lambda: f"an error: {window.status()}")
    assert "/nowhere/model.gguf" in window.status()["text"] and window.status()["fault"]
    until(lambda: any("/nowhere/model.gguf" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "ERROR the model: " in report and "foretype doctor" in report, report


def checkhealth_finds_nothing_wrong_where_nothing_is(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "ERROR" not in report and "WARNING" not in report, report
    for text in (f"{bench.environment['FORETYPE_BIN']} is foretype", "attached to shop.py", "qwen", "no key is taken by something else"):
        assert text.lower() in report.lower(), (text, report)


def checkhealth_names_a_key_that_something_else_has(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.lua("vim.keymap.set('i', '<Tab>', 'mine', { desc = 'my own' })")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "<Tab> is mapped to something else: my own" in report, report


def a_key_that_only_the_buffer_maps_is_named(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.lua("vim.keymap.set('i', '<Tab>', 'mine', { desc = 'of the buffer', buffer = 0 })")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "<Tab> is mapped to something else: of the buffer" in report, report
