"""Marks cases that need a newer Neovim than the oldest supported one."""


def since(*version):
    def mark(case):
        case.since = version
        return case

    return mark
