-- Loaded by Neovim at its start: the command, the <Plug> mappings, and the rest when the user's configuration has been read,
-- so that its options and mappings are there first. `vim.g.loaded_foretype = 1` leaves only the server's configuration.

if vim.g.loaded_foretype then
  return
end
vim.g.loaded_foretype = 1

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify('Foretype needs Neovim 0.11 or later.', vim.log.levels.ERROR)
  return
end

vim.api.nvim_create_user_command('Foretype', function(args)
  require('foretype.command').run(args.fargs, args)
end, {
  nargs = '*',
  range = true,
  desc = 'Foretype: on and off, status, log, restart; questions about code, docstrings, translations, edits',
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
