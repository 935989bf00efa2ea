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

-- A tab in virtual text would be drawn as ^I.
local function without_tabs(text, column, width)
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

local function chunks(lines, buffer, row, col)
  local width = vim.bo[buffer].tabstop
  local left = vim.api.nvim_buf_get_text(buffer, row, 0, row, col, {})[1]
  local first = without_tabs(lines[1], vim.fn.strdisplaywidth(left), width)
  local below = {}
  for at = 2, #lines do
    -- A virtual line must not be empty, or it is not drawn.
    local text = without_tabs(lines[at], 0, width)
    below[#below + 1] = { { text == '' and ' ' or text, group } }
  end
  return first, below
end

-- What stands right of the cursor moves below the last line of the suggestion, as it will when that is accepted.
local function move_tail(buffer, row, col, tail, below)
  table.insert(below[#below], { tail, 'Normal' })
  local blank = (' '):rep(vim.fn.strdisplaywidth(tail))
  vim.api.nvim_buf_set_extmark(buffer, space, row, col, {
    virt_text = { { blank, 'Normal' } },
    virt_text_pos = 'overlay',
    priority = 4096,
  })
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
  local first, below = chunks(vim.split(text, '\n', { plain = true }), buffer, row, col)
  if #below > 0 and tail ~= '' then
    move_tail(buffer, row, col, tail, below)
  end
  vim.api.nvim_buf_set_extmark(buffer, space, row, col, {
    virt_text = { { first, group } },
    virt_text_pos = 'inline',
    virt_lines = #below > 0 and below or nil,
    hl_mode = 'combine',
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
