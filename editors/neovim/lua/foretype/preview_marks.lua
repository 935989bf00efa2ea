-- Draws the hunks of a preview: removed lines are coloured, added lines are virtual lines below them, and a list of
-- keys follows.

local ghost = require('foretype.ghost')

local M = {}

local namespace = vim.api.nvim_create_namespace('foretype-preview')
-- Added lines are padded to this width, so that their colour reaches the edge of any window.
local padded_columns = 400

---Defines the highlight groups. The user's own definitions take precedence.
function M.define_highlights()
  vim.api.nvim_set_hl(0, 'ForetypeAdded', { link = 'DiffAdd', default = true })
  vim.api.nvim_set_hl(0, 'ForetypeRemoved', { link = 'DiffDelete', default = true })
  vim.api.nvim_set_hl(0, 'ForetypeHint', { link = 'Comment', default = true })
end

local function line(text, group, tabstop)
  local expanded = ghost.expand_tabs(text, 0, tabstop)
  local padding = group == 'ForetypeAdded' and padded_columns - vim.fn.strdisplaywidth(expanded) or 1
  return { { expanded .. (' '):rep(math.max(padding, 1)), group } }
end

---Draws virtual lines below a range of lines.
---@param buffer integer
---@param first integer      First line of the range, counted from 0.
---@param last integer       Line after the last one.
---@param is_removed boolean  Colours the lines of the range as removed.
---@param below { [1]: string, [2]: string }[]  Texts with their highlight groups.
function M.draw(buffer, first, last, is_removed, below)
  for row = first, is_removed and last - 1 or -1 do
    vim.api.nvim_buf_set_extmark(buffer, namespace, row, 0, { line_hl_group = 'ForetypeRemoved' })
  end
  local tabstop = vim.bo[buffer].tabstop
  local lines = vim.tbl_map(function(entry)
    return line(entry[1], entry[2], tabstop)
  end, below)
  if #lines == 0 then
    return
  end
  local above = last == 0
  vim.api.nvim_buf_set_extmark(buffer, namespace, above and 0 or last - 1, 0, {
    virt_lines = lines,
    virt_lines_above = above,
    virt_lines_overflow = 'trunc',
  })
end

---Draws a remark at the end of a line.
---@param buffer integer
---@param row integer  Counted from 0.
---@param text string
function M.remark(buffer, row, text)
  vim.api.nvim_buf_set_extmark(buffer, namespace, row, 0, {
    virt_text = { { text, 'ForetypeHint' } },
    virt_text_pos = 'eol',
  })
end

---@param buffer integer
function M.clear(buffer)
  if vim.api.nvim_buf_is_valid(buffer) then
    vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
    -- After virtual lines are removed, Neovim redraws only the next line, and not the text below it.
    vim.api.nvim__redraw({ buf = buffer, valid = false })
  end
end

---Scrolls the current window so that a line and the virtual lines below it are visible.
---@param row integer     Counted from 0.
---@param height integer  Number of virtual lines.
function M.reveal(row, height)
  vim.api.nvim_win_set_cursor(0, { math.min(row + 1, vim.api.nvim_buf_line_count(0)), 0 })
  vim.cmd.normal({ '^zv', bang = true })
  if vim.fn.winline() + height > vim.api.nvim_win_get_height(0) then
    vim.cmd.normal({ 'zz', bang = true })
  end
  -- Virtual lines above the first line are visible only if the window has filler lines at its top.
  if row == 0 and vim.fn.line('w0') == 1 then
    vim.fn.winrestview({ topfill = height })
  end
end

return M
