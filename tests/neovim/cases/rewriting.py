"""Rewrites: streaming, previews whose hunks are accepted or rejected, and translations in a new buffer.

The model is a stub model with a known reply."""

import picture
from window import wait_until

TEXT = """import math


def area(radius):
    square = radius * radius
    # The constant.
    pi = 3
    return pi * square


def other():
    pass
"""
BEFORE = TEXT.rstrip("\n").split("\n")
REPLY = """def area(radius):
    square = radius ** 2
    # The constant.
    pi = math.pi
    return pi * square
"""
FIRST = (4, "    square = radius ** 2")
SECOND = (6, "    pi = math.pi")


def _with(*changes):
    lines = list(BEFORE)
    for row, text in changes:
        lines[row] = text
    return lines


def _open(env, reply=REPLY, name="area.py", **options):
    """Starts a Neovim with a server of its own, whose model generates the reply."""
    model = env.stub_model(f"stub-{len(list(env.home.glob('stub-*')))}", reply)
    variables = {
        "FORETYPE_MODEL": model,
        "FORETYPE_DAEMON_ENABLED": "false",
        "FORETYPE_ASK_MAX_TOKENS": "32768",
        "FORETYPE_ASK_CONTEXT_TOKENS": "65536",
    }
    window = env.open(name, TEXT, environment=variables, **options).wait_ready()
    window.press("4G")
    return window


def _wait_preview(window):
    wait_until(
        lambda: "ga accept" in window.update_screen().text(),
        lambda: f"a preview: {window.notified()}\n{window.screen.text()}",
    )


def _wait_no_preview(window):
    wait_until(lambda: "ga accept" not in window.update_screen().text(), lambda: f"no preview:\n{window.screen.text()}")
    assert window.lua("return vim.fn.maparg('ga', 'n')") == ""


def an_edit_is_previewed_and_accepted_by_hunk(env):
    window = _open(env, size=(110, 34))
    window.command("4,8Foretype edit Be exact.")
    _wait_preview(window)
    assert window.lines() == BEFORE, "the preview changed the buffer"
    shown = window.screen.text()
    assert "▲ 1/2" in shown and "▲ 2/2" in shown, shown
    for line in (BEFORE[4], FIRST[1], BEFORE[6], SECOND[1]):
        assert line in shown, shown
    picture.screenshot(window, env.out / "preview.png")
    assert window.cursor()[0] == 5, window.cursor()
    window.press("ga")
    assert window.lines() == _with(FIRST)
    wait_until(
        lambda: "▲ 1/2" not in window.update_screen().text() and "▲ 2/2" in window.screen.text(), "one remaining hunk"
    )
    assert window.cursor()[0] == 7, window.cursor()
    window.press("u")
    window.wait_lines(BEFORE)
    wait_until(
        lambda: "▲ 1/2" in window.update_screen().text(),
        lambda: f"the hunk is back in the preview:\n{window.screen.text()}",
    )
    window.press("<C-r>")
    window.wait_lines(_with(FIRST))
    wait_until(lambda: "▲ 1/2" not in window.update_screen().text(), "the hunk is accepted again")
    window.press("gx")
    _wait_no_preview(window)
    assert window.lines() == _with(FIRST)
    window.press("u")
    window.wait_lines(BEFORE)


def all_hunks_are_accepted_in_one_undo_step_or_rejected(env):
    window = _open(env)
    window.command("4,8Foretype edit Be exact.")
    _wait_preview(window)
    window.press("]h")
    assert window.cursor()[0] == 7, window.cursor()
    window.press("[h")
    assert window.cursor()[0] == 5, window.cursor()
    window.press("gA")
    assert window.lines() == _with(FIRST, SECOND)
    _wait_no_preview(window)
    window.press("u")
    window.wait_lines(BEFORE)
    window.command("4,8Foretype edit Be exact.")
    _wait_preview(window)
    window.press("gX")
    _wait_no_preview(window)
    assert window.lines() == BEFORE


def without_a_selection_the_function_at_the_cursor_is_edited(env):
    window = _open(env)
    window.press("7G")
    window.nvim.input(":Foretype edit<CR>")
    wait_until(lambda: "Change:" in window.update_screen().text(), "a prompt for the instruction")
    window.type("Be exact.")
    window.press("<CR>")
    _wait_preview(window)
    window.press("gA")
    assert window.lines() == _with(FIRST, SECOND)


