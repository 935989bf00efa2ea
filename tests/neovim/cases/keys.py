"""Keys that have nothing to do here do what they did before; which keys do what is the user's choice."""

from bench import SHOP

BEFORE = SHOP.split("\n")[:-1]
MANUAL = "require('foretype').setup({ trigger = 'manual' })"


def Tab_without_a_suggestion_is_a_tab(bench):
    window = bench.open("tab.txt", "x", init=MANUAL).ready()
    window.press("A", "<Tab>")
    window.type("y")
    window.wait_lines(["x\ty"])


def Tab_without_a_suggestion_follows_the_options_for_it(bench):
    window = bench.open("tab.py", "x", init=MANUAL + "\nvim.o.expandtab = true; vim.o.softtabstop = 2; vim.g.python_recommended_style = 0").ready()
    window.press("A", "<Tab>")
    window.wait_lines(["x "])


def Tab_without_a_suggestion_is_the_mapping_that_it_was(bench):
    for init in (
        "vim.keymap.set('i', '<Tab>', 'mapped')",
        "vim.keymap.set('i', '<Tab>', function() return 'mapped' end, { expr = true })",
        "vim.keymap.set('i', '<Tab>', function() vim.api.nvim_put({ 'mapped' }, 'c', false, true) end)",
        "vim.cmd('imap <Tab> <Plug>(mine)'); vim.cmd('inoremap <Plug>(mine) mapped')",
        "vim.cmd('inoremap <expr> <Tab> pumvisible() ? \"\\\\<C-n>\" : \"mapped\"')",
        "vim.cmd('let s:word = \"mapped\"'); vim.cmd('inoremap <Tab> <C-r>=\"mapped\"<CR>')",
    ):
        window = bench.open("map.py", SHOP, init=init).ready()
        window.press("A", "<C-u>")
        window.wait_quiet()
        window.press("<C-]>", "<Tab>")
        assert window.lines()[-1].endswith("mapped"), (init, window.lines())
        window.close()
        bench.windows.remove(window)


def Tab_with_a_suggestion_takes_it_even_where_it_was_mapped(bench):
    window = bench.shop(init="vim.keymap.set('i', '<Tab>', 'mapped')")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])


def Tab_still_jumps_in_a_snippet(bench):
    window = bench.open("snippet.py", "", init=MANUAL).ready()
    window.press("i")
    window.lua("vim.snippet.expand('f(${1:x}, ${2:y})$0')")
    window.type("one")
    window.press("<Tab>")
    window.type("two")
    window.wait_lines(["f(one, two)"])


def Control_bracket_without_a_suggestion_expands_abbreviations(bench):
    window = bench.open("abbreviation.py", "", init=MANUAL + "\nvim.cmd('iabbrev teh the')").ready()
    window.press("i")
    window.type("teh")
    window.press("<C-]>")
    window.wait_lines(["the"])


def keys_false_maps_nothing(bench):
    window = bench.open("none.py", SHOP, init="require('foretype').setup({ keys = false })").ready()
    assert window.lua("return vim.fn.maparg('<M-]>', 'i')") == ""
    assert "Foretype" not in window.lua("return vim.fn.maparg('<Tab>', 'i', false, true).desc or ''")
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")
    window.lua("vim.keymap.set('i', '<C-y>', '<Plug>(foretype-accept)')")
    window.press("<C-y>")
    window.wait_lines(BEFORE + ["    return a - b"])


def another_key_and_no_key_can_be_set(bench):
    window = bench.open("other.py", SHOP, init="require('foretype').setup({ keys = { accept = '<C-f>', dismiss = false } })").ready()
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")
    assert window.lua("return vim.fn.maparg('<C-]>', 'i')") == ""
    window.press("<C-f>")
    window.wait_lines(BEFORE + ["    return a - b"])


def each_plug_mapping_does_what_its_name_says(bench):
    window = bench.open("plug.py", SHOP, init="""
      require('foretype').setup({ keys = false, trigger = 'manual' })
      for key, name in pairs({ a = 'accept', w = 'accept-word', l = 'accept-line', n = 'next', p = 'prev', d = 'dismiss', t = 'trigger' }) do
        vim.keymap.set('i', '<C-x>' .. key, '<Plug>(foretype-' .. name .. ')')
      end
    """).ready()
    window.press("A")
    window.type("return ")
    window.keeps_no_ghost()
    window.press("<C-x>t")
    first = window.wait_ghost("a - b.*")
    window.press("<C-x>n")
    second = window.wait_ghost("(?!a - b$).+")
    assert second != first
    window.press("<C-x>p")
    window.wait_ghost("a - b.*")
    window.press("<C-x>d")
    window.wait_no_ghost()
    window.press("<C-x>t")
    window.wait_ghost("a - b.*")
    window.press("<C-x>w")
    window.wait_ghost(" - b.*")
    window.press("<C-x>l")
    window.wait_lines(BEFORE + ["    return a - b"])


def setup_again_gives_keys_back(bench):
    window = bench.open("again.py", SHOP, init="vim.keymap.set('i', '<Tab>', 'mapped'); " + MANUAL).ready()
    window.lua("require('foretype').setup({ trigger = 'manual', keys = { accept = '<C-f>' } })")
    window.press("A", "<Tab>")
    window.wait_lines(BEFORE + ["    mapped"])
    window.lua("require('foretype').setup({ trigger = 'manual' })")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    mappedmapped"])


def keys_for_asking_fall_through_where_nothing_is_suggested(bench):
    window = bench.open("prompt.py", SHOP, init="vim.keymap.set('i', '<M-]>', 'mapped')").ready()
    window.lua("vim.cmd.new(); vim.bo.buftype = 'nofile'")
    window.press("i", "<M-]>")
    window.wait_lines(["mapped"])


def a_mapping_of_the_first_buffer_hides_nothing_from_the_others(bench):
    window = bench.open("own.py", SHOP, init=MANUAL + """
      vim.keymap.set('i', '<Tab>', 'mapped')
      vim.api.nvim_create_autocmd('BufReadPost', { once = true, callback = function()
        vim.keymap.set('i', '<Tab>', 'own', { buffer = 0 })
      end })""").ready()
    window.press("A", "<Tab>", "<Esc>")
    window.wait_lines(BEFORE + ["    own"])
    window.command("write | edit unmapped.py")
    window.press("i", "<Tab>")
    window.wait_lines(["mapped"])
