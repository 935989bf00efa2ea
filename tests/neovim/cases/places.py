"""Position and visibility of ghost text: wide characters, popups, kinds of buffers, macros."""

from test_env import SHOP
from window import wait_until

BEFORE = SHOP.split("\n")[:-1]


def ghost_text_is_aligned_after_wide_characters(env):
    text = SHOP + 'print("⏱ 日本語 🎉 é"); return '
    window = env.open("wide.py", text).wait_ready()
    window.press("A")
    window.wait_ghost("a - b.*")
    assert window.screen.find("a - b") == window.screen.cursor, window.screen.text()
    window.type("a")
    window.wait_ghost(" - b.*")
    window.press("<M-Right>")
    window.wait_lines(BEFORE + [text.split("\n")[-1] + "a -"])
    window.press("<Tab>")
    wait_until(
        lambda: window.lines()[-1].startswith(text.split("\n")[-1] + "a - b"),
        lambda: f"it is accepted: {window.lines()}",
    )


def wide_characters_are_accepted_whole(env):
    text = 'GREETINGS = ["grüße 🎉", "grüße 🎉", "grüße 🎉", "grüße 🎉",\n    "grüße 🎉", "grüße 🎉", "grüße 🎉", "gr'
    window = env.open("greetings.py", text).wait_ready()
    window.press("A")
    window.wait_ghost("üße 🎉.*")
    window.press("<M-Right>")
    window.wait_lines([text.split("\n")[0], text.split("\n")[1] + "üße"])
    window.wait_ghost(" 🎉.*")
    window.press("<M-Right>")
    wait_until(lambda: window.lines()[-1].endswith("grüße 🎉"), lambda: f"whole characters: {window.lines()[-1]!r}")


def text_right_of_the_cursor_moves_below_a_multi_line_suggestion(env):
    # Here the server suggests single lines only, so the case shows an item of its own.
    window = env.open("right.py", "if x:\n    call()  # why\n").wait_ready()
    window.press("gg0jwi")
    window.wait_idle()
    window.lua("""
      local client = vim.lsp.get_clients({ name = 'foretype' })[1]
      local row, col = unpack(vim.api.nvim_win_get_cursor(0))
      local here = { line = row - 1, character = col }
      local item = { insertText = 'one()\\n    two()\\n    ', range = { start = here, ['end'] = here } }
      require('foretype.suggestion').show(client, vim.api.nvim_get_current_buf(), { item }, 'invoked')
    """)
    window.wait_ghost(r"one\(\)\n    two\(\)\n    ")
    rows = [window.screen.row(number) for number in range(4)]
    assert rows == ["if x:", "    one()", "    two()", "    call()  # why"], rows
    window.press("<Tab>")
    window.wait_lines(["if x:", "    one()", "    two()", "    call()  # why", ""][: len(window.lines())])
    rows = [window.update_screen().row(number) for number in range(4)]
    assert rows == ["if x:", "    one()", "    two()", "    call()  # why"], rows


def text_right_of_the_cursor_stays_right_of_a_single_line_suggestion(env):
    window = env.open("middle.py", SHOP + "return ()\n").wait_ready()
    window.press("G", "$", "i")
    ghost = window.wait_ghost(r"a - b.*")
    assert window.screen.find("return (a - b)"), window.screen.text()
    window.press("<Tab>")
    wait_until(lambda: window.lines()[5] == f"    return ({ghost})", lambda: f"{ghost!r} is accepted: {window.lines()}")


def tabs_in_ghost_text_have_their_final_width(env):
    text = (
        "package shop\n\ntype Item struct {\n\tname  string\n\tprice int\n}\n\n"
        "func (i Item) Name() string {\n\treturn i.name\n}\n\n"
        "func (i Item) Price() int"
    )
    window = env.open("item.go", text, init="vim.o.tabstop = 4").wait_ready()
    window.press("A")
    window.type(" {")
    ghost = window.wait_ghost(r"\n?    return i\.price\n?\}?.*")
    assert "\t" not in ghost and "^I" not in window.screen.text()
    row = window.screen.find("return i.price")
    window.press("<Tab>")
    wait_until(lambda: "\treturn i.price" in window.lines(), lambda: f"a tab: {window.lines()}")
    assert window.update_screen().find("return i.price") == row, "the accepted text moved"


def ghost_text_is_hidden_while_the_popup_is_open(env):
    window = env.open_with_suggestion()
    window.press("<C-x>", "<C-n>")
    wait_until(lambda: window.lua("return vim.fn.pumvisible()") == 1, "the popup")
    window.wait_no_ghost()
    assert window.lua("return require('foretype').visible()") is False
    window.press("<C-e>")
    wait_until(lambda: window.lua("return vim.fn.pumvisible()") == 0, "no popup")
    window.wait_ghost("a - b")


