-- Citations (`path:line`) in an answer: lists them in the quickfix list and jumps to them. Only files that the model
-- was shown count; a path that it makes up is plain text.

local M = {}

---Puts the citations of an answer into a new quickfix list.
---@param title string
---@param citations { path: string, line: integer }[]
---@param uris table<string, string>  URIs of the files that the model was shown, by path.
function M.list(title, citations, uris)
  local items = {}
  for _, citation in ipairs(citations) do
    local uri = uris[citation.path]
    if uri then
      items[#items + 1] = { filename = vim.uri_to_fname(uri), lnum = citation.line, text = title }
    end
  end
  if #items > 0 then
    vim.fn.setqflist({}, ' ', { title = 'Foretype: ' .. title, items = items })
  end
end

-- Path and line number of the citation at a column, counted from 1.
local function citation_at(line, column)
  local from = 1
  while true do
    local first, last, path, number = line:find("([^%s`'\"()%[%]<>,]+):(%d+)", from)
    if not first then
      return nil
    elseif column >= first and column <= last then
      return path, tonumber(number)
    end
    from = last + 1
  end
end

---Jumps to the citation under the cursor, in another window.
---@param uris table<string, string>  URIs of the files that the model was shown, by path.
---@return boolean found
function M.open(uris)
  local path, number = citation_at(vim.api.nvim_get_current_line(), vim.api.nvim_win_get_cursor(0)[2] + 1)
  local uri = path and uris[path]
  if not uri then
    return false
  end
  local target = require('foretype.conversation_window').find_previous(function(buffer)
    return vim.bo[buffer].buftype == ''
  end)
  if target then
    vim.api.nvim_set_current_win(target)
  else
    vim.cmd.split({ mods = { split = 'aboveleft' } })
  end
  vim.cmd.edit(vim.fn.fnameescape(vim.uri_to_fname(uri)))
  vim.api.nvim_win_set_cursor(0, { math.min(number, vim.api.nvim_buf_line_count(0)), 0 })
  vim.cmd.normal({ 'zv', bang = true })
  return true
end

return M
