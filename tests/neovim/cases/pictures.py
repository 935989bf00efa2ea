"""The screenshot in the documentation, which each run draws again."""

from test_env import REPOSITORY
from picture import draw

TOUR = REPOSITORY / "tests/fixtures/tour/inventory.py"
INIT = """
  vim.o.cmdheight = 1
  vim.o.number = true
  vim.o.laststatus = 2
  vim.o.statusline = ' %f %m%=%{v:lua.require("foretype").statusline()}  %l:%c '
  vim.o.ruler = false
  vim.o.showmode = true
  vim.o.hlsearch = false
"""


def the_picture_for_the_README_is_drawn(env):
    window = env.open("inventory.py", TOUR.read_text(), init=INIT, size=(92, 26)).wait_ready()
    window.press("/item in $<CR>", "A")
    window.wait_ghost(r"self\.items\.values\(\).*")
    window.wait_idle()
    window.update_screen()
    path = env.out.parent / "neovim.png"
    draw(window.screen, path)
    assert 5_000 < path.stat().st_size < 150_000, path.stat().st_size
