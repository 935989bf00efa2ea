"""Conversations: questions, streamed answers, stopping, citations and code blocks."""

import re

import picture
from window import wait_until

TEXT = """def scale(values, factor):
    return [value * factor for value in values]


def largest(values):
    best = values[0]
    for value in values:
        if value > best:
            best = value
    return best
"""


def _open(env, **options):
    return env.open("largest.py", TEXT, **options).wait_ready()


def _text(window):
    return "\n".join(window.lines())


def _in_conversation(window):
    return window.lua("return vim.api.nvim_buf_get_name(0):match('^foretype://conversation/%d+$') ~= nil")


def _wait_answers(window, answers=1):
    """Waits until that many answers are complete and the next question can be written. Returns the last answer."""
    wait_until(
        lambda: len(re.findall("^## You$", _text(window), re.M)) == answers + 1
        and window.lua("return vim.bo.modifiable"),
        lambda: f"{answers} answers; it is\n{_text(window)}",
    )
    return _text(window).split("## Foretype\n")[-1].split("\n## You")[0].strip()


def a_selection_is_explained_in_a_split_and_a_second_question_is_answered(env):
    window = _open(env, size=(150, 40))
    window.press("5G", "V", "G")
    window.nvim.input(":Foretype explain<CR>")
    wait_until(lambda: _in_conversation(window), "a conversation")
    lengths = set()
    wait_until(
        lambda: lengths.add(len(_text(window))) or window.lua("return vim.bo.modifiable") and len(window.lines()) > 8,
        "an answer",
    )
    assert len(lengths) > 3, f"the answer was not streamed: {lengths}"
    answer = _wait_answers(window)
    assert re.search("largest|maximum|greatest|highest", answer, re.I), answer
    assert "> Read: largest.py:5-10" in answer, answer
    assert window.lua("return vim.bo.filetype") == "markdown"
    assert window.lines()[2] == "Explain (largest.py:5-10)", window.lines()
    window.press("G", "i")
    window.type("Why does it begin with values[0]?")
    window.press("<Esc>", "<CR>")
    second = _wait_answers(window, 2)
    assert second and second != answer, second
    window.update_screen()
    picture.screenshot(window, env.out / "conversation.png")
    window.press("gR")
    wait_until(lambda: not window.lua("return vim.bo.modifiable"), "another answer")
    third = _wait_answers(window, 2)
    assert third and third != second, third
    assert _text(window).count("## Foretype") == 2


def stopping_an_answer_does_not_end_the_conversation(env):
    window = _open(env)
    window.command("Foretype ask Explain every line of this code at length, with many examples.")
    wait_until(lambda: len(_text(window)) > 150, lambda: f"the start of an answer: {_text(window)}")
    window.press("<C-c>")
    stopped = _text(window)
    assert "> Stopped." in stopped and stopped.rstrip().endswith("## You"), stopped
    window.lua("vim.wait(500)")
    assert _text(window) == stopped, "text arrived after the stop"
    window.command("Foretype ask Say yes.")
    assert _wait_answers(window, 2)
    assert not window.nvim.vvars["errmsg"], window.nvim.vvars["errmsg"]


def questions_can_be_stopped_regenerated_edited_and_branched(env):
    model = env.stub_model("stub-talk", "")
    window = env.open(
        "largest.py",
        TEXT,
        environment={"FORETYPE_MODEL": model, "FORETYPE_DAEMON_ENABLED": "false", "FORETYPE_ASK_MAX_TOKENS": "48"},
    ).wait_ready()
    window.command("Foretype ask One?")
    wait_until(lambda: "again and again" in _text(window), lambda: f"the start of an answer: {_text(window)}")
    window.press("<C-c>")
    was_stopped = "> Stopped." in _text(window)
    window.press("gR")
    answer = _wait_answers(window)
    assert "> Stopped." not in answer and answer.count("again and again") > 30, (was_stopped, answer)
    for number, question in enumerate(("Two?", "Three?"), 2):
        window.command(f"Foretype ask {question}")
        _wait_answers(window, number)
    assert window.lua("return vim.fn.search('^Two', 'w')") > 0
    window.press("gE")
    assert _text(window).rstrip().endswith("## You\n\nTwo?"), _text(window)
    window.command("$substitute/Two/Four")
    window.press("<CR>")
    _wait_answers(window, 2)
    window.press("gg", "gB")
    wait_until(lambda: "One?" in _text(window) and "Four?" not in _text(window), lambda: f"a copy: {_text(window)}")
    window.command("Foretype ask Five?")
    _wait_answers(window, 2)
    saved = window.lua("""
      local client = vim.lsp.get_clients({ name = 'foretype' })[1]
      local get = function(method, params) return client:request_sync(method, params, 10000).result end
      return vim.tbl_map(function(entry)
        local saved = get('foretype/conversation', { conversation = entry.conversation })
        return vim.tbl_map(function(turn) return turn.question end, saved.turns)
      end, get('foretype/conversations', vim.empty_dict()))""")
    assert saved[:2] == [["One?", "Five?"], ["One?", "Four?"]], saved
    window.command("enew")
    window.command("silent! lua require('foretype.conversation').edit()")
    assert "not a conversation" in window.notified()[-1], window.notified()


