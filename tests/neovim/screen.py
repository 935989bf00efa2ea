"""Screen of a Neovim, rebuilt from the events that it sends to a graphical interface, and the ghost text on it."""

import unicodedata


class Screen:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.cells = self._blank()
        self.styles = {0: {}}
        self.foreground, self.background = 0xFFFFFF, 0
        self.cursor = (0, 0)
        self.ghost_colour = None
        # The ghost text after each flush, without repetitions: the user sees the screen at these moments.
        self.ghosts = []

    def _blank(self):
        return [[(" ", 0)] * self.width for _ in range(self.height)]

    def redraw(self, batches):
        for name, *calls in batches:
            handler = getattr(self, f"_{name}", None)
            if handler:
                for call in calls:
                    handler(*call)

    def _grid_resize(self, _grid, width, height):
        self.width, self.height = width, height
        self.cells = self._blank()

    def _grid_clear(self, _grid):
        self.cells = self._blank()

    def _grid_cursor_goto(self, _grid, row, column):
        self.cursor = (row, column)

    def _grid_line(self, _grid, row, column, cells, *_):
        style = 0
        for text, *rest in cells:
            style = rest[0] if rest else style
            for _ in range(rest[1] if len(rest) > 1 else 1):
                self.cells[row][column] = (text, style)
                column += 1

    def _grid_scroll(self, _grid, top, bottom, left, right, rows, _columns):
        order = range(top, bottom - rows) if rows > 0 else range(bottom - 1, top - rows - 1, -1)
        for row in order:
            self.cells[row][left:right] = self.cells[row + rows][left:right]

    def _hl_attr_define(self, number, rgb, *_):
        self.styles[number] = rgb

    def _default_colors_set(self, foreground, background, *_):
        self.foreground, self.background = foreground, background

    def _flush(self):
        ghost = self.ghost()
        if not self.ghosts or self.ghosts[-1] != ghost:
            self.ghosts.append(ghost)

    def row(self, number):
        return "".join(text for text, _ in self.cells[number]).rstrip()

    def text(self):
        return "\n".join(self.row(number) for number in range(self.height))

    def is_ghost(self, style):
        return self.ghost_colour is not None and self.styles[style].get("foreground") == self.ghost_colour

    def ghost(self):
        """Text in the colour of suggestions, one line for each row that has some."""
        lines = []
        for row in self.cells:
            grey = [text for text, style in row if self.is_ghost(style)]
            if grey:
                lines.append("".join(grey))
        return "\n".join(lines)

    def find(self, text):
        """Row and column, in cells, of the first occurrence of a text; None if there is none."""
        for number, row in enumerate(self.cells):
            line = "".join(cell or "\0" for cell, _ in row)
            at = line.replace("\0", "").find(text)
            if at >= 0:
                # A wide character takes two cells, the second of which is empty.
                before = line.replace("\0", "")[:at]
                return number, sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in before)
        return None
