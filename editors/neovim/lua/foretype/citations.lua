-- Places that an answer names as `path:line`: listed in the quickfix list, and gone to. Only places that the model has read
-- count; what it makes up is text.

local M = {}

---Puts what an answer cites into a new quickfix list; the one before is behind |:colder|.
---@param title string
---@param cited { path: string, line: integer }[]
---@param addresses table<string, string>
function M.list(title, cited, addresses)
  local items = {}
  for _, citation in ipairs(cited) do
    local uri = addresses[citation.path]
    if uri then
      items[#items + 1] = { filename = vim.uri_to_fname(uri), lnum = citation.line, text = title }
    end
  end
  if #items > 0 then
    vim.fn.setqflist({}, ' ', { title = 'Foretype: ' .. title, items = items })
  end
end

-- The `path:line` that a column of a line lies in.
local function named(line, column)
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

---Goes to the place under the cursor, in the window beside.
---@param addresses table<string, string>
---@return boolean whether there is one that the model has read
function M.open(addresses)
  local path, number = named(vim.api.nvim_get_current_line(), vim.api.nvim_win_get_cursor(0)[2] + 1)
  local uri = path and addresses[path]
  if not uri then
    return false
  end
  local target = require('foretype.conversation_window').beside(function(buffer)
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