def hide_with_popup_false_shows_both(env):
    window = env.open_with_suggestion(init="require('foretype').setup({ hide_with_popup = false })")
    window.press("<C-x>", "<C-n>", "<C-p>")
    wait_until(lambda: window.lua("return vim.fn.pumvisible()") == 1, "the popup")
    window.wait_ghost("a - b")


def a_buffer_variable_hides_suggestions_for_other_popups(env):
    window = env.open_with_suggestion()
    window.lua("require('foretype').dismiss(); vim.b.foretype_hidden = true")
    window.wait_no_ghost()
    window.type("a")
    window.expect_no_ghost()
    window.lua("vim.b.foretype_hidden = false")
    window.type(" ")
    window.wait_ghost("- b")


def a_buffer_without_a_name_gets_suggestions(env):
    window = env.open()
    window.lua("vim.bo.filetype = 'python'; vim.api.nvim_buf_set_lines(0, 0, -1, false, ...)", SHOP.split("\n"))
    window.wait_ready()
    window.press("G", "A")
    window.type("return ")
    window.wait_ghost("a - b")
    window.press("<Esc>")
    # All such buffers share one URI, so a second one must not replace the first.
    window.command("new")
    window.lua("vim.bo.filetype = 'python'")
    window.press("i")
    window.type("x = ")
    window.expect_no_ghost()
    window.press("<Esc>")
    window.command("quit!")
    window.press("A")
    window.wait_ghost("a - b")
    window.press("<Tab>", "<Esc>")
    window.command("write named.py")
    window.press("A", "<C-u>")
    window.type("return ")
    window.wait_ghost("a - b")


def no_server_starts_in_an_empty_Neovim(env):
    window = env.open()
    window.wait_idle()
    assert window.lua("return #vim.lsp.get_clients()") == 0
    window.press("i")
    window.wait_ready()


