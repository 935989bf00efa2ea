-- Range of a command, as parameters of the protocol: a document with the given lines or with the position of the
-- cursor.

local M = {}

---@param client vim.lsp.Client
---@param range? integer[]  First and last line, counted from 1; by default the position of the cursor.
---@return { textDocument: lsp.TextDocumentIdentifier, range: lsp.Range }
function M.params(client, range)
  local cursor = vim.lsp.util.make_position_params(0, client.offset_encoding)
  if not range then
    return { textDocument = cursor.textDocument, range = { start = cursor.position, ['end'] = cursor.position } }
  end
  local last = vim.api.nvim_buf_get_lines(0, range[2] - 1, range[2], false)[1] or ''
  local character = vim.str_utfindex(last, client.offset_encoding, #last, false)
  return {
    textDocument = cursor.textDocument,
    range = {
      start = { line = range[1] - 1, character = 0 },
      ['end'] = { line = range[2] - 1, character = character },
    },
  }
end

return M
