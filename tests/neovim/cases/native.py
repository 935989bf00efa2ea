"""Neovim's own inline completion (0.12 and later) with only the server of Foretype."""

from test_env import SHOP
from since import since
from window import wait_until

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


def g_loaded_foretype_keeps_only_the_server_configuration(env):
    window = env.open("loaded.py", SHOP, init="vim.g.loaded_foretype = 1; vim.lsp.enable('foretype')")
    wait_until(lambda: window.lua("return #vim.lsp.get_clients({ name = 'foretype' })") == 1, "the server")
    assert window.lua("return vim.fn.exists(':Foretype')") == 0
    assert "Foretype" not in window.lua("return vim.fn.maparg('<Tab>', 'i', false, true).desc or ''")
    wait_until(lambda: window.status()["state"] == "ready", lambda: f"ready: {window.status()}")
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()


@since(0, 12)
def inline_completion_of_Neovim_shows_suggestions(env):
    window = env.open("native.py", SHOP, init=INIT)
    wait_until(lambda: window.status()["state"] == "ready", lambda: f"ready: {window.status()}")
    window.press("A")
    window.type("return ")
    wait_until(lambda: "return a - b" in window.update_screen().text(), lambda: f"ghost text:\n{window.screen.text()}")
    assert window.lines()[-1] == "    return "
    window.press("<Tab>")
    wait_until(lambda: window.lines()[-1] == "    return a - b", lambda: f"it is accepted: {window.lines()}")


@since(0, 12)
def a_missing_program_is_reported_without_the_plugin(env):
    window = env.open("native.py", SHOP, init=INIT, environment={"FORETYPE_BIN": "/nowhere/foretype"})
    wait_until(window.notified, "a notification")
    assert window.notified() == [
        "Foretype: $FORETYPE_BIN names /nowhere/foretype, which is not executable. See :checkhealth foretype"
    ], window.notified()
