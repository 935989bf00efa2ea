"""Docstrings: the code action, previews, progress and updates."""

import re

import picture
from window import wait_until

TEXT = "def scale(values, factor):\n    return [value * factor for value in values]"
ACTION = """vim.lsp.buf.code_action({
  apply = true, context = { only = { 'refactor.rewrite' }, diagnostics = {} },
  filter = function(action) return action.title:find('docstring', 1, true) ~= nil end,
})"""


def the_code_action_writes_a_docstring_and_one_undo_reverts_it(env):
    window = env.open("scale.py", TEXT).wait_ready()
    before = window.lines()
    window.lua(ACTION)
    wait_until(lambda: len(window.lines()) > len(before), lambda: f"a docstring: {window.lines()}")
    window.update_screen()
    picture.screenshot(window, env.out / "docstring.png")
    lines = window.lines()
    assert lines[0] == before[0] and lines[-1] == before[-1], lines
    assert lines[1].startswith('    """') and lines[-2].endswith('"""'), lines
    names = [line.split()[0].rstrip(":") for line in lines if line.strip().startswith(("values", "factor"))]
    assert names == ["values", "factor"], lines
    window.press("u")
    window.wait_lines(before)


MANY_FUNCTIONS = "".join(f"def f{number}(x):\n    return x\n\n\n" for number in range(200))


def _open_with_stub_model(env, name, text, **options):
    model = env.stub_model("stub-docstring", "It scales.\n")
    variables = {"FORETYPE_MODEL": model, "FORETYPE_DAEMON_ENABLED": "false"}
    return env.open(name, text, environment=variables, **options).wait_ready()


def docstrings_of_a_selection_are_previewed_and_generated_again(env):
    text = TEXT + "\n\n\ndef half(x):\n    return x / 2\n\n\ndef other(x):\n    pass"
    window = _open_with_stub_model(env, "several.py", text)
    before = window.lines()
    window.command("1,6Foretype docstrings")
    wait_until(
        lambda: "▲ 2/2" in window.update_screen().text(),
        lambda: f"a preview: {window.notified()}\n{window.screen.text()}",
    )
    picture.screenshot(window, env.out / "docstrings-preview.png")
    assert window.lines() == before
    window.press("gR")
    # The request closes the old preview.
    wait_until(
        lambda: window.recorded("foretype_requests").count("foretype/docstring") == 2,
        lambda: f"a second request: {window.recorded('foretype_requests')}",
    )
    wait_until(lambda: "▲ 2/2" in window.update_screen().text(), "another preview")
    window.press("ga")
    assert window.lines()[1].startswith('    """') and before[1] in window.lines(), window.lines()
    window.press("u")
    window.wait_lines(before)


def the_option_docstring_preview_previews_a_docstring(env):
    window = _open_with_stub_model(
        env, "option.py", TEXT, init="require('foretype').setup({ docstring_preview = true })"
    )
    before = window.lines()
    window.command("2Foretype docstring")
    wait_until(lambda: "▲ 1/1" in window.update_screen().text(), lambda: f"a preview: {window.notified()}")
    assert window.lines() == before
    window.press("ga")
    assert len(window.lines()) > len(before)


def docstrings_of_a_file_show_progress_and_can_be_stopped(env):
    window = _open_with_stub_model(env, "many.py", MANY_FUNCTIONS)
    before = window.lines()
    window.command("Foretype docstrings")
    wait_until(
        lambda: re.search(r"\d+/200 f\d+", window.update_screen().text()), lambda: f"progress:\n{window.screen.text()}"
    )
    window.command("Foretype stop")
    wait_until(lambda: "/200" not in window.update_screen().text(), "the end of the progress")
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


def an_update_changes_only_outdated_entries(env):
    window = _open_with_stub_model(env, "outdated.py", OUTDATED)
    window.command("Foretype update-docstrings")
    wait_until(
        lambda: "▲ 1/1" in window.update_screen().text(),
        lambda: f"a preview: {window.notified()}\n{window.screen.text()}",
    )
    picture.screenshot(window, env.out / "docstrings-update.png")
    window.press("ga")
    expected = OUTDATED.replace("ratio: How much.", "factor: The factor.").split("\n")
    window.wait_lines(expected)
    window.command("Foretype update-docstrings")
    wait_until(lambda: any("nothing to update" in text for text in window.notified()), lambda: window.notified())
    window.press("u")
    window.wait_lines(OUTDATED.split("\n"))
