"""A user's plugins: how they are is told, what is wrong is marked where it is, and their folders open."""

import shutil
import time

from window import until

BROKEN = """return {
  api = 1,
  name = "broken",
  finish = function(_, text)
    return text.x.y
  end,
}
"""


def _folder(bench):
    return bench.home / "config/foretype/plugins"


def _written(bench):
    _folder(bench).mkdir(parents=True)
    file = _folder(bench) / "broken.luau"
    file.write_text(BROKEN)
    # The daemon looks for new plugins twice a second, and the next suggestion is to have this one.
    time.sleep(1)
    return file


def the_fault_of_a_plugin_is_told_and_marked_until_it_is_mended(bench):
    file = _written(bench)
    try:
        window = bench.shop()
        window.press("<Esc>")
        until(lambda: any("broken.luau:5" in text for text in window.notified()), lambda: f"a word: {window.notified()}")
        text = window.command("Foretype plugins")
        assert "stopped: broken.luau:5" in text and "1 failures" in text, text
        window.command(f"edit {file}")
        marks = "return vim.tbl_map(function(each) return { each.lnum, each.source } end, vim.diagnostic.get(0))"
        until(lambda: window.lua(marks) == [[4, "foretype"]], lambda: f"a mark: {window.lua(marks)}")
        window.nvim.current.buffer[4] = "    return nil"
        window.command("write")
        until(lambda: window.lua(marks) == [], lambda: f"no mark: {window.lua(marks)}")
        until(lambda: "broken               ready" in window.command("Foretype plugins"), lambda: window.command("Foretype plugins"))
    finally:
        shutil.rmtree(_folder(bench))


def the_folders_of_plugins_open_and_are_made(bench):
    window = bench.shop()
    window.press("<Esc>")
    until(lambda: "no plugins" in window.command("Foretype plugins"), lambda: window.command("Foretype plugins"))
    window.command("Foretype plugin-folder user")
    assert window.lua("return vim.fn.expand('%:p')").rstrip("/") == str(_folder(bench))
    assert _folder(bench).is_dir()
    shutil.rmtree(_folder(bench))
    window.command("buffer shop.py")
    window.command("Foretype plugin-folder")
    own = bench.workspace / ".foretype/plugins"
    assert window.lua("return vim.fn.expand('%:p')").rstrip("/") == str(own) and own.is_dir()
    shutil.rmtree(own.parent)
    window.press(":Foretype plugin-folder mine<CR>")
    assert window.notified()[-1] == "Foretype: :Foretype plugin-folder is followed by user or nothing", window.notified()
