"""Keys and colours in a real terminal."""

from test_env import SHOP
from window import wait_until


def _open_with_suggestion(env, name, init=""):
    terminal = env.terminal(name, SHOP, init)
    terminal.press("A")
    terminal.type("return ")
    terminal.wait_ghost("a - b")
    return terminal


def in_a_terminal_Tab_accepts_grey_text(env):
    terminal = _open_with_suggestion(env, "tab.py")
    terminal.press("Tab")
    terminal.wait_last_line("    return a - b")
    terminal.wait_no_ghost()
    terminal.press("Escape", ":w", "Enter")
    wait_until(lambda: (env.workspace / "tab.py").read_text().endswith("    return a - b\n"), "the written file")


def in_a_terminal_the_other_keys_work(env):
    terminal = _open_with_suggestion(env, "keys.py")
    terminal.press("C-]")
    terminal.wait_no_ghost()
    terminal.press("M-\\")
    first = terminal.wait_ghost("a - b.*")
    terminal.press("M-]")
    terminal.wait_ghost("(?!a - b$).+")
    terminal.press("M-[")
    terminal.wait_ghost(first)
    terminal.press("M-Right")
    terminal.wait_last_line("    return a")
    terminal.wait_ghost(" - b.*")
    terminal.press("M-C-Right")
    terminal.wait_last_line("    return a - b")


def in_a_terminal_with_few_colours_ghost_text_is_grey(env):
    terminal = env.terminal("few.py", SHOP, "vim.o.termguicolors = false")
    # Bright black, colour 8, is grey in every terminal.
    terminal.grey = "90"
    terminal.press("A")
    terminal.type("return ")
    terminal.wait_ghost("a - b")
