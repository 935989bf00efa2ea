-- Where a conversation is shown: in the window that shows one already, else in a new one beside or below.

local M = {}

-- Columns from which two windows have room beside each other.
local wide = 140

---The first window of this tab page with a buffer that fits.
---@param fits fun(buffer: integer): boolean
---@return integer?
function M.find(fits)
  return vim.iter(vim.api.nvim_tabpage_list_wins(0)):find(function(window)
    return fits(vim.api.nvim_win_get_buf(window))
  end)
end

---Shows a buffer, and makes its window the current one.
---@param buffer integer
---@param is_conversation fun(buffer: integer): boolean
---@param mods? table  Of the command: `:vertical`, `:tab` and the like decide where.
function M.show(buffer, is_conversation, mods)
  local there = M.find(is_conversation)
  if there then
    vim.api.nvim_set_current_win(there)
  elseif mods and (mods.tab >= 0 or mods.vertical or mods.horizontal or mods.split ~= '') then
    vim.cmd.split({ mods = mods })
  else
    vim.cmd.split({ mods = { vertical = vim.o.columns >= wide, split = 'botright' } })
  end
  vim.api.nvim_win_set_buf(0, buffer)
  if vim.bo[buffer].filetype == '' then
    vim.bo[buffer].filetype = 'markdown'
    pcall(vim.treesitter.start, buffer, 'markdown')
  end
  local options = vim.wo[0][0]
  options.wrap, options.linebreak, options.breakindent = true, true, true
  options.number, options.relativenumber, options.signcolumn, options.spell = false, false, 'no', false
  vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buffer), 0 })
end

---The window that the user came from if its buffer fits, else any that does.
---@param fits fun(buffer: integer): boolean
---@return integer?
function M.beside(fits)
  local before = vim.fn.win_getid(vim.fn.winnr('#'))
  if before ~= 0 and fits(vim.api.nvim_win_get_buf(before)) then
    return before
  end
  return M.find(fits)
end

return M
