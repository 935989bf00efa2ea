-- Tells the server what became of a suggestion: it was shown, taken in part, taken.

local M = {}

---@param client vim.lsp.Client
---@param item table
function M.shown(client, item)
  client:notify('textDocument/didShowCompletion', { item = item })
end

---@param client vim.lsp.Client
---@param item table
---@param bytes integer  How much of its text stands in the buffer now.
function M.partially_accepted(client, item, bytes)
  local length = vim.str_utfindex(item.insertText, 'utf-16', bytes, false)
  client:notify('textDocument/didPartiallyAcceptCompletion', { item = item, acceptedLength = length })
end

---@param client vim.lsp.Client
---@param item table
function M.accepted(client, item)
  if item.command and not client:is_stopped() then
    client:request('workspace/executeCommand', {
      command = item.command.command,
      arguments = item.command.arguments,
    }, function() end)
  end
end

return M
