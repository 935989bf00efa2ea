"""Screenshots of a Neovim: its screen as HTML, cell by cell with its colours, rendered by a browser."""

import html
import shutil
import subprocess
import tempfile
from pathlib import Path

PAGE = """<!doctype html><meta charset="utf-8"><style>
* {{ margin: 0 }}
body {{ background: {background}; color: {foreground} }}
pre {{ font: 16px/21px "DejaVu Sans Mono", monospace; padding: 14px 18px }}
span {{ display: inline-block; height: 21px }}
</style><pre>{rows}</pre>"""


def _colour(number):
    return f"#{number:06x}"


def _css(screen, style, at_cursor):
    rgb = screen.styles.get(style, {})
    front = rgb.get("foreground", screen.foreground)
    back = rgb.get("background", screen.background)
    if rgb.get("reverse"):
        front, back = back, front
    css = f"color:{_colour(front)};background:{_colour(back)}"
    # A bar, as in insert mode.
    css += f";box-shadow:-2px 0 {_colour(screen.foreground)}" if at_cursor else ""
    css += ";font-weight:bold" if rgb.get("bold") else ""
    css += ";font-style:italic" if rgb.get("italic") else ""
    return css + (";text-decoration:underline" if rgb.get("underline") else "")


def _rows(screen, rows):
    for number in range(*rows.indices(screen.height)):
        runs = []
        for column, (text, style) in enumerate(screen.cells[number]):
            css = _css(screen, style, (number, column) == screen.cursor)
            if runs and runs[-1][0] == css:
                runs[-1][1].append(text)
            else:
                runs.append((css, [text]))
        yield "".join(f'<span style="{css}">{html.escape("".join(text))}</span>' for css, text in runs)


def draw(screen, path, rows=slice(None)):
    """Writes an image of a range of rows of a screen."""
    rows = list(_rows(screen, rows))
    page = PAGE.format(
        background=_colour(screen.background), foreground=_colour(screen.foreground), rows="\n".join(rows)
    )
    width, height = round(screen.width * 9.633) + 36, len(rows) * 21 + 28
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.html").write_text(page, encoding="utf-8")
        browser = shutil.which("chromium") or "chromium"
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--force-device-scale-factor=1",
                f"--user-data-dir={folder}/profile",
                f"--window-size={width},{height}",
                f"--screenshot={path}",
                f"file://{folder}/page.html",
            ],
            capture_output=True,
            timeout=90,
            check=True,
        )


def screenshot(window, path):
    """Writes an image of a window's last known screen. Problems are only printed, because a failed case calls this. A
    terminal has no such screen."""
    screen = getattr(window, "screen", None)
    if callable(screen):
        return
    try:
        draw(screen, path)
    except Exception as error:
        print(f"       no screenshot: {error}")
