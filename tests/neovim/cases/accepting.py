"""Accepting a suggestion whole, by word and by line; alternatives; dismissal; undo."""

import re

from test_env import SHOP
from window import wait_until

BEFORE = SHOP.split("\n")[:-1]


def Alt_Right_accepts_a_word_and_keeps_the_rest(env):
    window = env.open_with_suggestion()
    del window.screen.ghosts[:-1]
    for line, rest in (("    return a", " - b"), ("    return a -", " b"), ("    return a - b", None)):
        window.press("<M-Right>")
        window.wait_lines(BEFORE + [line])
        if rest:
            window.wait_ghost(rest)
    assert window.screen.ghosts[:3] == ["a - b", " - b", " b"], window.screen.ghosts
    parts = [(event["part"], event["text"]) for event in window.events("Accepted")]
    assert parts == [("word", "a"), ("word", " -"), ("word", " b")], parts


def Alt_Control_Right_accepts_a_line_and_keeps_the_rest(env):
    window = _several_lines(env)
    first, second, *rest = window.ghost().split("\n")
    before = window.lines()
    window.press("<M-C-Right>")
    window.wait_lines(before[:-1] + [before[-1] + first])
    window.wait_ghost(re.escape("\n".join([second, *rest])) + ".*")
    window.press("<M-C-Right>")
    window.wait_lines(before[:-1] + [before[-1] + first, second])
    window.wait_ghost(re.escape("\n".join(rest)) + ".*")


def Tab_accepts_several_lines(env):
    window = _several_lines(env)
    ghost = window.ghost()
    before = window.lines()
    window.press("<Tab>")
    wait_until(
        lambda: window.lines() == before[:-1] + (before[-1] + ghost).split("\n"),
        lambda: f"{ghost!r} is accepted: {window.lines()}",
    )
    assert window.cursor() == (len(window.lines()), len(window.lines()[-1]))


def _several_lines(env):
    window = env.open("largest.py", "def largest(values):\n    best = values[0]\n    for value in").wait_ready()
    window.press("A")
    window.type(" ")
    window.wait_ghost(r"values:\n        .*\n.*")
    return window


def Alt_brackets_show_the_alternatives(env):
    window = env.open("cycle.py", SHOP + "return ").wait_ready()
    window.press("A")
    first = window.wait_ghost(".+")
    window.press("<M-]>")
    second = window.wait_ghost(f"(?!{re.escape(first)}$).+")
    window.press("<M-[>")
    window.wait_ghost(re.escape(first))
    window.press("<M-[>")
    last = window.wait_ghost(f"(?!{re.escape(first)}$).+")
    window.press("<M-]>", "<M-]>")
    window.wait_ghost(re.escape(second))
    window.press("<Tab>")
    wait_until(
        lambda: "\n".join(window.lines()).endswith("return " + second),
        lambda: f"{second!r} is accepted: {window.lines()}, last {last!r}",
    )


def alternatives_that_contradict_the_typed_text_are_skipped(env):
    window = env.open("cycle2.py", SHOP + "return ").wait_ready()
    window.press("A")
    first = window.wait_ghost(".+")
    window.press("<M-]>")
    second = window.wait_ghost(f"(?!{re.escape(first)}$).+")
    window.press("<M-[>")
    window.wait_ghost(re.escape(first))
    common = next(at for at, (left, right) in enumerate(zip(first + "\0", second + "\1")) if left != right)
    window.type(first[: common + 1])
    window.wait_ghost(re.escape(first[common + 1 :]) + ".*")
    window.press("<M-]>", "<M-]>", "<M-]>")
    window.wait_idle()
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]
    ghost = window.wait_ghost(".+")
    assert not ghost.startswith(second), ghost


def Control_bracket_dismisses_the_suggestion_until_the_next_key(env):
    window = env.open_with_suggestion()
    window.press("<C-]>")
    window.wait_no_ghost()
    window.expect_no_ghost()
    assert len(window.events("Dismissed")) == 1
    window.type("a")
    window.wait_ghost(" - b")


def Alt_backslash_suggests_again_after_a_dismissal(env):
    window = env.open_with_suggestion()
    window.press("<C-]>")
    window.wait_no_ghost()
    window.press("<M-Bslash>")
    window.wait_ghost("a - b.*")


def undo_reverts_the_accepted_text_and_nothing_else(env):
    window = env.open_with_suggestion()
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])
    window.type("  # right")
    window.press("<Esc>", "u")
    window.wait_lines(BEFORE + ["    return a - b"])
    window.press("u")
    window.wait_lines(BEFORE + ["    return "])
    window.press("u")
    window.wait_lines(BEFORE + ["    "])
    window.press("<C-r>", "<C-r>")
    window.wait_lines(BEFORE + ["    return a - b"])


def undo_reverts_several_accepted_lines_in_one_step(env):
    window = _several_lines(env)
    before = window.lines()
    window.press("<Tab>")
    wait_until(lambda: len(window.lines()) > len(before), "lines are accepted")
    window.press("<Esc>", "u")
    window.wait_lines(before)


def a_new_line_after_accepted_text_is_indented(env):
    window = env.open("indent.py", SHOP.rstrip(" ").rstrip("\n"), init="vim.o.autoindent = true").wait_ready()
    window.press("A", "<CR>")
    window.type("x = ")
    window.wait_ghost(".+")
    window.press("<M-Right>", "<CR>")
    window.type("y")
    assert window.lines()[-1] == "    y", window.lines()
    assert window.lines()[-2].startswith("    x = ") and len(window.lines()[-2]) > 8, window.lines()


def the_server_counts_accepted_suggestions(env):
    window = env.open_with_suggestion()
    statistics = """
      local client = vim.lsp.get_clients({ name = 'foretype' })[1]
      return client:request_sync('foretype/status', vim.empty_dict(), 5000).result.statistics"""
    before = window.lua(statistics)
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])
    wait_until(
        lambda: window.lua(statistics)["accepted"] == before["accepted"] + 1,
        lambda: f"one more than {before}: {window.lua(statistics)}",
    )


def the_length_of_a_partial_acceptance_is_reported_to_the_server(env):
    window = env.open_with_suggestion()
    window.lua("""
      local client = vim.lsp.get_clients({ name = 'foretype' })[1]
      _G.notifications = {}
      local notify = client.notify
      client.notify = function(self, method, params)
        if method:find('Completion') then
          table.insert(_G.notifications, { method, params.acceptedLength })
        end
        return notify(self, method, params)
      end
    """)
    window.press("<M-Right>")
    window.wait_ghost(" - b")
    reports = [entry for entry in window.lua("return _G.notifications") if "Partially" in entry[0]]
    assert reports == [["textDocument/didPartiallyAcceptCompletion", 1]], reports
