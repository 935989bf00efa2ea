"""On and off, by hand or always; options; what is told to status lines and to others."""

from bench import SHOP
from window import until

BEFORE = SHOP.split("\n")[:-1]


def trigger_manual_shows_nothing_until_asked(bench):
    window = bench.open("manual.py", SHOP, init="require('foretype').setup({ trigger = 'manual' })").ready()
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()
    assert window.asked() == 0
    window.press("<M-Bslash>")
    window.wait_ghost("a - b.*")
    window.type("a")
    window.wait_ghost(" - b.*")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])


def a_buffer_is_switched_off_and_on(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.command("Foretype disable buffer")
    assert window.status()["state"] == "disabled" and "this buffer" in window.status()["text"]
    window.press("A")
    window.keeps_no_ghost()
    window.press("<Esc>")
    window.command("edit other.py")
    window.nvim.current.buffer[:] = SHOP.split("\n")
    window.ready()
    window.press("G", "A")
    window.type("return ")
    window.wait_ghost("a - b")
    window.press("<Esc>")
    window.command("buffer shop.py")
    window.command("Foretype enable buffer")
    window.press("G", "A")
    window.wait_ghost("a - b")


def a_filetype_is_switched_off_and_on(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.command("Foretype toggle filetype")
    assert window.status()["text"] == "off: filetype python", window.status()
    window.press("A")
    window.keeps_no_ghost()
    window.press("<Esc>")
    window.command("Foretype toggle filetype")
    window.press("A")
    window.wait_ghost("a - b")


def everything_is_switched_off_and_on_while_ghost_text_shows(bench):
    window = bench.shop()
    window.press("<Cmd>Foretype disable<CR>")
    window.wait_no_ghost()
    window.type("a")
    window.keeps_no_ghost()
    window.press("<Cmd>Foretype enable<CR>")
    window.type(" ")
    window.wait_ghost("- b")


def options_say_where_it_is_on(bench):
    window = bench.open("off.py", SHOP, init="require('foretype').setup({ filetypes = { ['*'] = false, lua = true } })")
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()
    assert window.status()["state"] == "disabled" and not window.lua("return #vim.lsp.get_clients() > 0")
    assert window.lua("return require('foretype').statusline()") == "Foretype off"
    window.press("<Esc>")
    window.command("edit! on.lua")
    window.ready()


def a_buffer_variable_switches_it_off(bench):
    window = bench.open("variable.py", SHOP, init="vim.api.nvim_create_autocmd('BufReadPost', { callback = function() vim.b.foretype_enabled = false end })")
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()
    assert window.asked() == 0


def wrong_options_are_refused_with_all_that_is_wrong(bench):
    window = bench.shop()
    for options, complaint in (
        ("{ trigger = 'often' }", "trigger must be 'automatic' or 'manual', not \"often\""),
        ("{ debounce = 3 }", "there is no option debounce"),
        ("{ debounce_ms = -1 }", "debounce_ms must be a whole number from 0 to 10000, not -1"),
        ("{ keys = { acept = '<Tab>' } }", "there is no option keys.acept"),
        ("{ keys = { accept = 3 } }", "keys.accept must be a key or false, not 3"),
        ("{ filetypes = { python = 'no' } }", 'filetypes["python"] must be true or false, not "no"'),
        ("{ enabled = 1, binary = false }", "binary must be a path, not false; enabled must be true or false, not 1"),
        ("{ hide_with_popup = 0 }", "hide_with_popup must be true or false, not 0"),
        ("{ server = 'x' }", "server must be a table, not \"x\""),
        ("{ 'a' }", "the options must be a table, not { \"a\" }"),
    ):
        works, error = window.lua(f"return {{ pcall(require('foretype').setup, {options}) }}")
        assert not works and error == f"Foretype: {complaint} (see :help foretype-options)", (options, error)
    window.type("a")
    window.wait_ghost(" - b")


def options_of_the_daemon_reach_it(bench):
    window = bench.open("server.py", SHOP, init="require('foretype').setup({ server = { inline = { candidates = 2 }, context = { open_files = false } } })").ready()
    config = ("return vim.lsp.get_clients({ name = 'foretype' })[1]"
              ":request_sync('foretype/status', vim.empty_dict(), 5000).result.config")
    until(lambda: (lambda now: now["inline"]["candidates"] == 2 and not now["context"]["open_files"])(window.lua(config)),
          lambda: f"the daemon knows: {window.lua(config)}")
    window.lua("require('foretype').setup({ server = { inline = { candidates = 4 } } })")
    until(lambda: window.lua(config)["inline"]["candidates"] == 4, lambda: f"the daemon is told: {window.lua(config)}")


def a_wrong_option_of_the_daemon_is_told_once(bench):
    window = bench.open("wrong.py", SHOP, init="require('foretype').setup({ server = { inline = { max_line = 3 } } })").ready()
    until(lambda: any("did you mean inline.max_lines" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")
    assert sum("inline.max_line" in line for line in window.command("messages").split("\n")) == 1, window.command("messages")


def events_tell_what_happens(bench):
    window = bench.shop()
    buffer = window.nvim.current.buffer.number
    assert window.events("Attached")[0]["buf"] == buffer
    assert window.events("Shown")[-1] == {"buf": buffer, "text": "a - b"}, window.events("Shown")
    window.press("<Tab>")
    until(lambda: window.events("Accepted"), "an event")
    assert window.events("Accepted") == [{"buf": buffer, "text": "a - b", "part": "all"}]
    states = [event["state"] for event in window.events("Status")]
    assert "ready" in states, states
    assert all(left != right for left, right in zip(window.events("Status"), window.events("Status")[1:])), "an event without news"


def the_status_line_says_how_it_is(bench):
    window = bench.shop(init="vim.o.laststatus = 2; vim.o.statusline = '%f [%{v:lua.require(\"foretype\").statusline()}]'")
    window.wait_quiet()
    until(lambda: "shop.py [Foretype]" in window.look().text(), lambda: f"a status line: {window.screen.text()}")
    window.press("<Cmd>Foretype disable buffer<CR>")
    until(lambda: "shop.py [Foretype off]" in window.look().text(), lambda: f"a status line: {window.screen.text()}")


def the_command_says_who_serves_and_with_what(bench):
    window = bench.shop()
    window.press("<Esc>")
    text = window.command("Foretype status")
    daemon = [number for number, arguments in bench.processes().items() if arguments == "daemon serve"]
    assert f"process {daemon[0]}" in text and "qwen" in text.lower(), text
    assert window.command("Foretype") == text.replace("\0", ""), "status is what it says without a word"


def the_command_refuses_what_it_does_not_know(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.press(":Foretype dance<CR>", ":Foretype restart buffer<CR>", ":Foretype disable tomorrow<CR>")
    told = window.notified()
    assert told[0] == "Foretype: there is no :Foretype dance; :Foretype <Tab> lists what there is", told
    assert told[1:] == ["Foretype: :Foretype restart is followed by nothing", "Foretype: :Foretype disable is followed by buffer, filetype or nothing"], told


def the_command_line_is_completed(bench):
    window = bench.open("complete.py", "", init="require('foretype').setup({ enabled = false })")
    def complete(line):
        return window.lua("return vim.fn.getcompletion(..., 'cmdline')", line)
    assert {"ask", "disable", "docstring", "enable", "log", "restart", "status", "toggle", "trigger"} <= set(complete("Foretype "))
    assert complete("Foretype d") == ["disable", "docstring", "docstrings"]
    assert complete("Foretype disable ") == ["buffer", "filetype"] and complete("Foretype disable f") == ["filetype"]
    assert complete("silent Foretype en") == ["enable"] and complete("Foret en") == ["enable"]
    assert complete("Foretype status ") == [] and complete("Foretype disable buffer ") == []
    # As it is typed, too.
    window.press(":")
    window.type("Foretype tog")
    window.press("<Tab>", " ", "<Tab>")
    assert window.lua("return vim.fn.getcmdline()") == "Foretype toggle buffer", window.lua("return vim.fn.getcmdline()")
    window.press("<C-c>")
