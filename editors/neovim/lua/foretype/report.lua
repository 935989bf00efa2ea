-- Reports to the server that a suggestion was shown, partially accepted or accepted.

local M = {}

---@param client vim.lsp.Client
---@param item table
function M.shown(client, item)
  client:notify('textDocument/didShowCompletion', { item = item })
end

---@param client vim.lsp.Client
---@param item table
---@param bytes integer  Length of the accepted text.
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
