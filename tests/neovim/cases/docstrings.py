"""A docstring is written by the code action, and taken back by one undo."""

import picture
from window import until

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
