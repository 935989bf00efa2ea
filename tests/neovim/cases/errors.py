"""Problems are reported once, with a fix, and do not disturb typing."""

from signal import SIGCONT, SIGSTOP

from test_env import SHOP
from window import wait_until


def a_missing_program_is_reported_once_and_checkhealth_suggests_a_fix(env):
    window = env.open("missing.py", SHOP, init="require('foretype').setup({ binary = '/nowhere/foretype' })")
    wait_until(window.notified, "a notification")
    window.press("A")
    window.type("return ")
    window.press("<Esc>")
    window.command("edit other.py")
    window.press("i")
    window.expect_no_ghost()
    window.press("<Esc>")
    assert window.notified() == [
        "Foretype: the option binary names /nowhere/foretype, which is not executable. See :checkhealth foretype"
    ], window.notified()
    status = window.status()
    assert status["state"] == "notConnected" and status["fault"] and "/nowhere/foretype" in status["text"], status
    assert window.lua("return require('foretype').statusline()") == "Foretype !"
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert (
        "ERROR the option binary names /nowhere/foretype" in report and "cargo install --path server" in report
    ), report
    window.command("bwipeout!")
    window.lua("require('foretype').setup({ binary = ... })", env.variables["FORETYPE_BIN"])
    window.command("Foretype restart")
    window.wait_ready()


def a_program_that_is_not_found_is_reported(env):
    window = env.open("missing.py", SHOP, environment={"FORETYPE_BIN": "", "PATH": "/usr/bin:/bin"})
    wait_until(window.notified, "a notification")
    assert window.notified() == [
        "Foretype: the program foretype was not found. See :checkhealth foretype"
    ], window.notified()


def a_program_on_the_path_or_in_cargos_folder_is_found(env):
    folder = env.home / ".cargo/bin"
    folder.mkdir(parents=True)
    (folder / "foretype").symlink_to(env.variables["FORETYPE_BIN"])
    window = env.open("found.py", SHOP, environment={"FORETYPE_BIN": "", "PATH": "/usr/bin:/bin"})
    window.wait_ready()
    assert window.lua("return (require('foretype.binary').find())") == str(folder / "foretype")
    window.close()
    env.windows.remove(window)
    window = env.open(
        "found.py",
        SHOP,
        environment={"FORETYPE_BIN": "", "PATH": f"{folder}:/usr/bin:/bin", "HOME": str(env.home / "tmp")},
    )
    wait_until(lambda: window.lua("return require('foretype.binary').find() ~= nil"), "the program")
    (folder / "foretype").unlink()


def a_program_that_keeps_exiting_is_given_up_with_a_message(env):
    crashing = env.script("crashing", "exit 3")
    window = env.open("crash.py", SHOP, init=f"require('foretype').setup({{ binary = '{crashing}' }})")
    wait_until(
        lambda: any("in a row" in text for text in window.notified()), lambda: f"a notification: {window.notified()}"
    )
    assert window.status()["text"] == "the server keeps exiting" and window.status()["fault"]
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()
    assert sum("in a row" in text for text in window.notified()) == 1
    window.lua("require('foretype').setup({ binary = ... })", env.variables["FORETYPE_BIN"])
    window.press("<Cmd>Foretype restart<CR>")
    window.wait_ready()
    window.type("a")
    window.wait_ghost(" - b")


def another_program_in_its_place_does_not_disturb_typing(env):
    silent = env.script("silent", "exec sleep 600")
    window = env.open("silent.py", SHOP, init=f"require('foretype').setup({{ binary = '{silent}' }})")
    window.press("A")
    window.type("return a")
    window.press("<Tab>", "<Esc>")
    assert window.lines()[-1].startswith("    return a"), window.lines()
    assert window.status()["state"] == "starting", window.status()


def a_hanging_daemon_does_not_disturb_typing_and_its_stale_answer_is_dropped(env):
    window = env.open_with_suggestion()
    window.press("<C-]>")
    assert env.send(SIGSTOP, "daemon serve")
    try:
        window.type("a")
        wait_until(lambda: window.status()["state"] == "busy", lambda: f"busy: {window.status()}")
        assert window.lua("return require('foretype').statusline()") == "Foretype ·"
        window.type(" *")
        window.press("<Esc>")
        assert window.lines()[-1] == "    return a *" and window.status()["state"] != "busy"
        window.press("o")
        window.type("pass")
    finally:
        env.send(SIGCONT, "daemon serve")
    window.wait_idle()
    window.update_screen()
    stale = [
        ghost
        for ghost in window.screen.ghosts[window.screen.ghosts.index("a - b") + 1 :]
        if ghost.strip().startswith(("- b", "a - b"))
    ]
    assert not stale, window.screen.ghosts


def a_late_answer_that_still_fits_is_shown(env):
    window = env.open_with_suggestion()
    window.press("<C-]>")
    assert env.send(SIGSTOP, "daemon serve")
    try:
        window.type("a")
        wait_until(lambda: window.status()["state"] == "busy", lambda: f"busy: {window.status()}")
    finally:
        env.send(SIGCONT, "daemon serve")
    window.wait_ghost(" - b")
    wait_until(lambda: window.status()["state"] == "ready", lambda: f"ready: {window.status()}")


def a_missing_model_is_reported_with_a_fix(env):
    window = env.open("model.py", SHOP, environment={"FORETYPE_MODEL": "/nowhere/model.gguf"})
    wait_until(lambda: window.status()["state"] == "error", lambda: f"an error: {window.status()}")
    assert "/nowhere/model.gguf" in window.status()["text"] and window.status()["fault"]
    wait_until(
        lambda: any("/nowhere/model.gguf" in text for text in window.notified()),
        lambda: f"a notification: {window.notified()}",
    )
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "ERROR the model: " in report and "foretype doctor" in report, report


def checkhealth_reports_no_problems_in_a_working_setup(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "ERROR" not in report and "WARNING" not in report, report
    for text in (
        f"{env.variables['FORETYPE_BIN']} is foretype",
        "attached to shop.py",
        "qwen",
        "no key is mapped to something else",
    ):
        assert text.lower() in report.lower(), (text, report)


def checkhealth_names_a_key_with_another_mapping(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.lua("vim.keymap.set('i', '<Tab>', 'mine', { desc = 'my own' })")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "<Tab> is mapped to something else: my own" in report, report


def checkhealth_names_a_key_with_a_buffer_local_mapping(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.lua("vim.keymap.set('i', '<Tab>', 'mine', { desc = 'of the buffer', buffer = 0 })")
    window.command("checkhealth foretype")
    report = "\n".join(window.lines())
    assert "<Tab> is mapped to something else: of the buffer" in report, report