def prompts_terminals_and_scratch_buffers_get_no_suggestions(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    for make in (
        "vim.cmd.new(); vim.fn.prompt_setprompt(0, ''); vim.bo.buftype = 'prompt'",
        "vim.cmd.new(); vim.bo.buftype = 'nofile'; vim.bo.filetype = 'python'",
    ):
        window.lua(make)
        window.press("i")
        window.type("return ")
        window.expect_no_ghost()
        window.press("<Esc>")
        window.command("bwipeout!")
    before = window.request_count()
    window.command("terminal cat")
    window.press("i")
    window.type("return ")
    window.expect_no_ghost()
    assert window.request_count() == before
    assert window.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0
    window.press("<C-Bslash>", "<C-n>")
    window.command("bwipeout!")


def a_buffer_over_4_MB_is_excluded_and_the_status_says_so(env):
    window = env.open("long.py", "x = 1  # a line of some length\n" * 150_000)
    window.press("A")
    window.expect_no_ghost()
    assert window.status()["state"] == "excluded" and "larger than 4 MB" in window.status()["text"], window.status()
    assert window.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 0


def a_long_buffer_gets_suggestions(env):
    window = env.open("long.py", "x = 1  # a line of some length\n" * 10_000 + "\n\n" + SHOP).wait_ready()
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")


def files_with_Windows_line_ends_get_suggestions(env):
    window = env.open("dos.py", SHOP.replace("\n", "\r\n").encode() + b"\r\n").wait_ready()
    assert window.lua("return vim.bo.fileformat") == "dos"
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b.*")
    window.press("<Tab>", "<Esc>")
    window.command("write")
    text = (env.workspace / "dos.py").read_bytes()
    assert b"    return a - b\r\n" in text and b"\r\r" not in text and text.count(b"\r\n") == text.count(b"\n"), text


LARGEST = "def largest(values):\n    best = values[0]\n    for value in"


def several_lines_are_accepted_in_files_with_Windows_line_ends(env):
    for name, keys in (("all", ["<Tab>"]), ("lines", ["<M-C-Right>"] * 3), ("words", ["<M-Right>"] * 9)):
        window = env.open(f"dos_{name}.py", LARGEST.replace("\n", "\r\n").encode() + b"\r\n").wait_ready()
        assert window.lua("return vim.bo.fileformat") == "dos"
        window.press("G", "A")
        window.type(" ")
        window.wait_ghost(r"values:\n.*\n.*best = value.*")
        assert not any("\r" in ghost or "^M" in ghost for ghost in window.screen.ghosts), window.screen.ghosts
        for key in keys:
            window.press(key)
        window.press("<Esc>")
        window.command("write")
        text = (env.workspace / f"dos_{name}.py").read_bytes()
        assert b"for value in values:\r\n        if value > best:\r\n" in text, text
        assert b"\r\r" not in text and text.count(b"\r\n") == text.count(b"\n"), text


def the_window_scrolls_until_a_suggestion_is_visible(env):
    filler = "".join(f"name_{number} = {number}\n" for number in range(60))
    window = env.open("bottom.py", filler + LARGEST).wait_ready()
    window.press("G", "z", "b", "A")
    window.type(" ")
    window.wait_ghost(r"values:\n.*\n.*best = value.*")
    row, _ = window.screen.cursor
    assert window.screen.find("if value > best:")[0] == row + 1, window.screen.text()
    window.press("<Tab>")
    wait_until(lambda: window.lines()[-1].strip() == "best = value", lambda: window.lines()[-3:])


def a_suggestion_taller_than_its_window_says_how_many_lines_are_hidden(env):
    window = env.open("tall.py", LARGEST).wait_ready()
    window.command("new")
    window.command("wincmd j")
    window.command("resize 2")
    window.press("G", "A")
    window.type(" ")
    window.wait_ghost(r"values:\n… \+2 lines")


def ghost_text_is_shown_only_in_the_window_with_the_cursor(env):
    window = env.open("twice.py", LARGEST).wait_ready()
    window.command("split")
    window.press("G", "A")
    window.type(" ")
    window.wait_ghost(r"values:\n.*\n.*best = value.*")
    assert window.screen.text().count("if value > best:") == 1, window.screen.text()


def each_line_of_a_file_with_mixed_line_ends_keeps_its_own(env):
    lines = LARGEST.encode().split(b"\n")
    text = lines[0] + b"\n" + lines[1] + b"\r\n" + lines[2] + b"\n"
    window = env.open("mixed.py", text).wait_ready()
    assert window.lua("return vim.bo.fileformat") == "unix"
    window.press("G", "A")
    window.type(" ")
    window.wait_ghost(r"values:\n.*\n.*best = value.*")
    window.press("<Tab>", "<Esc>")
    window.command("write")
    after = (env.workspace / "mixed.py").read_bytes()
    assert after.startswith(text[:-1] + b" values:\n        if value > best:\n            best = value"), after


def macros_are_recorded_and_executed_without_suggestions(env):
    window = env.open("macro.py", SHOP).wait_ready()
    window.press("q", "q", "A")
    window.type("return ")
    window.expect_no_ghost()
    window.press("<Tab>", "<Esc>", "q")
    recorded = window.lines()[-1]
    window.nvim.current.buffer[-1] = "    "
    before = window.request_count()
    window.press("@", "q")
    window.wait_lines(BEFORE + [recorded])
    assert window.request_count() == before and recorded.startswith("    return "), recorded


def a_command_from_insert_mode_keeps_the_suggestion(env):
    window = env.open_with_suggestion()
    window.press("<C-o>", ":let g:x = 1<CR>")
    window.wait_ghost("a - b")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])


def normal_commands_in_a_script_send_no_requests(env):
    window = env.open("normal.py", SHOP).wait_ready()
    window.wait_idle()
    before = window.request_count()
    window.command("normal! Areturn a")
    window.lua("for _ = 1, 20 do vim.cmd.normal({ 'Ax', bang = true }) end")
    window.wait_idle()
    assert window.request_count() == before and window.ghost() == ""


def the_dot_command_repeats_the_typed_text(env):
    window = env.open_with_suggestion()
    window.type("a")
    window.wait_ghost(" - b")
    window.press("<Tab>", "<Esc>", "o<Esc>", ".")
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]
    assert window.lines()[5] == "    return a - b", window.lines()


def a_second_window_of_the_same_buffer_is_handled_separately(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.command("split")
    window.press("gg", "<C-w>w", "A")
    window.wait_ghost("a - b|a - b\na - b")
    window.press("<Tab>", "<Esc>")
    window.wait_lines(BEFORE + ["    return a - b"])
    window.press("<C-w>w", "O")
    window.wait_idle()
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]


def a_file_ignored_by_git_is_excluded_and_the_status_says_so(env):
    env.write(".gitignore", "secret.py\n")
    window = env.open("secret.py", SHOP)
    wait_until(lambda: window.status()["state"] == "excluded", lambda: f"excluded: {window.status()}")
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()
    assert "ignored" in window.status()["text"]
    assert window.lua("return require('foretype').statusline()") == "Foretype off here"
