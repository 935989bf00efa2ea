"""In a real terminal: the keys as a keyboard sends them, the colours as a terminal shows them."""

from bench import SHOP
from window import until


def _ghost(bench, name, init=""):
    terminal = bench.terminal(name, SHOP, init)
    terminal.press("A")
    terminal.type("return ")
    terminal.wait_ghost("a - b")
    return terminal


def in_a_terminal_Tab_takes_grey_text(bench):
    terminal = _ghost(bench, "tab.py")
    terminal.press("Tab")
    terminal.wait_last_line("    return a - b")
    terminal.wait_no_ghost()
    terminal.press("Escape", ":w", "Enter")
    until(lambda: (bench.workspace / "tab.py").read_text().endswith("    return a - b\n"), "the file is written")


def in_a_terminal_the_other_keys_work(bench):
    terminal = _ghost(bench, "keys.py")
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


def in_a_terminal_with_few_colours_it_is_grey_as_well(bench):
    terminal = bench.terminal("few.py", SHOP, "vim.o.termguicolors = false")
    # Bright black, the eighth colour, is grey in every terminal.
    terminal.grey = "90"
    terminal.press("A")
    terminal.type("return ")
    terminal.wait_ghost("a - b")
