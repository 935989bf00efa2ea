-- `:Foretype docstring`: the server's command for an item's docstring, whose edit comes as `workspace/applyEdit`; or, to be seen
-- first, a preview of it or of all that are missing.

local M = {}

local function say(text, level)
  vim.notify('Foretype: ' .. text, level)
end

local function preview(range, style, params, attempt)
  params = vim.tbl_extend('force', params, { style = style, attempt = attempt })
  require('foretype.rewrite').preview('foretype/docstring', params, range, function()
    preview(range, style, params, attempt + 1)
  end)
end

---Shows what would be written: for the item at the cursor, or for what in a range has no docstring.
---@param range? integer[]  The first and last line, from 1.
---@param style? string
function M.preview(range, style)
  preview(range, style, {}, 0)
end

---Shows the docstrings of all that have none, in a range or in the whole buffer.
---@param range? integer[]
---@param style? string
function M.all(range, style)
  preview(range, style, range and {} or { range = vim.NIL }, 0)
end

---Shows what is to be changed in docstrings, in a range or in the whole buffer, for them to match their signatures.
---@param range? integer[]
---@param style? string
function M.update(range, style)
  preview(range, style, { update = true, range = not range and vim.NIL or nil }, 0)
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
