"""A docstring is written by the code action, and taken back by one undo."""

import re
import sys

import picture
from bench import REPOSITORY
from window import until

sys.path.insert(0, str(REPOSITORY / "tests"))

TEXT = "def scale(values, factor):\n    return [value * factor for value in values]"
ACTION = """vim.lsp.buf.code_action({
  apply = true, context = { only = { 'refactor.rewrite' }, diagnostics = {} },
  filter = function(action) return action.title:find('docstring', 1, true) ~= nil end,
})"""


def the_code_action_writes_a_docstring_and_one_undo_takes_it_back(bench):
    window = bench.open("scale.py", TEXT).ready()
    before = window.lines()
    window.lua(ACTION)
    until(lambda: len(window.lines()) > len(before), lambda: f"a docstring is written: {window.lines()}")
    window.look()
    picture.take(window, bench.out / "docstring.png")
    lines = window.lines()
    assert lines[0] == before[0] and lines[-1] == before[-1], lines
    assert lines[1].startswith('    """') and lines[-2].endswith('"""'), lines
    names = [line.split()[0].rstrip(":") for line in lines if line.strip().startswith(("values", "factor"))]
    assert names == ["values", "factor"], lines
    window.press("u")
    window.wait_lines(before)


MANY = "".join(f"def f{number}(x):\n    return x\n\n\n" for number in range(200))


def _stub_model(bench, name, text, **options):
    model = bench.stub_model("stub-docstring", "It scales.\n")
    own = {"FORETYPE_MODEL": model, "FORETYPE_DAEMON_ENABLED": "false"}
    return bench.open(name, text, environment=own, **options).ready()


def docstrings_of_a_selection_are_shown_first_and_asked_for_again(bench):
    text = TEXT + "\n\n\ndef half(x):\n    return x / 2\n\n\ndef other(x):\n    pass"
    window = _stub_model(bench, "several.py", text)
    before = window.lines()
    window.command("1,6Foretype docstrings")
    until(lambda: "▲ 2/2" in window.look().text(), lambda: f"a preview: {window.notified()}\n{window.screen.text()}")
    picture.take(window, bench.out / "docstrings-preview.png")
    assert window.lines() == before
    window.press("gR")
    # With the request the old preview goes.
    until(lambda: window.seen("own").count("foretype/docstring") == 2, lambda: f"it is asked again: {window.seen('own')}")
    until(lambda: "▲ 2/2" in window.look().text(), "there are others")
    window.press("ga")
    assert window.lines()[1].startswith('    """') and before[1] in window.lines(), window.lines()
    window.press("u")
    window.wait_lines(before)


def a_docstring_is_shown_first_where_the_option_says_so(bench):
    window = _stub_model(bench, "option.py", TEXT, init="require('foretype').setup({ docstring_preview = true })")
    before = window.lines()
    window.command("2Foretype docstring")
    until(lambda: "▲ 1/1" in window.look().text(), lambda: f"a preview: {window.notified()}")
    assert window.lines() == before
    window.press("ga")
    assert len(window.lines()) > len(before)


def docstrings_of_a_whole_file_show_how_far_they_are_and_stop(bench):
    window = _stub_model(bench, "many.py", MANY)
    before = window.lines()
    window.command("Foretype docstrings")
    until(lambda: re.search(r"\d+/200 f\d+", window.look().text()), lambda: f"how far it is:\n{window.screen.text()}")
    window.command("Foretype stop")
    until(lambda: "/200" not in window.look().text(), "it stops")
    assert window.lines() == before and "stopped" in window.notified()[-1], window.notified()


OUTDATED = '''def scale(values, factor):
    """Make them larger.

    Args:
        values: Any
            numbers.
        ratio: How much.

    Returns:
        New ones.
    """
    return [value * factor for value in values]'''


def an_update_changes_only_what_no_longer_matches(bench):
    window = _stub_model(bench, "outdated.py", OUTDATED)
    window.command("Foretype update-docstrings")
    until(lambda: "▲ 1/1" in window.look().text(), lambda: f"a preview: {window.notified()}\n{window.screen.text()}")
    picture.take(window, bench.out / "docstrings-update.png")
    window.press("ga")
    expected = OUTDATED.replace("ratio: How much.", "factor: The factor.").split("\n")
    window.wait_lines(expected)
    window.command("Foretype update-docstrings")
    until(lambda: any("nothing to update" in it for it in window.notified()), lambda: window.notified())
    window.press("u")
    window.wait_lines(OUTDATED.split("\n"))
