"""The picture in the documentation, made anew by each run."""

from bench import REPOSITORY
from picture import draw

TOUR = REPOSITORY / "tests/fixtures/tour/inventory.py"
LOOK = """
  vim.o.cmdheight = 1
  vim.o.number = true
  vim.o.laststatus = 2
  vim.o.statusline = ' %f %m%=%{v:lua.require("foretype").statusline()}  %l:%c '
  vim.o.ruler = false
  vim.o.showmode = true
  vim.o.hlsearch = false
"""


def the_picture_for_the_README(bench):
    window = bench.open("inventory.py", TOUR.read_text(), init=LOOK, size=(92, 26)).ready()
    window.press("/item in $<CR>", "A")
    window.wait_ghost(r"self\.items\.values\(\).*")
    window.wait_quiet()
    window.look()
    path = bench.out.parent / "neovim.png"
    draw(window.screen, path)
    assert 5_000 < path.stat().st_size < 150_000, path.stat().st_size
