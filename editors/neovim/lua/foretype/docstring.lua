-- `:Foretype docstring` and its relatives. A single docstring is written by a command of the server, which sends the
-- edit as `workspace/applyEdit`; previews come from the request `foretype/docstring`.

local M = {}

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level)
end

local function preview(range, style, params, attempt)
  params = vim.tbl_extend('force', params, { style = style, attempt = attempt })
  require('foretype.rewrite').preview('foretype/docstring', params, range, function()
    preview(range, style, params, attempt + 1)
  end)
end

---Previews the docstring of the item at the cursor, or the missing docstrings of a range.
---@param range? integer[]  First and last line, counted from 1.
---@param style? string
function M.preview(range, style)
  preview(range, style, {}, 0)
end

---Previews all missing docstrings of a range or of the buffer.
---@param range? integer[]
---@param style? string
function M.all(range, style)
  preview(range, style, range and {} or { range = vim.NIL }, 0)
end

---Previews changes to the docstrings, in a range or in the buffer, that no longer match their signatures.
---@param range? integer[]
---@param style? string
function M.update(range, style)
  preview(range, style, { update = true, range = not range and vim.NIL or nil }, 0)
end

---Writes the docstring of the item at a line of the current buffer.
---@param row? integer  Counted from 1; by default the line of the cursor.
---@param style? string
function M.write(row, style)
  local client = require('foretype.client').get(0)
  if not client then
    return notify('no server is attached to this buffer: ' .. require('foretype').status().text, vim.log.levels.WARN)
  end
  local line = (row or vim.api.nvim_win_get_cursor(0)[1]) - 1
  local target = { uri = vim.uri_from_bufnr(0), line = line, style = style }
  notify('writing a docstring', vim.log.levels.INFO)
  local params = { command = 'foretype.docstring', arguments = { target } }
  client:request('workspace/executeCommand', params, function(problem)
    if problem then
      notify(problem.message, vim.log.levels.ERROR)
    end
  end, vim.api.nvim_get_current_buf())
end

return M
