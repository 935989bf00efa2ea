"""Plugins: their state, diagnostics and folders."""

import shutil
import time

from window import wait_until

BROKEN = """return {
  api = 1,
  name = "broken",
  finish = function(_, text)
    return text.x.y
  end,
}
"""


def _folder(env):
    return env.home / "config/foretype/plugins"


def _write_broken_plugin(env):
    _folder(env).mkdir(parents=True)
    file = _folder(env) / "broken.luau"
    file.write_text(BROKEN)
    # The daemon looks for new plugins twice a second; the next suggestion must use this one.
    time.sleep(1)
    return file


def an_error_in_a_plugin_is_reported_and_marked_until_it_is_fixed(env):
    file = _write_broken_plugin(env)
    try:
        window = env.open_with_suggestion()
        window.press("<Esc>")
        wait_until(
            lambda: any("broken.luau:5" in text for text in window.notified()),
            lambda: f"a notification: {window.notified()}",
        )
        text = window.command("Foretype plugins")
        assert "stopped: broken.luau:5" in text and "1 failures" in text, text
        window.command(f"edit {file}")
        diagnostics = """
          return vim.tbl_map(function(diagnostic)
            return { diagnostic.lnum, diagnostic.source }
          end, vim.diagnostic.get(0))"""
        wait_until(
            lambda: window.lua(diagnostics) == [[4, "foretype"]], lambda: f"a diagnostic: {window.lua(diagnostics)}"
        )
        window.nvim.current.buffer[4] = "    return nil"
        window.command("write")
        wait_until(lambda: window.lua(diagnostics) == [], lambda: f"no diagnostic: {window.lua(diagnostics)}")
        wait_until(
            lambda: "broken               ready" in window.command("Foretype plugins"),
            lambda: window.command("Foretype plugins"),
        )
    finally:
        shutil.rmtree(_folder(env))


def plugin_folders_are_created_and_opened(env):
    window = env.open_with_suggestion()
    window.press("<Esc>")
    wait_until(lambda: "no plugins" in window.command("Foretype plugins"), lambda: window.command("Foretype plugins"))
    window.command("Foretype plugin-folder user")
    assert window.lua("return vim.fn.expand('%:p')").rstrip("/") == str(_folder(env))
    assert _folder(env).is_dir()
    shutil.rmtree(_folder(env))
    window.command("buffer shop.py")
    window.command("Foretype plugin-folder")
    workspace_folder = env.workspace / ".foretype/plugins"
    assert window.lua("return vim.fn.expand('%:p')").rstrip("/") == str(workspace_folder) and workspace_folder.is_dir()
    shutil.rmtree(workspace_folder.parent)
    window.press(":Foretype plugin-folder mine<CR>")
    assert window.notified()[-1] == "Foretype: :Foretype plugin-folder takes only user", window.notified()
