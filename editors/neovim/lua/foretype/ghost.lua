-- Draws a suggestion as ghost text.

local M = {}

local namespace = vim.api.nvim_create_namespace('foretype')
local group = 'ForetypeSuggestion'
---@type integer?
local drawn_buffer

---Defines a grey that differs from the colour of text and, in the common colour schemes, from that of comments. The
---user's own definition takes precedence.
function M.define_highlight()
  local grey = vim.o.background == 'light' and 0x6e6e6e or 0x7a7f8a
  vim.api.nvim_set_hl(0, group, { fg = grey, ctermfg = 8, default = true })
end

---Replaces tabs by spaces: a tab in virtual text would be drawn as ^I.
---@param text string
---@param column integer   Display column at which the text begins.
---@param tabstop integer
---@return string
function M.expand_tabs(text, column, tabstop)
  local parts = {}
  for plain, tab in text:gmatch('([^\t]*)(\t?)') do
    parts[#parts + 1] = plain
    column = column + vim.fn.strdisplaywidth(plain, column)
    local spaces = tab ~= '' and tabstop - column % tabstop or 0
    parts[#parts + 1] = (' '):rep(spaces)
    column = column + spaces
  end
  return table.concat(parts)
end

local function width(text, column)
  return vim.fn.strdisplaywidth(text, column)
end

-- Virtual lines for all lines of a suggestion but the first.
local function virtual_lines(lines, tabstop)
  local below = {}
  for at = 2, #lines do
    -- An empty virtual line is not drawn.
    local text = M.expand_tabs(lines[at], 0, tabstop)
    below[#below + 1] = { { text == '' and ' ' or text, group } }
  end
  return below
end

-- Moves the text to the right of the cursor behind the last line of the suggestion, where it will be once that is
-- accepted: overlays it in its line and appends it to the last virtual line.
local function move_tail(tail, column, first, below, tabstop)
  local last = below[#below]
  last[#last + 1] = { M.expand_tabs(tail, width(last[1][1], 0), tabstop) }
  local padding = width(tail, column) - width(first, column)
  return { { first, group }, { (' '):rep(math.max(padding, 0)) } }
end

-- Number of screen lines below the cursor in the current window.
local function lines_below_cursor()
  return vim.api.nvim_win_get_height(0) - vim.fn.winline()
end

-- Scrolls the current window until `count` virtual lines fit below the cursor, as far as the cursor's line stays
-- visible.
local function make_room(count)
  while lines_below_cursor() < count do
    local view, before = vim.fn.winsaveview(), lines_below_cursor()
    if view.topline >= view.lnum then
      return
    end
    vim.fn.winrestview({ topline = view.topline + 1 })
    if lines_below_cursor() <= before then
      return
    end
  end
end

-- Removes the virtual lines that do not fit into the current window and shows their number instead: what cannot be seen
-- is announced before it is accepted.
local function cut_to_window(below)
  local room = lines_below_cursor()
  if #below <= room then
    return below
  end
  local shown = vim.list_slice(below, 1, math.max(room - 1, 0))
  local hidden = ('… +%d lines'):format(#below - #shown)
  if room > 0 then
    shown[#shown + 1] = { { hidden, group } }
    return shown
  end
  return shown, ' ' .. hidden
end

-- Restricts the ghost text to the current window: other windows of the buffer have no cursor to accept it at.
local function show_in_current_window_only()
  if vim.api.nvim__ns_set then
    vim.api.nvim__ns_set(namespace, { wins = { vim.api.nvim_get_current_win() } })
  end
end

---Draws ghost text and removes the ghost text that was drawn before.
---@param buffer integer
---@param row integer   Counted from 0.
---@param col integer   In bytes.
---@param text string
---@param tail string   Text of the line to the right of the suggestion.
function M.draw(buffer, row, col, text, tail)
  M.clear()
  drawn_buffer = buffer
  local tabstop = vim.bo[buffer].tabstop
  local column = width(vim.api.nvim_buf_get_text(buffer, row, 0, row, col, {})[1], 0)
  -- A carriage return of the text would be drawn as ^M.
  local lines = vim.split(text:gsub('\r', ''), '\n', { plain = true })
  local first, below = M.expand_tabs(lines[1], column, tabstop), virtual_lines(lines, tabstop)
  local moves_tail = #below > 0 and tail ~= ''
  local first_chunks = moves_tail and move_tail(tail, column, first, below, tabstop) or { { first, group } }
  if #below > 0 then
    make_room(#below)
    local announcement
    below, announcement = cut_to_window(below)
    first_chunks[#first_chunks + 1] = announcement and { announcement, group }
  end
  show_in_current_window_only()
  vim.api.nvim_buf_set_extmark(buffer, namespace, row, col, {
    virt_text = first_chunks,
    virt_text_pos = moves_tail and 'overlay' or 'inline',
    virt_lines = #below > 0 and below or nil,
  })
end

---Removes the ghost text.
function M.clear()
  if drawn_buffer and vim.api.nvim_buf_is_valid(drawn_buffer) then
    vim.api.nvim_buf_clear_namespace(drawn_buffer, namespace, 0, -1)
  end
  drawn_buffer = nil
end

return M
