"""Where ghost text stands and where there is none: characters of all widths, popups, buffers of all kinds, macros."""

from bench import SHOP
from window import until

BEFORE = SHOP.split("\n")[:-1]


def it_stands_right_behind_wide_characters(bench):
    text = SHOP + 'print("⏱ 日本語 🎉 é"); return '
    window = bench.open("wide.py", text).ready()
    window.press("A")
    window.wait_ghost("a - b.*")
    assert window.screen.where("a - b") == window.screen.cursor, window.screen.text()
    window.type("a")
    window.wait_ghost(" - b.*")
    window.press("<M-Right>")
    window.wait_lines(BEFORE + [text.split("\n")[-1] + "a -"])
    window.press("<Tab>")
    until(lambda: window.lines()[-1].startswith(text.split("\n")[-1] + "a - b"), lambda: f"it is taken: {window.lines()}")


def wide_characters_in_it_are_taken_whole(bench):
    text = 'GREETINGS = ["grüße 🎉", "grüße 🎉", "grüße 🎉", "grüße 🎉",\n    "grüße 🎉", "grüße 🎉", "grüße 🎉", "gr'
    window = bench.open("greetings.py", text).ready()
    window.press("A")
    window.wait_ghost("üße 🎉.*")
    window.press("<M-Right>")
    window.wait_lines([text.split("\n")[0], text.split("\n")[1] + "üße"])
    window.wait_ghost(" 🎉.*")
    window.press("<M-Right>")
    until(lambda: window.lines()[-1].endswith("grüße 🎉"), lambda: f"whole characters: {window.lines()[-1]!r}")


def what_stands_right_of_the_cursor_goes_below_the_last_line(bench):
    # The model is not asked for several lines there; how they are drawn is what is looked at.
    window = bench.open("right.py", "if x:\n    call()  # why\n").ready()
    window.press("gg0jwi")
    window.wait_quiet()
    window.lua("""
      local client = vim.lsp.get_clients({ name = 'foretype' })[1]
      local row, col = unpack(vim.api.nvim_win_get_cursor(0))
      local here = { line = row - 1, character = col }
      local item = { insertText = 'one()\\n    two()\\n    ', range = { start = here, ['end'] = here } }
      require('foretype.suggestion').answered(client, vim.api.nvim_get_current_buf(), { item }, true)
    """)
    window.wait_ghost(r"one\(\)\n    two\(\)\n    ")
    rows = [window.screen.row(number) for number in range(4)]
    assert rows == ["if x:", "    one()", "    two()", "    call()  # why"], rows
    window.press("<Tab>")
    window.wait_lines(["if x:", "    one()", "    two()", "    call()  # why", ""][:len(window.lines())])
    rows = [window.look().row(number) for number in range(4)]
    assert rows == ["if x:", "    one()", "    two()", "    call()  # why"], rows


def text_right_of_the_cursor_stays_right_of_it(bench):
    window = bench.open("middle.py", SHOP + "return ()\n").ready()
    window.press("G", "$", "i")
    ghost = window.wait_ghost(r"a - b.*")
    assert window.screen.where("return (a - b)"), window.screen.text()
    window.press("<Tab>")
    until(lambda: window.lines()[5] == f"    return ({ghost})", lambda: f"{ghost!r} is taken: {window.lines()}")


def tabs_are_as_wide_as_they_will_be(bench):
    text = ("package shop\n\ntype Item struct {\n\tname  string\n\tprice int\n}\n\nfunc (i Item) Name() string {\n\treturn i.name\n}\n\n"
            "func (i Item) Price() int")
    window = bench.open("item.go", text, init="vim.o.tabstop = 4").ready()
    window.press("A")
    window.type(" {")
    ghost = window.wait_ghost(r"\n?    return i\.price\n?\}?.*")
    assert "\t" not in ghost and "^I" not in window.screen.text()
    row = window.screen.where("return i.price")
    window.press("<Tab>")
    until(lambda: "\treturn i.price" in window.lines(), lambda: f"a tab: {window.lines()}")
    assert window.look().where("return i.price") == row, "it stays where it was shown"


def it_hides_while_the_popup_is_open_and_comes_back(bench):
    window = bench.shop()
    window.press("<C-x>", "<C-n>")
    until(lambda: window.lua("return vim.fn.pumvisible()") == 1, "the popup opens")
    window.wait_no_ghost()
    assert window.lua("return require('foretype').visible()") is False
    window.press("<C-e>")
    until(lambda: window.lua("return vim.fn.pumvisible()") == 0, "the popup closes")
    window.wait_ghost("a - b")


def hide_with_popup_false_shows_both(bench):
    window = bench.shop(init="require('foretype').setup({ hide_with_popup = false })")
    window.press("<C-x>", "<C-n>", "<C-p>")
    until(lambda: window.lua("return vim.fn.pumvisible()") == 1, "the popup opens")
    window.wait_ghost("a - b")


def another_popup_hides_it_with_a_buffer_variable(bench):
    window = bench.shop()
    window.lua("require('foretype').dismiss(); vim.b.foretype_hidden = true")
    window.wait_no_ghost()
    window.type("a")
    window.keeps_no_ghost()
    window.lua("vim.b.foretype_hidden = false")
    window.type(" ")
    window.wait_ghost("- b")


