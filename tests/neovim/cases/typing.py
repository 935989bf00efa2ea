"""Ghost text appears while the user types, follows the keys, and disappears."""

from test_env import SHOP
from window import wait_until


def typing_shows_ghost_text_and_Tab_accepts_it(env):
    window = env.open_with_suggestion()
    assert window.lines()[-1] == "    return ", "ghost text is in the buffer"
    window.press("<Tab>")
    window.wait_lines(SHOP.split("\n")[:-1] + ["    return a - b"])
    assert window.cursor() == (6, 16)
    window.type("  # done")
    window.press("<Esc>")
    window.command("write")
    assert (env.workspace / "shop.py").read_text().endswith("\n    return a - b  # done\n")


def ghost_text_is_grey_and_at_the_cursor(env):
    window = env.open_with_suggestion()
    row, column = window.screen.find("a - b")
    assert (row, column) == window.screen.cursor == (5, 11)
    style = window.screen.styles[window.screen.cells[row][column][1]]
    red, green, blue = style["foreground"].to_bytes(3, "big")
    assert max(red, green, blue) - min(red, green, blue) < 32 and 64 < green < 192, hex(style["foreground"])


def typing_into_a_suggestion_shortens_it_without_flicker(env):
    window = env.open_with_suggestion()
    del window.screen.ghosts[:-1]
    for typed, rest in (("a", " - b"), (" ", "- b"), ("-", " b")):
        window.type(typed)
        window.wait_ghost(rest)
    assert window.screen.ghosts == ["a - b", " - b", "- b", " b"], window.screen.ghosts
    window.wait_idle()
    window.update_screen()
    assert window.screen.ghosts == ["a - b", " - b", "- b", " b"], "an answer replaced the suggestion"
    assert len(window.events("Shown")) == 1, window.events("Shown")
    window.press("<Tab>")
    window.wait_lines(SHOP.split("\n")[:-1] + ["    return a - b"])


LARGEST = "def largest(values):\n    best = values[0]\n    for value in"


def _open_for_partial_suggestions(env, name):
    """A Neovim in which every suggestion of more than a few tokens is first shown in part, on a machine of any speed.

    The daemon shows what is decoded once the next key is due, judged by the gaps between the edits of this document. It
    has seen only edits that a script made without a pause, so the next key is always due: the first part is shown after
    a token or two, long before the last token is decoded. How fast this test types does not matter."""
    # Neovim would otherwise send all edits of 150 ms in one notification.
    send_each_edit = "vim.lsp.config('foretype', { flags = { debounce_text_changes = 0 } })"
    window = env.open(
        name, LARGEST, init=send_each_edit, environment={"FORETYPE_INLINE_SHOW_PARTS": "true"}
    ).wait_ready()
    window.lua("""
      for _ = 1, 12 do
        vim.cmd.normal({ 'Ax', bang = true })
        vim.cmd.normal({ 'x', bang = true })
      end
    """)
    window.wait_lines(LARGEST.split("\n"))
    # In one go, so that nothing is decoded before the space.
    window.nvim.input("A ")
    return window


def a_suggestion_that_is_shown_in_part_is_completed(env):
    window = _open_for_partial_suggestions(env, "parts.py")
    whole = window.wait_ghost(r"values:\n        .*\n.*")
    window.wait_idle()
    grown = window.screen.ghosts[-1]
    assert grown.startswith(whole), grown
    parts = [event["text"] for event in window.events("Shown")]
    assert len(parts) > 1 and all(later.startswith(part) for part, later in zip(parts, parts[1:])), parts
    window.press("<Tab>")
    wait_until(
        lambda: window.lines() == (LARGEST + " " + grown).split("\n"),
        lambda: f"{grown!r} is accepted: {window.lines()}",
    )


def a_suggestion_that_is_dismissed_in_part_does_not_come_back(env):
    window = _open_for_partial_suggestions(env, "dismissed.py")
    window.wait_ghost("values.*")
    window.press("<C-]>")
    window.wait_no_ghost()
    window.expect_no_ghost()


