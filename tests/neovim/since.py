"""Marks cases that need a newer Neovim than the oldest."""


def since(*version):
    def mark(case):
        case.since = version
        return case
    return mark
