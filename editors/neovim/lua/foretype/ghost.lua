-- Draws a suggestion as ghost text, and takes it away. Knows nothing of where the text comes from.

local M = {}

local space = vim.api.nvim_create_namespace('foretype')
local group = 'ForetypeSuggestion'
---@type integer?
local drawn_in

---A grey that is neither the text's colour nor, in the common colour schemes, that of comments; with and without 24-bit
---colours. The user's own definition wins.
function M.define_highlight()
  local grey = vim.o.background == 'light' and 0x9a9a9a or 0x7a7f8a
  vim.api.nvim_set_hl(0, group, { fg = grey, ctermfg = 8, default = true })
end

---A tab in virtual text would be drawn as ^I.
---@param text string
---@param column integer  At which the text begins.
---@param width integer   Of a tab.
---@return string
function M.without_tabs(text, column, width)
  local parts = {}
  for plain, tab in text:gmatch('([^\t]*)(\t?)') do
    parts[#parts + 1] = plain
    column = column + vim.fn.strdisplaywidth(plain, column)
    local spaces = tab ~= '' and width - column % width or 0
    parts[#parts + 1] = (' '):rep(spaces)
    column = column + spaces
  end
  return table.concat(parts)
end

local function width(text, column)
  return vim.fn.strdisplaywidth(text, column)
end

-- The lines of a suggestion below its first, as virtual lines.
local function lines_below(lines, tabstop)
  local below = {}
  for at = 2, #lines do
    -- A virtual line must not be empty, or it is not drawn.
    local text = M.without_tabs(lines[at], 0, tabstop)
    below[#below + 1] = { { text == '' and ' ' or text, group } }
  end
  return below
end

-- What stands right of the cursor moves below the last line of the suggestion, as it will when that is accepted: it is
-- painted over where it is, and drawn anew there.
local function move_tail(tail, column, first, below, tabstop)
  local last = below[#below]
  last[#last + 1] = { M.without_tabs(tail, width(last[1][1], 0), tabstop) }
  local more = width(tail, column) - width(first, column)
  return { { first, group }, { (' '):rep(math.max(more, 0)) } }
end

---Draws `text` at a place, in place of what was drawn before.
---@param buffer integer
---@param row integer   From 0.
---@param col integer   In bytes.
---@param text string
---@param tail string   What stands right of the place and stays right of the suggestion.
function M.draw(buffer, row, col, text, tail)
  M.clear()
  drawn_in = buffer
  local tabstop = vim.bo[buffer].tabstop
  local column = width(vim.api.nvim_buf_get_text(buffer, row, 0, row, col, {})[1], 0)
  local lines = vim.split(text, '\n', { plain = true })
  local first, below = M.without_tabs(lines[1], column, tabstop), lines_below(lines, tabstop)
  local over = #below > 0 and tail ~= ''
  vim.api.nvim_buf_set_extmark(buffer, space, row, col, {
    virt_text = over and move_tail(tail, column, first, below, tabstop) or { { first, group } },
    virt_text_pos = over and 'overlay' or 'inline',
    virt_lines = #below > 0 and below or nil,
  })
end

---Takes the ghost text away.
function M.clear()
  if drawn_in and vim.api.nvim_buf_is_valid(drawn_in) then
    vim.api.nvim_buf_clear_namespace(drawn_in, space, 0, -1)
  end
  drawn_in = nil
end

return M
