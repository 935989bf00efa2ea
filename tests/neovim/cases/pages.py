"""The help file, the guide, and the ways to install the plugin."""

import re
import subprocess

from test_env import PLUGIN, SHOP
from since import since

HELP = PLUGIN / "doc/foretype.txt"
GUIDE = PLUGIN.parents[1] / "docs/guides/neovim.md"


def help_foretype_opens_and_every_tag_resolves(env):
    window = env.open("help.py", SHOP, init="require('foretype').setup({ enabled = false })")
    window.command(f"helptags {env.installed}/doc")
    window.command("help foretype")
    assert window.lua("return vim.fs.basename(vim.api.nvim_buf_get_name(0))") == "foretype.txt"
    assert window.lua("return vim.bo.filetype") == "help"
    text = HELP.read_text()
    tags = set(re.findall(r"(?<!\S)\*(\S+)\*(?!\S)", text))
    for link in set(re.findall(r"(?<!\S)[(]?\|(\S+?)\|", text)):
        window.command(f"help {link}")
        if link.lower().startswith("foretype"):
            assert link in tags, link
    required = {"foretype", "foretype.txt", ":Foretype"} | {
        f"foretype-{name}"
        for name in (
            "install",
            "options",
            "keys",
            "commands",
            "preview",
            "switches",
            "status",
            "events",
            "highlight",
            "lua",
            "health",
            "native",
            "troubleshooting",
        )
    }
    assert required <= tags, required - tags
    assert all(len(line) <= 78 for line in text.split("\n")), [line for line in text.split("\n") if len(line) > 78]


def help_tags_in_messages_exist(env):
    tags = set(re.findall(r"\*(\S+)\*", HELP.read_text()))
    mentioned = {
        tag for file in PLUGIN.rglob("*.lua") for tag in re.findall(r":help (foretype\S*?)[)'\s]", file.read_text())
    }
    assert mentioned and mentioned <= tags, mentioned - tags


def the_help_covers_all_options_keys_commands_functions_and_events(env):
    text = HELP.read_text()
    window = env.open("options.py", SHOP, init="require('foretype').setup({ enabled = false })")
    defaults = window.lua(
        "local d = vim.deepcopy(require('foretype.config').defaults); d.server = nil; d.filetypes = nil; return d"
    )
    keys = defaults.pop("keys")
    for name in [*defaults, "filetypes", "binary", "server", "keys"]:
        assert f"*foretype-{name}*" in text, name
    for name, key in keys.items():
        assert re.search(rf"^\s*{name}\b.*{re.escape(key)}", text, re.M), (name, key)
        assert f"<Plug>(foretype-{name.replace('_', '-')})" in text, name
    for name, key in [*defaults["conversation_keys"].items(), *defaults["preview_keys"].items()]:
        assert re.search(rf"^\s*{name}\b.*{re.escape(key)}", text, re.M), (name, key)
    for name in window.lua("return require('foretype.command').code_subcommands()"):
        assert f"*<Plug>(foretype-{name})*" in text, name
    for name in window.lua("return require('foretype.command').names()"):
        assert f"*:Foretype-{name}*" in text, name
    source = "".join(file.read_text() for file in PLUGIN.rglob("*.lua"))
    sent = set(re.findall(r"events\.send\('(\w+)'", source))
    assert sent == {"Attached", "Shown", "Accepted", "Dismissed", "Status"}, sent
    for name in sent:
        assert f"*Foretype{name}*" in text, name
    for name in window.lua("return vim.tbl_keys(require('foretype'))"):
        assert f"*foretype.{name}()*" in text, name
    for state in re.findall(r"'(\w+)'", re.search(r"@alias foretype.State (.*)", source)[1]):
        assert re.search(rf"\b{state}\b", text), state
    for variable in ("b:foretype_enabled", "b:foretype_hidden", "g:loaded_foretype"):
        assert f"*{variable}*" in text, variable


def the_defaults_in_the_help_match_the_plugin(env):
    text = HELP.read_text()
    window = env.open("defaults.py", SHOP)
    # The first example of the options is a complete setup() with all defaults.
    example = re.search(r"require\('foretype'\)\.setup\((\{.*?\n {4}\})\)", text, re.S)[1]
    assert window.lua(f"return vim.deep_equal({example}, require('foretype.config').defaults)"), example
    assert window.lua(f"return require('foretype.config').check({example})") == []


def the_README_and_the_guide_list_the_keys_and_the_guide_the_commands(env):
    readme, guide = (PLUGIN / "README.md").read_text(), GUIDE.read_text()
    window = env.open("readme.py", SHOP, init="require('foretype').setup({ enabled = false })")
    for name, key in window.lua("return require('foretype.config').defaults.keys").items():
        for text in (readme, guide):
            assert f"`{key.replace('Bslash', chr(92))}`" in text and f"`{name}`" in text, key
    for name in window.lua("return require('foretype.command').names()"):
        assert re.search(rf"`(:Foretype )?{name}\b", guide), name


def the_plugin_works_from_a_runtime_path(env):
    """lazy.nvim adds the folder to 'runtimepath' and sources plugin/ late."""
    env.installed.rename(env.home / "elsewhere")
    try:
        window = env.open(
            "lazy.py",
            SHOP,
            init=f"""
          vim.api.nvim_create_autocmd('InsertEnter', {{ once = true, callback = function()
            vim.opt.runtimepath:append('{env.home / "elsewhere"}')
            vim.cmd.runtime('plugin/foretype.lua')
            require('foretype').setup({{}})
          end }})""",
        )
        assert window.lua("return vim.fn.exists(':Foretype')") == 0
        window.press("A")
        window.wait_ready()
        window.type("return ")
        window.screen.ghost_colour = window.lua("return vim.api.nvim_get_hl(0, { name = 'ForetypeSuggestion' }).fg")
        window.wait_ghost("a - b")
        window.press("<Tab>")
        assert window.lines()[-1] == "    return a - b", window.lines()
    finally:
        (env.home / "elsewhere").rename(env.installed)


@since(0, 12)
def vim_pack_installs_the_plugin(env):
    origin = env.home / "origin"
    (origin / "editors").mkdir(parents=True)
    subprocess.run(["cp", "-r", str(env.installed), str(origin / "editors/neovim")], check=True)
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "x"],
        ["config", "user.email", "x@localhost"],
        ["add", "."],
        ["commit", "-q", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(origin), *arguments], check=True, env=env.variables)
    branch_command = re.search(r"^git branch .*commit-tree.*$", GUIDE.read_text(), re.M)[0]
    subprocess.run(branch_command, shell=True, check=True, env=env.variables, cwd=origin)
    env.installed.rename(env.home / "elsewhere")
    try:
        window = env.open(
            "pack.py",
            SHOP,
            init=f"""
              local plugin = {{ src = 'file://{origin}', name = 'foretype', version = 'neovim' }}
              vim.pack.add({{ plugin }}, {{ confirm = false }})""",
        )
        window.wait_ready()
        assert "/pack/core/opt/foretype/" in window.lua(
            "return vim.api.nvim_get_runtime_file('lua/foretype/init.lua', false)[1]"
        )
        window.press("A")
        window.type("return ")
        window.wait_ghost("a - b")
        window.close()
        env.windows.remove(window)
    finally:
        (env.home / "elsewhere").rename(env.installed)