def a_buffer_without_a_name_gets_suggestions(bench):
    window = bench.open()
    window.lua("vim.bo.filetype = 'python'; vim.api.nvim_buf_set_lines(0, 0, -1, false, ...)", SHOP.split("\n"))
    window.ready()
    window.press("G", "A")
    window.type("return ")
    window.wait_ghost("a - b")
    window.press("<Esc>")
    # All such buffers have one address in the protocol: a second one must not spoil the first.
    window.command("new")
    window.lua("vim.bo.filetype = 'python'")
    window.press("i")
    window.type("x = ")
    window.keeps_no_ghost()
    window.press("<Esc>")
    window.command("quit!")
    window.press("A")
    window.wait_ghost("a - b")
    window.press("<Tab>", "<Esc>")
    window.command("write named.py")
    window.press("A", "<C-u>")
    window.type("return ")
    window.wait_ghost("a - b")


def nothing_starts_before_there_is_something_to_complete(bench):
    window = bench.open()
    window.wait_quiet()
    assert window.lua("return #vim.lsp.get_clients()") == 0
    window.press("i")
    window.ready()


def prompts_and_terminals_and_read_only_texts_are_left_alone(bench):
    window = bench.shop()
    window.press("<Esc>")
    for make in ("vim.cmd.new(); vim.fn.prompt_setprompt(0, ''); vim.bo.buftype = 'prompt'", "vim.cmd.new(); vim.bo.buftype = 'nofile'; vim.bo.filetype = 'python'"):
        window.lua(make)
        window.press("i")
        window.type("return ")
        window.keeps_no_ghost()
        window.press("<Esc>")
        window.command("bwipeout!")
    before = window.asked()
    window.command("terminal cat")
    window.press("i")
    window.type("return ")
    window.keeps_no_ghost()
    assert window.asked() == before
    assert window.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0
    window.press("<C-Bslash>", "<C-n>")
    window.command("bwipeout!")


def a_very_long_text_is_left_alone_and_says_so(bench):
    window = bench.open("long.py", "x = 1  # a line of some length\n" * 150_000)
    window.press("A")
    window.keeps_no_ghost()
    assert window.status()["state"] == "excluded" and "longer than 4 MB" in window.status()["text"], window.status()
    assert window.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0


def a_long_text_gets_suggestions(bench):
    window = bench.open("long.py", "x = 1  # a line of some length\n" * 10_000 + "\n\n" + SHOP).ready()
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")


def lines_that_end_as_on_Windows_are_completed_as_others(bench):
    window = bench.open("dos.py", SHOP.replace("\n", "\r\n").encode() + b"\r\n").ready()
    assert window.lua("return vim.bo.fileformat") == "dos"
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b.*")
    window.press("<Tab>", "<Esc>")
    window.command("write")
    text = (bench.workspace / "dos.py").read_bytes()
    assert b"    return a - b\r\n" in text and b"\r\r" not in text and text.count(b"\r\n") == text.count(b"\n"), text


def a_macro_is_recorded_and_played_without_suggestions(bench):
    window = bench.open("macro.py", SHOP).ready()
    window.press("q", "q", "A")
    window.type("return ")
    window.keeps_no_ghost()
    window.press("<Tab>", "<Esc>", "q")
    recorded = window.lines()[-1]
    window.nvim.current.buffer[-1] = "    "
    before = window.asked()
    window.press("@", "q")
    window.wait_lines(BEFORE + [recorded])
    assert window.asked() == before and recorded.startswith("    return "), recorded


def a_command_from_insert_mode_leaves_it_as_it_was(bench):
    window = bench.shop()
    window.press("<C-o>", ":let g:x = 1<CR>")
    window.wait_ghost("a - b")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])


def normal_in_a_script_asks_nothing(bench):
    window = bench.open("normal.py", SHOP).ready()
    window.wait_quiet()
    before = window.asked()
    window.command("normal! Areturn a")
    window.lua("for _ = 1, 20 do vim.cmd.normal({ 'Ax', bang = true }) end")
    window.wait_quiet()
    assert window.asked() == before and window.ghost() == ""


def a_dot_repeats_what_was_typed(bench):
    window = bench.shop()
    window.type("a")
    window.wait_ghost(" - b")
    window.press("<Tab>", "<Esc>", "o<Esc>", ".")
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]
    assert window.lines()[5] == "    return a - b", window.lines()


def another_window_on_the_same_buffer_is_not_taken_for_this_one(bench):
    window = bench.shop()
    window.press("<Esc>")
    window.command("split")
    window.press("gg", "<C-w>w", "A")
    window.wait_ghost("a - b|a - b\na - b")
    window.press("<Tab>", "<Esc>")
    window.wait_lines(BEFORE + ["    return a - b"])
    window.press("<C-w>w", "O")
    window.wait_quiet()
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]


def a_file_that_git_ignores_gets_none_and_the_status_says_why(bench):
    bench.write(".gitignore", "secret.py\n")
    window = bench.open("secret.py", SHOP)
    until(lambda: window.status()["state"] == "excluded", lambda: f"excluded: {window.status()}")
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()
    assert "ignored" in window.status()["text"]
    assert window.lua("return require('foretype').statusline()") == "Foretype off here"
