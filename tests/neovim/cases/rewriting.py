"""Code that a model writes: streamed, shown as a preview, taken or turned down by pieces; translations in a buffer of their own.

What is written is known: the model is the stub model, whose reply the case gives."""

import sys

import picture
from bench import REPOSITORY
from window import until

sys.path.insert(0, str(REPOSITORY / "tests"))

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
WRITTEN = """def area(radius):
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


def _open(bench, written=WRITTEN, name="area.py", **options):
    """A Neovim whose model says this; it has a process of its own."""
    model = bench.stub_model(f"stub-{len(list(bench.home.glob('stub-*')))}", written)
    own = {"FORETYPE_MODEL": model, "FORETYPE_DAEMON_ENABLED": "false", "FORETYPE_ASK_MAX_TOKENS": "32768",
           "FORETYPE_ASK_CONTEXT_TOKENS": "65536"}
    window = bench.open(name, TEXT, environment=own, **options).ready()
    window.press("4G")
    return window


def _previewed(window):
    until(lambda: "ga accept" in window.look().text(), lambda: f"a preview: {window.notified()}\n{window.screen.text()}")


def _no_preview(window):
    until(lambda: "ga accept" not in window.look().text(), lambda: f"no preview:\n{window.screen.text()}")
    assert window.lua("return vim.fn.maparg('ga', 'n')") == ""


def an_edit_is_previewed_and_taken_by_pieces(bench):
    window = _open(bench, size=(110, 34))
    window.command("4,8Foretype edit Be exact.")
    _previewed(window)
    assert window.lines() == BEFORE, "nothing is changed yet"
    shown = window.screen.text()
    assert "▲ 1/2" in shown and "▲ 2/2" in shown, shown
    for line in (BEFORE[4], FIRST[1], BEFORE[6], SECOND[1]):
        assert line in shown, shown
    picture.take(window, bench.out / "preview.png")
    assert window.cursor()[0] == 5, window.cursor()
    window.press("ga")
    assert window.lines() == _with(FIRST)
    until(lambda: "▲ 1/2" not in window.look().text() and "▲ 2/2" in window.screen.text(), "one is left")
    assert window.cursor()[0] == 7, window.cursor()
    window.press("u")
    window.wait_lines(BEFORE)
    until(lambda: "▲ 1/2" in window.look().text(), lambda: f"it waits again:\n{window.screen.text()}")
    window.press("<C-r>")
    window.wait_lines(_with(FIRST))
    until(lambda: "▲ 1/2" not in window.look().text(), "it is taken again")
    window.press("gx")
    _no_preview(window)
    assert window.lines() == _with(FIRST)
    window.press("u")
    window.wait_lines(BEFORE)


def all_of_an_edit_is_taken_in_one_step_or_turned_down(bench):
    window = _open(bench)
    window.command("4,8Foretype edit Be exact.")
    _previewed(window)
    window.press("]h")
    assert window.cursor()[0] == 7, window.cursor()
    window.press("[h")
    assert window.cursor()[0] == 5, window.cursor()
    window.press("gA")
    assert window.lines() == _with(FIRST, SECOND)
    _no_preview(window)
    window.press("u")
    window.wait_lines(BEFORE)
    window.command("4,8Foretype edit Be exact.")
    _previewed(window)
    window.press("gX")
    _no_preview(window)
    assert window.lines() == BEFORE


def without_a_selection_the_function_at_the_cursor_is_edited(bench):
    window = _open(bench)
    window.press("7G")
    window.nvim.input(":Foretype edit<CR>")
    until(lambda: "Change:" in window.look().text(), "it asks what to change")
    window.type("Be exact.")
    window.press("<CR>")
    _previewed(window)
    window.press("gA")
    assert window.lines() == _with(FIRST, SECOND)


def typing_drops_the_preview_and_touches_nothing(bench):
    window = _open(bench)
    window.nvim.current.buffer.api.set_keymap("n", "ga", ":let g:mine = 1<CR>", {})
    window.command("4,8Foretype edit Be exact.")
    _previewed(window)
    window.press("ga")
    window.press("G", "o")
    window.type("# mine")
    until(lambda: any("the preview is dropped" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
    window.press("<Esc>")
    assert window.lines() == [*_with(FIRST), "# mine"], window.lines()
    assert "gA accept" not in window.look().text()
    window.press("ga")
    assert window.lua("return vim.g.mine") == 1, "the key is what it was"


def code_is_generated_for_a_comment(bench):
    window = _open(bench, "pi = math.pi\n")
    window.command("6Foretype generate")
    _previewed(window)
    picture.take(window, bench.out / "preview-generated.png")
    window.press("ga")
    assert window.lines() == [*BEFORE[:6], "    pi = math.pi", *BEFORE[6:]], window.lines()
    window.press("u")
    window.wait_lines(BEFORE)


def a_change_of_the_first_line_is_seen(bench):
    window = _open(bench, "# A circle.\nimport math\n")
    window.command("1Foretype edit Say what it is.")
    _previewed(window)
    assert "# A circle." in window.screen.text(), window.screen.text()
    window.press("ga")
    assert window.lines() == ["# A circle.", *BEFORE]


def what_is_written_is_seen_and_stopped(bench):
    window = _open(bench, "")
    window.command("4,8Foretype edit Go on.")
    until(lambda: "again and again" in window.look().text() and "gs stops" in window.screen.text(),
          lambda: f"it is seen:\n{window.screen.text()}")
    picture.take(window, bench.out / "writing.png")
    window.command("4,8Foretype edit Go on.")
    assert "still writing" in window.notified()[-1], window.notified()
    window.press("gs")
    until(lambda: "again" not in window.look().text(), "it is gone")
    assert window.lines() == BEFORE and "stopped" in window.notified()[-1], window.notified()
    window.command("4,8Foretype edit Go on.")
    until(lambda: "again and again" in window.look().text(), "it is seen")
    window.press("G", "o")
    until(lambda: any("changed in the meantime" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
    assert window.lines() == [*BEFORE, "    "] or window.lines() == [*BEFORE, ""], window.lines()
    _no_preview(window)


def a_translation_opens_in_a_buffer_of_its_own(bench):
    window = _open(bench, "function area(radius) {\n  return radius;\n}\n", size=(150, 30))
    window.command("Foretype translate javascript")
    until(lambda: window.lua("return vim.bo.modifiable and vim.fn.line('$') == 3"), lambda: f"a translation: {window.lines()} {window.notified()}")
    assert window.lines() == ["function area(radius) {", "  return radius;", "}"], window.lines()
    assert window.lua("return { vim.bo.filetype, vim.bo.buftype, vim.fn.bufname() }") == ["javascript", "nofile", "foretype://translation/1"]
    window.look()
    picture.take(window, bench.out / "translation.png")
    window.command("wincmd p")
    assert window.lines() == BEFORE
    window.command("silent! Foretype translate klingon")
    until(lambda: any("Python, Rust" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
    assert len(window.nvim.windows) == 2


def what_cannot_be_rewritten_says_why(bench):
    window = _open(bench)
    window.command("silent! 4Foretype generate something")
    assert "followed by nothing" in window.notified()[-1], window.notified()
    window.lua("require('foretype.preview').accept()")
    assert "no preview" in window.notified()[-1], window.notified()
    window.command("silent! 2Foretype generate")
    until(lambda: len(window.notified()) > 2, lambda: f"a word: {window.notified()}")
    assert window.lines() == BEFORE
    window.command("enew")
    window.command("set buftype=nofile")
    window.command("silent! 1Foretype edit Go.")
    assert "no server for this buffer" in window.notified()[-1], window.notified()


def comments_are_translated_and_the_code_is_left_alone(bench):
    window = _open(bench, "Die Zahl pi ist hier nur drei.\n")
    window.command("Foretype translate-comments german")
    _previewed(window)
    window.press("gA")
    until(lambda: window.lines() == _with((5, "    # Die Zahl pi ist hier nur drei.")), lambda: f"{window.lines()}")
    window.press("u")
    assert window.lines() == BEFORE
    window.command("Foretype translate-comments klingon")
    until(lambda: any("klingon" in text for text in window.notified()), lambda: f"{window.notified()}")
    assert window.lines() == BEFORE
