"""Switches, options, status, events and the command `:Foretype`."""

from test_env import SHOP
from window import wait_until

BEFORE = SHOP.split("\n")[:-1]


def trigger_manual_shows_nothing_until_requested(env):
    window = env.open("manual.py", SHOP, init="require('foretype').setup({ trigger = 'manual' })").wait_ready()
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()
    assert window.request_count() == 0
    window.press("<M-Bslash>")
    window.wait_ghost("a - b.*")
    window.type("a")
    window.wait_ghost(" - b.*")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])


def suggestions_can_be_disabled_and_enabled_in_a_buffer(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.command("Foretype disable buffer")
    assert window.status()["state"] == "disabled" and "this buffer" in window.status()["text"]
    window.press("A")
    window.expect_no_ghost()
    window.press("<Esc>")
    window.command("edit other.py")
    window.nvim.current.buffer[:] = SHOP.split("\n")
    window.wait_ready()
    window.press("G", "A")
    window.type("return ")
    window.wait_ghost("a - b")
    window.press("<Esc>")
    window.command("buffer shop.py")
    window.command("Foretype enable buffer")
    window.press("G", "A")
    window.wait_ghost("a - b")


def suggestions_can_be_disabled_and_enabled_for_a_filetype(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.command("Foretype toggle filetype")
    assert window.status()["text"] == "disabled for filetype python", window.status()
    window.press("A")
    window.expect_no_ghost()
    window.press("<Esc>")
    window.command("Foretype toggle filetype")
    window.press("A")
    window.wait_ghost("a - b")


def suggestions_can_be_disabled_and_enabled_everywhere_in_insert_mode(env):
    window = env.open_with_suggestion()
    window.press("<Cmd>Foretype disable<CR>")
    window.wait_no_ghost()
    window.type("a")
    window.expect_no_ghost()
    window.press("<Cmd>Foretype enable<CR>")
    window.type(" ")
    window.wait_ghost("- b")


def the_option_filetypes_limits_suggestions(env):
    window = env.open("off.py", SHOP, init="require('foretype').setup({ filetypes = { ['*'] = false, lua = true } })")
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()
    assert window.status()["state"] == "disabled" and not window.lua("return #vim.lsp.get_clients() > 0")
    assert window.lua("return require('foretype').statusline()") == "Foretype off"
    window.press("<Esc>")
    window.command("edit! on.lua")
    window.wait_ready()


def a_buffer_variable_disables_suggestions(env):
    window = env.open(
        "variable.py",
        SHOP,
        init="vim.api.nvim_create_autocmd('BufReadPost', { callback = function() vim.b.foretype_enabled = false end })",
    )
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()
    assert window.request_count() == 0


def invalid_options_are_rejected_with_all_problems(env):
    window = env.open_with_suggestion()
    for options, message in (
        ("{ trigger = 'often' }", "trigger must be 'automatic' or 'manual', not \"often\""),
        ("{ debounce = 3 }", "there is no option debounce"),
        ("{ debounce_ms = -1 }", "debounce_ms must be a whole number from 0 to 10000, not -1"),
        ("{ keys = { acept = '<Tab>' } }", "there is no option keys.acept"),
        ("{ keys = { accept = 3 } }", "keys.accept must be a key or false, not 3"),
        ("{ filetypes = { python = 'no' } }", 'filetypes["python"] must be true or false, not "no"'),
        ("{ enabled = 1, binary = false }", "binary must be a path, not false; enabled must be true or false, not 1"),
        ("{ hide_with_popup = 0 }", "hide_with_popup must be true or false, not 0"),
        ("{ server = 'x' }", 'server must be a table, not "x"'),
        ("{ 'a' }", 'the options must be a table, not { "a" }'),
    ):
        works, error = window.lua(f"return {{ pcall(require('foretype').setup, {options}) }}")
        assert not works and error == f"Foretype: {message} (see :help foretype-options)", (options, error)
    window.type("a")
    window.wait_ghost(" - b")


def server_options_reach_the_daemon(env):
    window = env.open(
        "server.py",
        SHOP,
        init="""
          require('foretype').setup({
            server = { inline = { candidates = 2 }, context = { open_files = false } },
          })""",
    ).wait_ready()
    config = (
        "return vim.lsp.get_clients({ name = 'foretype' })[1]"
        ":request_sync('foretype/status', vim.empty_dict(), 5000).result.config"
    )
    wait_until(
        lambda: (lambda now: now["inline"]["candidates"] == 2 and not now["context"]["open_files"])(window.lua(config)),
        lambda: f"the options in the daemon: {window.lua(config)}",
    )
    window.lua("require('foretype').setup({ server = { inline = { candidates = 4 } } })")
    wait_until(
        lambda: window.lua(config)["inline"]["candidates"] == 4,
        lambda: f"the new options in the daemon: {window.lua(config)}",
    )


def an_invalid_server_option_is_reported_once(env):
    window = env.open(
        "wrong.py", SHOP, init="require('foretype').setup({ server = { inline = { max_line = 3 } } })"
    ).wait_ready()
    wait_until(
        lambda: any("did you mean inline.max_lines" in text for text in window.notified()),
        lambda: f"a notification: {window.notified()}",
    )
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")
    assert sum("inline.max_line" in line for line in window.command("messages").split("\n")) == 1, window.command(
        "messages"
    )


def user_events_are_sent(env):
    window = env.open_with_suggestion()
    buffer = window.nvim.current.buffer.number
    assert window.events("Attached")[0]["buf"] == buffer
    assert window.events("Shown")[-1] == {"buf": buffer, "text": "a - b"}, window.events("Shown")
    window.press("<Tab>")
    wait_until(lambda: window.events("Accepted"), "an event")
    assert window.events("Accepted") == [{"buf": buffer, "text": "a - b", "part": "all"}]
    states = [event["state"] for event in window.events("Status")]
    assert "ready" in states, states
    assert all(
        left != right for left, right in zip(window.events("Status"), window.events("Status")[1:])
    ), "an event without a change"


def the_status_line_shows_the_state(env):
    window = env.open_with_suggestion(
        init="vim.o.laststatus = 2; vim.o.statusline = '%f [%{v:lua.require(\"foretype\").statusline()}]'"
    )
    window.wait_idle()
    wait_until(
        lambda: "shop.py [Foretype]" in window.update_screen().text(), lambda: f"a status line: {window.screen.text()}"
    )
    window.press("<Cmd>Foretype disable buffer<CR>")
    wait_until(
        lambda: "shop.py [Foretype off]" in window.update_screen().text(),
        lambda: f"a status line: {window.screen.text()}",
    )


def the_command_shows_the_process_and_the_model(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    text = window.command("Foretype status")
    daemon = [number for number, arguments in env.processes().items() if arguments == "daemon serve"]
    assert f"process {daemon[0]}" in text and "qwen" in text.lower(), text
    assert window.command("Foretype") == text.replace("\0", ""), "without a subcommand, it shows the status"


def the_command_rejects_unknown_arguments(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.press(":Foretype dance<CR>", ":Foretype restart buffer<CR>", ":Foretype disable tomorrow<CR>")
    messages = window.notified()
    assert messages == [
        "Foretype: there is no subcommand dance; :Foretype <Tab> lists them",
        "Foretype: :Foretype restart takes no arguments",
        "Foretype: :Foretype disable takes only buffer or filetype",
    ], messages


def the_command_line_is_completed(env):
    window = env.open("complete.py", "", init="require('foretype').setup({ enabled = false })")

    def complete(line):
        return window.lua("return vim.fn.getcompletion(..., 'cmdline')", line)

    assert {"ask", "disable", "docstring", "enable", "log", "restart", "status", "toggle", "trigger"} <= set(
        complete("Foretype ")
    )
    assert complete("Foretype d") == ["disable", "docstring", "docstrings"]
    assert complete("Foretype disable ") == ["buffer", "filetype"] and complete("Foretype disable f") == ["filetype"]
    assert complete("silent Foretype en") == ["enable"] and complete("Foret en") == ["enable"]
    assert complete("Foretype status ") == [] and complete("Foretype disable buffer ") == []
    # Also with keys.
    window.press(":")
    window.type("Foretype tog")
    window.press("<Tab>", " ", "<Tab>")
    assert window.lua("return vim.fn.getcmdline()") == "Foretype toggle buffer", window.lua(
        "return vim.fn.getcmdline()"
    )
    window.press("<C-c>")
