-- `:Foretype docstring`: the server's command for an item's docstring. The edit comes as `workspace/applyEdit`.

local M = {}

local function say(text, level)
  vim.notify('Foretype: ' .. text, level)
end

---Writes the docstring of the item at a line of the current buffer, or that of the cursor.
---@param row? integer  From 1.
---@param style? string
function M.write(row, style)
  local client = require('foretype.client').of(0)
  if not client then
    return say('there is no server for this buffer: ' .. require('foretype').status().text, vim.log.levels.WARN)
  end
  local line = (row or vim.api.nvim_win_get_cursor(0)[1]) - 1
  local target = { uri = vim.uri_from_bufnr(0), line = line, style = style }
  say('writing a docstring', vim.log.levels.INFO)
  client:request('workspace/executeCommand', { command = 'foretype.docstring', arguments = { target } }, function(problem)
    if problem then
      say(problem.message, vim.log.levels.ERROR)
    end
  end, vim.api.nvim_get_current_buf())
end

return M
