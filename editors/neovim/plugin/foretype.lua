-- Defines the command and the <Plug> mappings when Neovim starts. The rest starts after the user's configuration, so that
-- its options and mappings exist first. With `vim.g.loaded_foretype = 1`, only the server's configuration remains.

if vim.g.loaded_foretype then
  return
end
vim.g.loaded_foretype = 1

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('Foretype requires Neovim 0.11 or later', vim.log.levels.ERROR)
  return
end

vim.api.nvim_create_user_command('Foretype', function(args)
  require('foretype.command').run(args.fargs, args)
end, {
  nargs = '*',
  range = true,
  desc = 'Foretype: suggestions, status, questions about code, edits, translations, docstrings',
  complete = function(_, line, cursor)
    return require('foretype.command').complete(line:sub(1, cursor))
  end,
})

require('foretype.keys').define_plugs()

if vim.v.vim_did_enter == 1 then
  require('foretype.start').start()
else
  vim.api.nvim_create_autocmd('VimEnter', {
    once = true,
    callback = function()
      require('foretype.start').start()
    end,
  })
end
