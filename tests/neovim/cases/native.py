"""Neovim's own inline completion, from 0.12 on, with nothing but our server."""

from bench import SHOP
from since import since
from window import until

INIT = """
  vim.g.loaded_foretype = 1
  vim.lsp.enable('foretype')
  vim.lsp.inline_completion.enable()
  vim.keymap.set('i', '<Tab>', function()
    if not vim.lsp.inline_completion.get() then
      return '<Tab>'
    end
  end, { expr = true })
"""


def g_loaded_foretype_leaves_only_the_servers_configuration(bench):
    window = bench.open("loaded.py", SHOP, init="vim.g.loaded_foretype = 1; vim.lsp.enable('foretype')")
    until(lambda: window.lua("return #vim.lsp.get_clients({ name = 'foretype' })") == 1, "the server is started")
    assert window.lua("return vim.fn.exists(':Foretype')") == 0
    assert "Foretype" not in window.lua("return vim.fn.maparg('<Tab>', 'i', false, true).desc or ''")
    until(lambda: window.status()["state"] == "ready", lambda: f"ready: {window.status()}")
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()


@since(0, 12)
def inline_completion_of_neovim_shows_our_text(bench):
    window = bench.open("native.py", SHOP, init=INIT)
    until(lambda: window.status()["state"] == "ready", lambda: f"ready: {window.status()}")
    window.press("A")
    window.type("return ")
    until(lambda: "return a - b" in window.look().text(), lambda: f"ghost text:\n{window.screen.text()}")
    assert window.lines()[-1] == "    return "
    window.press("<Tab>")
    until(lambda: window.lines()[-1] == "    return a - b", lambda: f"it is taken: {window.lines()}")


@since(0, 12)
def a_missing_program_is_told_there_too(bench):
    window = bench.open("native.py", SHOP, init=INIT, environment={"FORETYPE_BIN": "/nowhere/foretype"})
    until(window.notified, "a word")
    assert window.notified() == ["Foretype: $FORETYPE_BIN names /nowhere/foretype, which is not a program. See :checkhealth foretype"], window.notified()
