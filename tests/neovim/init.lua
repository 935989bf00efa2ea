-- Configuration of each Neovim under test: no user settings, room for messages, and a record of events.

vim.g.loaded_python3_provider = 0
vim.g.loaded_node_provider = 0
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.cmdheight = 3
vim.o.termguicolors = true

-- Read by the tests. `foretype_requests` are the methods of the protocol's extensions.
_G.recorded = { events = {}, suggestion_requests = {}, foretype_requests = {}, notifications = {} }

vim.api.nvim_create_autocmd('User', {
  pattern = 'Foretype*',
  callback = function(args)
    table.insert(_G.recorded.events, { name = args.match, data = args.data })
  end,
})

vim.api.nvim_create_autocmd('LspRequest', {
  callback = function(args)
    local request = args.data.request
    if request.method == 'textDocument/inlineCompletion' then
      table.insert(_G.recorded.suggestion_requests, { id = args.data.request_id, type = request.type })
    elseif vim.startswith(request.method, 'foretype/') and request.type == 'pending' then
      table.insert(_G.recorded.foretype_requests, request.method)
    end
  end,
})

local notify = vim.notify
---@diagnostic disable-next-line: duplicate-set-field
vim.notify = function(text, level, options)
  table.insert(_G.recorded.notifications, { text = text, level = level })
  return notify(text, level, options)
end