def the_prompt_is_prefilled_where_the_cursor_rests(env):
    lines = "".join(f"name_{number} = {number * 37}\n" for number in range(150))
    window = env.open("rests.py", lines).wait_ready()
    window.wait_idle()
    evaluated = lambda: window.lua("""
        local client = vim.lsp.get_clients({ name = 'foretype' })[1]
        return client:request_sync('foretype/status', {}, 10000).result.engine.evaluated
    """)
    before = evaluated()
    window.press("gg")
    wait_until(lambda: evaluated() > before + 100, lambda: f"{evaluated()} prompt tokens are more than {before}")


def deleting_text_typed_into_a_suggestion_restores_it(env):
    window = env.open_with_suggestion()
    window.type("a ")
    window.wait_ghost("- b")
    window.press("<BS>", "<BS>")
    window.wait_ghost("a - b")


def typing_something_else_removes_the_suggestion_at_once(env):
    window = env.open_with_suggestion()
    window.type("m")
    # Ghost text that appears now must continue the m.
    stale = [
        ghost
        for ghost in window.screen.ghosts[window.screen.ghosts.index("a - b") + 1 :]
        if ghost.startswith(("a - b", " - b"))
    ]
    assert not stale, window.screen.ghosts
    window.type("ax(")
    window.wait_idle()
    window.press("<Tab>", "<Esc>")
    assert window.lines()[-1].startswith("    return max("), window.lines()
    assert "(a - b" not in window.lines()[-1] or "max(a - b" in window.lines()[-1]


def a_line_break_can_be_typed_into_a_suggestion(env):
    text = (
        "import sys\n\n\ndef load(path):\n    with open(path) as file:\n        return file.read()\n\n\n"
        "def save(path, text):\n    with open(path, 'w') as file:"
    )
    window = env.open("break.py", text, init="vim.o.autoindent = true").wait_ready()
    window.press("A", "<C-g>u")
    window.type(" ")
    window.press("<BS>")
    ghost = window.wait_ghost(r"\s+file\.write\(text\).*")
    assert window.screen.find("file.write(text)")[0] == 10, window.screen.text()
    window.press("<CR>")
    window.wait_ghost(r"\s*file\.write\(text\).*")
    window.press("<Tab>")
    wait_until(lambda: "        file.write(text)" in window.lines(), lambda: f"{ghost!r} became {window.lines()}")


def leaving_insert_mode_removes_the_suggestion(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.wait_no_ghost()
    window.expect_no_ghost()
    assert window.lua("return require('foretype').visible()") is False


def moving_the_cursor_removes_the_suggestion(env):
    window = env.open_with_suggestion()
    window.press("<Up>")
    window.wait_no_ghost()
    window.expect_no_ghost()


def entering_insert_mode_shows_the_suggestion_again(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    window.wait_no_ghost()
    window.press("a")
    window.wait_ghost("a - b")


def a_burst_of_keys_sends_one_request(env):
    window = env.open("burst.py", SHOP, init="require('foretype').setup({ debounce_ms = 300 })").wait_ready()
    window.press("A")
    window.wait_idle()
    before = window.request_count()
    window.nvim.input("return a")
    window.wait_ghost(" - b")
    assert window.request_count() == before + 1, window.recorded("suggestion_requests")


def superseded_answers_are_not_shown(env):
    window = env.open("superseded.py", SHOP, init="require('foretype').setup({ debounce_ms = 0 })").wait_ready()
    window.press("A")
    window.type("return max(a, b) - min(")
    window.wait_idle()
    line = window.lines()[-1]
    for ghost in window.screen.ghosts:
        assert not ghost.startswith("a - b"), window.screen.ghosts
    assert line.startswith("    return max(a, b) - min("), line
    cancelled = [request for request in window.recorded("suggestion_requests") if request["type"] == "cancel"]
    assert cancelled, "superseded requests are cancelled"


def ghost_text_appears_when_the_model_is_loaded(env):
    # With another size of the KV cache, the daemon has to load the model again.
    window = env.open("loading.py", SHOP + "return ", environment={"FORETYPE_MEMORY_KV_MB": "96"})
    window.press("A")
    window.wait_ghost("a - b")
    assert window.lines()[-1] == "    return ", "the case typed nothing"
