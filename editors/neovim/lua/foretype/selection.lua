-- What a command is about, as the protocol says it: the document and the lines that were given, or the place of the cursor.

local M = {}

---@param client vim.lsp.Client
---@param range? integer[]  The first and last line, from 1; without it, the place of the cursor.
---@return { textDocument: lsp.TextDocumentIdentifier, range: lsp.Range }
function M.params(client, range)
  local place = vim.lsp.util.make_position_params(0, client.offset_encoding)
  if not range then
    return { textDocument = place.textDocument, range = { start = place.position, ['end'] = place.position } }
  end
  local last = vim.api.nvim_buf_get_lines(0, range[2] - 1, range[2], false)[1] or ''
  local character = vim.str_utfindex(last, client.offset_encoding, #last, false)
  return {
    textDocument = place.textDocument,
    range = { start = { line = range[1] - 1, character = 0 }, ['end'] = { line = range[2] - 1, character = character } },
  }
end

return M
