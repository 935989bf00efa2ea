-- Window of a conversation: the one that shows a conversation already, else a new split.

local M = {}

-- Width from which the screen is split vertically.
local vertical_split_columns = 140

---The first window of this tab page whose buffer matches.
---@param matches fun(buffer: integer): boolean
---@return integer?
function M.find(matches)
  return vim.iter(vim.api.nvim_tabpage_list_wins(0)):find(function(window)
    return matches(vim.api.nvim_win_get_buf(window))
  end)
end

---Shows a buffer and makes its window the current one.
---@param buffer integer
---@param is_conversation fun(buffer: integer): boolean
---@param mods? table  Modifiers of the command; `:vertical`, `:tab` and the like place the window.
function M.show(buffer, is_conversation, mods)
  local existing = M.find(is_conversation)
  if existing then
    vim.api.nvim_set_current_win(existing)
  elseif mods and (mods.tab >= 0 or mods.vertical or mods.horizontal or mods.split ~= '') then
    vim.cmd.split({ mods = mods })
  else
    vim.cmd.split({ mods = { vertical = vim.o.columns >= vertical_split_columns, split = 'botright' } })
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

---The window that the user came from if its buffer matches, else any window whose buffer does.
---@param matches fun(buffer: integer): boolean
---@return integer?
function M.find_previous(matches)
  local previous = vim.fn.win_getid(vim.fn.winnr('#'))
  if previous ~= 0 and matches(vim.api.nvim_win_get_buf(previous)) then
    return previous
  end
  return M.find(matches)
end

return M
