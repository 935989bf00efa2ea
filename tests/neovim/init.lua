-- What each Neovim of the tests begins with: nothing of a user's, room for messages, and a record of what happened.

vim.g.loaded_python3_provider = 0
vim.g.loaded_node_provider = 0
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.cmdheight = 3
vim.o.termguicolors = true

-- Read by the tests.
_G.seen = { events = {}, requests = {}, own = {}, notified = {} }

vim.api.nvim_create_autocmd('User', {
  pattern = 'Foretype*',
  callback = function(args)
    table.insert(_G.seen.events, { name = args.match, data = args.data })
  end,
})

vim.api.nvim_create_autocmd('LspRequest', {
  callback = function(args)
    local request = args.data.request
    if request.method == 'textDocument/inlineCompletion' then
      table.insert(_G.seen.requests, { id = args.data.request_id, type = request.type })
    elseif vim.startswith(request.method, 'foretype/') and request.type == 'pending' then
      table.insert(_G.seen.own, request.method)
    end
  end,
})

local notify = vim.notify
---@diagnostic disable-next-line: duplicate-set-field
vim.notify = function(text, level, options)
  table.insert(_G.seen.notified, { text = text, level = level })
  return notify(text, level, options)
end
