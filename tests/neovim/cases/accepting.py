"""A suggestion is taken whole, by word, by line; another one is looked at; it is sent away; it is undone."""

import re

from bench import SHOP
from window import until

BEFORE = SHOP.split("\n")[:-1]


def Alt_Right_takes_a_word_and_the_rest_stays(bench):
    window = bench.shop()
    del window.screen.ghosts[:-1]
    for line, rest in (("    return a", " - b"), ("    return a -", " b"), ("    return a - b", None)):
        window.press("<M-Right>")
        window.wait_lines(BEFORE + [line])
        if rest:
            window.wait_ghost(rest)
    assert window.screen.ghosts[:3] == ["a - b", " - b", " b"], window.screen.ghosts
    parts = [(event["part"], event["text"]) for event in window.events("Accepted")]
    assert parts == [("word", "a"), ("word", " -"), ("word", " b")], parts


def Alt_Control_Right_takes_a_line_and_the_rest_stays(bench):
    window = _several_lines(bench)
    first, second, *rest = window.ghost().split("\n")
    before = window.lines()
    window.press("<M-C-Right>")
    window.wait_lines(before[:-1] + [before[-1] + first])
    window.wait_ghost(re.escape("\n".join([second, *rest])) + ".*")
    window.press("<M-C-Right>")
    window.wait_lines(before[:-1] + [before[-1] + first, second])
    window.wait_ghost(re.escape("\n".join(rest)) + ".*")


def Tab_takes_several_lines(bench):
    window = _several_lines(bench)
    ghost = window.ghost()
    before = window.lines()
    window.press("<Tab>")
    until(lambda: window.lines() == before[:-1] + (before[-1] + ghost).split("\n"), lambda: f"{ghost!r} is taken: {window.lines()}")
    assert window.cursor() == (len(window.lines()), len(window.lines()[-1]))


def _several_lines(bench):
    window = bench.open("largest.py", "def largest(values):\n    best = values[0]\n    for value in").ready()
    window.press("A")
    window.type(" ")
    window.wait_ghost(r"values:\n        .*\n.*")
    return window


def Alt_brackets_show_the_alternatives(bench):
    window = bench.open("cycle.py", SHOP + "return ").ready()
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
    until(lambda: "\n".join(window.lines()).endswith("return " + second), lambda: f"{second!r} is taken: {window.lines()}, last {last!r}")


def alternatives_that_what_was_typed_rules_out_are_passed_over(bench):
    window = bench.open("cycle2.py", SHOP + "return ").ready()
    window.press("A")
    first = window.wait_ghost(".+")
    window.press("<M-]>")
    second = window.wait_ghost(f"(?!{re.escape(first)}$).+")
    window.press("<M-[>")
    window.wait_ghost(re.escape(first))
    common = next(at for at, (left, right) in enumerate(zip(first + "\0", second + "\1")) if left != right)
    window.type(first[:common + 1])
    window.wait_ghost(re.escape(first[common + 1:]) + ".*")
    window.press("<M-]>", "<M-]>", "<M-]>")
    window.wait_quiet()
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]
    ghost = window.wait_ghost(".+")
    assert not ghost.startswith(second), ghost


def Control_bracket_sends_it_away_until_the_next_key(bench):
    window = bench.shop()
    window.press("<C-]>")
    window.wait_no_ghost()
    window.keeps_no_ghost()
    assert len(window.events("Dismissed")) == 1
    window.type("a")
    window.wait_ghost(" - b")


def Alt_backslash_asks_again_after_it_was_sent_away(bench):
    window = bench.shop()
    window.press("<C-]>")
    window.wait_no_ghost()
    window.press("<M-Bslash>")
    window.wait_ghost("a - b.*")


def undo_takes_back_the_suggestion_and_nothing_else(bench):
    window = bench.shop()
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


def undo_takes_back_several_lines_in_one_step(bench):
    window = _several_lines(bench)
    before = window.lines()
    window.press("<Tab>")
    until(lambda: len(window.lines()) > len(before), "lines are taken")
    window.press("<Esc>", "u")
    window.wait_lines(before)


def a_new_line_after_a_suggestion_is_indented_as_ever(bench):
    window = bench.open("indent.py", SHOP.rstrip(" ").rstrip("\n"), init="vim.o.autoindent = true").ready()
    window.press("A", "<CR>")
    window.type("x = ")
    window.wait_ghost(".+")
    window.press("<M-Right>", "<CR>")
    window.type("y")
    assert window.lines()[-1] == "    y", window.lines()
    assert window.lines()[-2].startswith("    x = ") and len(window.lines()[-2]) > 8, window.lines()


def what_is_taken_is_counted_by_the_server(bench):
    window = bench.shop()
    count = "return vim.lsp.get_clients({ name = 'foretype' })[1]:request_sync('foretype/status', vim.empty_dict(), 5000).result.statistics"
    before = window.lua(count)
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])
    until(lambda: window.lua(count)["accepted"] == before["accepted"] + 1, lambda: f"one more than {before}: {window.lua(count)}")


def the_server_is_told_how_much_of_it_was_taken(bench):
    window = bench.shop()
    window.lua("""
      local client = vim.lsp.get_clients({ name = 'foretype' })[1]
      _G.told = {}
      local notify = client.notify
      client.notify = function(self, method, params)
        if method:find('Completion') then
          table.insert(_G.told, { method, params.acceptedLength })
        end
        return notify(self, method, params)
      end
    """)
    window.press("<M-Right>")
    window.wait_ghost(" - b")
    told = [entry for entry in window.lua("return _G.told") if "Partially" in entry[0]]
    assert told == [["textDocument/didPartiallyAcceptCompletion", 1]], told
