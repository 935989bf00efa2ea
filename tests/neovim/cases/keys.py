"""Key mappings: they can be configured, and fall through to previous mappings when there is nothing to do."""

from test_env import SHOP

BEFORE = SHOP.split("\n")[:-1]
MANUAL = "require('foretype').setup({ trigger = 'manual' })"


def Tab_without_a_suggestion_inserts_a_tab(env):
    window = env.open("tab.txt", "x", init=MANUAL).wait_ready()
    window.press("A", "<Tab>")
    window.type("y")
    window.wait_lines(["x\ty"])


def Tab_without_a_suggestion_respects_the_tab_options(env):
    window = env.open(
        "tab.py",
        "x",
        init=MANUAL + "\nvim.o.expandtab = true; vim.o.softtabstop = 2; vim.g.python_recommended_style = 0",
    ).wait_ready()
    window.press("A", "<Tab>")
    window.wait_lines(["x "])


def Tab_without_a_suggestion_runs_its_previous_mapping(env):
    for init in (
        "vim.keymap.set('i', '<Tab>', 'mapped')",
        "vim.keymap.set('i', '<Tab>', function() return 'mapped' end, { expr = true })",
        "vim.keymap.set('i', '<Tab>', function() vim.api.nvim_put({ 'mapped' }, 'c', false, true) end)",
        "vim.cmd('imap <Tab> <Plug>(mine)'); vim.cmd('inoremap <Plug>(mine) mapped')",
        'vim.cmd(\'inoremap <expr> <Tab> pumvisible() ? "\\\\<C-n>" : "mapped"\')',
        "vim.cmd('let s:word = \"mapped\"'); vim.cmd('inoremap <Tab> <C-r>=\"mapped\"<CR>')",
    ):
        window = env.open("map.py", SHOP, init=init).wait_ready()
        window.press("A", "<C-u>")
        window.wait_idle()
        window.press("<C-]>", "<Tab>")
        assert window.lines()[-1].endswith("mapped"), (init, window.lines())
        window.close()
        env.windows.remove(window)


def Tab_accepts_a_suggestion_even_if_it_was_mapped(env):
    window = env.open_with_suggestion(init="vim.keymap.set('i', '<Tab>', 'mapped')")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    return a - b"])


def Tab_still_jumps_in_a_snippet(env):
    window = env.open("snippet.py", "", init=MANUAL).wait_ready()
    window.press("i")
    window.lua("vim.snippet.expand('f(${1:x}, ${2:y})$0')")
    window.type("one")
    window.press("<Tab>")
    window.type("two")
    window.wait_lines(["f(one, two)"])


def Control_bracket_without_a_suggestion_expands_abbreviations(env):
    window = env.open("abbreviation.py", "", init=MANUAL + "\nvim.cmd('iabbrev teh the')").wait_ready()
    window.press("i")
    window.type("teh")
    window.press("<C-]>")
    window.wait_lines(["the"])


def keys_false_maps_nothing(env):
    window = env.open("none.py", SHOP, init="require('foretype').setup({ keys = false })").wait_ready()
    assert window.lua("return vim.fn.maparg('<M-]>', 'i')") == ""
    assert "Foretype" not in window.lua("return vim.fn.maparg('<Tab>', 'i', false, true).desc or ''")
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")
    window.lua("vim.keymap.set('i', '<C-y>', '<Plug>(foretype-accept)')")
    window.press("<C-y>")
    window.wait_lines(BEFORE + ["    return a - b"])


def a_key_can_be_changed_or_left_unmapped(env):
    window = env.open(
        "other.py", SHOP, init="require('foretype').setup({ keys = { accept = '<C-f>', dismiss = false } })"
    ).wait_ready()
    window.press("A")
    window.type("return ")
    window.wait_ghost("a - b")
    assert window.lua("return vim.fn.maparg('<C-]>', 'i')") == ""
    window.press("<C-f>")
    window.wait_lines(BEFORE + ["    return a - b"])


def each_plug_mapping_does_what_its_name_says(env):
    window = env.open(
        "plug.py",
        SHOP,
        init="""
      require('foretype').setup({ keys = false, trigger = 'manual' })
      local names = {
        a = 'accept', w = 'accept-word', l = 'accept-line', n = 'next', p = 'prev', d = 'dismiss', t = 'trigger',
      }
      for key, name in pairs(names) do
        vim.keymap.set('i', '<C-x>' .. key, '<Plug>(foretype-' .. name .. ')')
      end
    """,
    ).wait_ready()
    window.press("A")
    window.type("return ")
    window.expect_no_ghost()
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


def a_second_setup_restores_previous_mappings(env):
    window = env.open("again.py", SHOP, init="vim.keymap.set('i', '<Tab>', 'mapped'); " + MANUAL).wait_ready()
    window.lua("require('foretype').setup({ trigger = 'manual', keys = { accept = '<C-f>' } })")
    window.press("A", "<Tab>")
    window.wait_lines(BEFORE + ["    mapped"])
    window.lua("require('foretype').setup({ trigger = 'manual' })")
    window.press("<Tab>")
    window.wait_lines(BEFORE + ["    mappedmapped"])


def request_keys_fall_through_in_buffers_without_suggestions(env):
    window = env.open("prompt.py", SHOP, init="vim.keymap.set('i', '<M-]>', 'mapped')").wait_ready()
    window.lua("vim.cmd.new(); vim.bo.buftype = 'nofile'")
    window.press("i", "<M-]>")
    window.wait_lines(["mapped"])


def a_buffer_local_mapping_does_not_affect_other_buffers(env):
    window = env.open(
        "own.py",
        SHOP,
        init=MANUAL + """
      vim.keymap.set('i', '<Tab>', 'mapped')
      vim.api.nvim_create_autocmd('BufReadPost', { once = true, callback = function()
        vim.keymap.set('i', '<Tab>', 'own', { buffer = 0 })
      end })""",
    ).wait_ready()
    window.press("A", "<Tab>", "<Esc>")
    window.wait_lines(BEFORE + ["    own"])
    window.command("write | edit unmapped.py")
    window.press("i", "<Tab>")
    window.wait_lines(["mapped"])