def typing_closes_the_preview_and_changes_nothing_else(env):
    window = _open(env)
    window.nvim.current.buffer.api.set_keymap("n", "ga", ":let g:mine = 1<CR>", {})
    window.command("4,8Foretype edit Be exact.")
    _wait_preview(window)
    window.press("ga")
    window.press("G", "o")
    window.type("# mine")
    wait_until(
        lambda: any("the preview is closed" in text for text in window.notified()),
        lambda: f"a notification: {window.notified()}",
    )
    window.press("<Esc>")
    assert window.lines() == [*_with(FIRST), "# mine"], window.lines()
    assert "gA accept" not in window.update_screen().text()
    window.press("ga")
    assert window.lua("return vim.g.mine") == 1, "the key lost its mapping"


def code_is_generated_for_a_comment(env):
    window = _open(env, "pi = math.pi\n")
    window.command("6Foretype generate")
    _wait_preview(window)
    picture.screenshot(window, env.out / "preview-generated.png")
    window.press("ga")
    assert window.lines() == [*BEFORE[:6], "    pi = math.pi", *BEFORE[6:]], window.lines()
    window.press("u")
    window.wait_lines(BEFORE)


def a_change_of_the_first_line_is_visible(env):
    window = _open(env, "# A circle.\nimport math\n")
    window.command("1Foretype edit Say what it is.")
    _wait_preview(window)
    assert "# A circle." in window.screen.text(), window.screen.text()
    window.press("ga")
    assert window.lines() == ["# A circle.", *BEFORE]


def streamed_text_is_visible_and_can_be_stopped(env):
    window = _open(env, "")
    window.command("4,8Foretype edit Go on.")
    wait_until(
        lambda: "again and again" in window.update_screen().text() and "gs stop" in window.screen.text(),
        lambda: f"streamed text:\n{window.screen.text()}",
    )
    picture.screenshot(window, env.out / "writing.png")
    window.command("4,8Foretype edit Go on.")
    assert "still writing" in window.notified()[-1], window.notified()
    window.press("gs")
    wait_until(lambda: "again" not in window.update_screen().text(), "no streamed text")
    assert window.lines() == BEFORE and "stopped" in window.notified()[-1], window.notified()
    window.command("4,8Foretype edit Go on.")
    wait_until(lambda: "again and again" in window.update_screen().text(), "streamed text")
    window.press("G", "o")
    wait_until(
        lambda: any("changed in the meantime" in text for text in window.notified()),
        lambda: f"a notification: {window.notified()}",
    )
    assert window.lines() == [*BEFORE, "    "] or window.lines() == [*BEFORE, ""], window.lines()
    _wait_no_preview(window)


def a_translation_opens_in_a_new_buffer(env):
    window = _open(env, "function area(radius) {\n  return radius;\n}\n", size=(150, 30))
    window.command("Foretype translate javascript")
    wait_until(
        lambda: window.lua("return vim.bo.modifiable and vim.fn.line('$') == 3"),
        lambda: f"a translation: {window.lines()} {window.notified()}",
    )
    assert window.lines() == ["function area(radius) {", "  return radius;", "}"], window.lines()
    assert window.lua("return { vim.bo.filetype, vim.bo.buftype, vim.fn.bufname() }") == [
        "javascript",
        "nofile",
        "foretype://translation/1",
    ]
    window.update_screen()
    picture.screenshot(window, env.out / "translation.png")
    window.command("wincmd p")
    assert window.lines() == BEFORE
    window.command("silent! Foretype translate klingon")
    wait_until(
        lambda: any("Python, Rust" in text for text in window.notified()),
        lambda: f"a notification: {window.notified()}",
    )
    assert len(window.nvim.windows) == 2


def invalid_rewrites_report_the_reason(env):
    window = _open(env)
    window.command("silent! 4Foretype generate something")
    assert "takes no arguments" in window.notified()[-1], window.notified()
    window.lua("require('foretype.preview').accept()")
    assert "no preview" in window.notified()[-1], window.notified()
    window.command("silent! 2Foretype generate")
    wait_until(lambda: len(window.notified()) > 2, lambda: f"a notification: {window.notified()}")
    assert window.lines() == BEFORE
    window.command("enew")
    window.command("set buftype=nofile")
    window.command("silent! 1Foretype edit Go.")
    assert "no server is attached to this buffer" in window.notified()[-1], window.notified()


def comments_are_translated_and_the_code_is_unchanged(env):
    window = _open(env, "Die Zahl pi ist hier nur drei.\n")
    window.command("Foretype translate-comments german")
    _wait_preview(window)
    window.press("gA")
    wait_until(
        lambda: window.lines() == _with((5, "    # Die Zahl pi ist hier nur drei.")), lambda: f"{window.lines()}"
    )
    window.press("u")
    assert window.lines() == BEFORE
    window.command("Foretype translate-comments klingon")
    wait_until(lambda: any("klingon" in text for text in window.notified()), lambda: f"{window.notified()}")
    assert window.lines() == BEFORE