def citations_are_in_the_quickfix_list_and_can_be_opened(env):
    window = _open(env)
    window.command("7Foretype ask Repeat this sentence: The loop begins at largest.py:7.")
    answer = _wait_answers(window)
    cited = re.search(r"largest\.py:(\d+)", answer.split("> Read")[0])
    assert cited, answer
    line = int(cited[1])
    listed = window.lua("""
      return vim.tbl_map(function(item)
        return { vim.fs.basename(vim.api.nvim_buf_get_name(item.bufnr)), item.lnum }
      end, vim.fn.getqflist())""")
    assert ["largest.py", line] in listed, (listed, answer)
    for key in ("<CR>", "gf"):
        # The citation in the answer, not the one in the question.
        window.command("call search('^## Foretype') | call search('largest\\.py:')")
        window.press(key)
        assert not _in_conversation(window), key
        assert window.cursor()[0] == line, window.cursor()
        window.command("wincmd p")
        assert _in_conversation(window)


def a_code_block_of_an_answer_can_be_inserted_and_yanked(env):
    window = _open(env)
    window.command("1Foretype ask Write a Python function that doubles each value of a list, in a code block.")
    answer = _wait_answers(window)
    code = re.search(r"^```.*\n([\s\S]*?)\n```$", answer, re.M)
    assert code, answer
    window.lua("vim.fn.search('^```', 'w')")
    window.press("j", "gy")
    assert window.lua("return vim.fn.getreg('\"')") == code[1] + "\n"
    window.press("gp")
    assert not _in_conversation(window)
    assert code[1] in _text(window) and len(window.lines()) == len(TEXT.split("\n")) - 1 + len(
        code[1].split("\n")
    ), _text(window)
    window.press("u")
    window.wait_lines(TEXT.rstrip("\n").split("\n"))


def the_command_writes_a_docstring(env):
    window = _open(env)
    before = window.lines()
    window.command("5Foretype docstring")
    wait_until(lambda: len(window.lines()) > len(before), lambda: f"a docstring: {window.lines()} {window.notified()}")
    assert window.lines()[4] == before[4] and window.lines()[5].startswith('    """'), window.lines()
    window.press("u")
    window.wait_lines(before)
    window.command("3Foretype docstring")
    wait_until(lambda: len(window.notified()) > 2, lambda: f"a message: {window.notified()}")
    assert window.lines() == before


def invalid_commands_report_the_reason(env):
    window = _open(env)
    for command, expected in (("stop", "no answer"), ("regenerate", "no question"), ("1,2 status", "no range")):
        numbers, name = ("1,2", "status") if " " in command else ("", command)
        window.command(f"silent! {numbers}Foretype {name}")
        assert expected in window.notified()[-1], window.notified()
    window.command("enew")
    window.command("set buftype=nofile")
    window.command("Foretype ask Why?")
    assert "no server is attached to this buffer" in window.notified()[-1], window.notified()


def a_saved_conversation_can_be_opened_again(env):
    window = _open(env)
    window.command("Foretype ask Say yes and nothing else.")
    answer = _wait_answers(window)
    window.command("bwipeout!")
    window.lua("""
      vim.ui.select = function(items, options, choose)
        _G.labels = vim.tbl_map(options.format_item, items)
        choose(items[1])
      end""")
    window.command("Foretype conversations")
    wait_until(lambda: _in_conversation(window), lambda: f"the conversation: {window.notified()}")
    assert "Say yes" in window.lua("return _G.labels[1]")
    assert _wait_answers(window) == answer


def conversations_are_refused_in_plain_words_outside_a_workspace(env):
    (env.home / "outside").mkdir(exist_ok=True)
    window = env.open("../outside/notes.py", "x = 1\n").wait_ready()
    window.command("let v:errmsg = ''")
    window.command("Foretype conversations")
    wait_until(lambda: any("open a folder" in text for text in window.notified()), window.notified)
    messages = window.command("messages") + window.lua("return vim.v.errmsg")
    assert "traceback" not in messages and "attempt to" not in messages, messages
