-- Draws changes that are not made yet: lines that go are coloured where they stand, lines that come are virtual lines below
-- them, and under these stands what the keys do.

local ghost = require('foretype.ghost')

local M = {}

local space = vim.api.nvim_create_namespace('foretype-preview')
-- In a window of any width the colour goes to its edge.
local widest = 400

---The user's own definitions win.
function M.define_highlights()
  vim.api.nvim_set_hl(0, 'ForetypeAdded', { link = 'DiffAdd', default = true })
  vim.api.nvim_set_hl(0, 'ForetypeRemoved', { link = 'DiffDelete', default = true })
  vim.api.nvim_set_hl(0, 'ForetypeHint', { link = 'Comment', default = true })
end

local function line(text, group, tabstop)
  local shown = ghost.without_tabs(text, 0, tabstop)
  local width = group == 'ForetypeAdded' and widest - vim.fn.strdisplaywidth(shown) or 1
  return { { shown .. (' '):rep(math.max(width, 1)), group } }
end

---Draws lines below others.
---@param buffer integer
---@param first integer   The first line that is coloured, from 0.
---@param last integer    The line behind the last.
---@param removed boolean Whether those lines go.
---@param below { [1]: string, [2]: string }[]  Texts with their highlight groups.
function M.draw(buffer, first, last, removed, below)
  for row = first, removed and last - 1 or -1 do
    vim.api.nvim_buf_set_extmark(buffer, space, row, 0, { line_hl_group = 'ForetypeRemoved' })
  end
  local tabstop = vim.bo[buffer].tabstop
  local lines = vim.tbl_map(function(it)
    return line(it[1], it[2], tabstop)
  end, below)
  if #lines == 0 then
    return
  end
  local above = last == 0
  vim.api.nvim_buf_set_extmark(buffer, space, above and 0 or last - 1, 0, {
    virt_lines = lines,
    virt_lines_above = above,
    virt_lines_overflow = 'trunc',
  })
end

---Writes something beside a line.
---@param buffer integer
---@param row integer  From 0.
---@param text string
function M.remark(buffer, row, text)
  vim.api.nvim_buf_set_extmark(buffer, space, row, 0, { virt_text = { { text, 'ForetypeHint' } }, virt_text_pos = 'eol' })
end

---@param buffer integer
function M.clear(buffer)
  if vim.api.nvim_buf_is_valid(buffer) then
    vim.api.nvim_buf_clear_namespace(buffer, space, 0, -1)
    -- Neovim moves up only the next line in place of virtual lines that went; the text below them would stay as it was.
    vim.api.nvim__redraw({ buf = buffer, valid = false })
  end
end

---Brings lines with those drawn below them onto the screen of the current window.
---@param row integer    From 0.
---@param height integer How many lines are drawn.
function M.reveal(row, height)
  vim.api.nvim_win_set_cursor(0, { math.min(row + 1, vim.api.nvim_buf_line_count(0)), 0 })
  vim.cmd.normal({ '^zv', bang = true })
  if vim.fn.winline() + height > vim.api.nvim_win_get_height(0) then
    vim.cmd.normal({ 'zz', bang = true })
  end
  -- What is drawn above the first line is seen only where the window has room for it.
  if row == 0 and vim.fn.line('w0') == 1 then
    vim.fn.winrestview({ topfill = height })
  end
end

return M
