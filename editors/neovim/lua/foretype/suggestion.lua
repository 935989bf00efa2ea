-- The suggestion at the cursor: its candidates, the part of it that is typed already, and accepting it. There is at
-- most one suggestion at a time.

local config = require('foretype.config')
local events = require('foretype.events')
local ghost = require('foretype.ghost')
local report = require('foretype.report')

local M = {}

---@class foretype.Candidate
---@field item table       Item of the server's answer.
---@field row integer      Row at which its text begins, counted from 0.
---@field col integer      Column at which its text begins, in bytes.
---@field before string    Text of that line before the column.
---@field replaced string  Text to the right of the cursor that is replaced when it is accepted.

---@class foretype.Suggestion
---@field client vim.lsp.Client
---@field buffer integer
---@field tail string       Text to the right of the cursor when the suggestion arrived.
---@field candidates foretype.Candidate[]
---@field index integer
---@field has_all boolean   True if the candidates are all alternatives, because the user requested them.

---@type foretype.Suggestion?
local current

local function cursor_position()
  local cursor = vim.api.nvim_win_get_cursor(0)
  return cursor[1] - 1, cursor[2]
end

local function line(buffer, row)
  return vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ''
end

---Part of a candidate that is not in the buffer yet; nil if the buffer contains something else.
---@return string?
local function rest_of(candidate, buffer)
  local row, col = cursor_position()
  local is_after_start = row > candidate.row or (row == candidate.row and col >= candidate.col)
  if not is_after_start or line(buffer, candidate.row):sub(1, candidate.col) ~= candidate.before then
    return nil
  end
  local typed_lines = vim.api.nvim_buf_get_text(buffer, candidate.row, candidate.col, row, col, {})
  local typed = table.concat(typed_lines, '\n')
  local text = candidate.item.insertText
  return vim.startswith(text, typed) and text:sub(#typed + 1) or nil
end

---The current candidate and its rest; nil if there is nothing to show.
---@return foretype.Candidate?, string?
local function current_candidate()
  if not current or current.buffer ~= vim.api.nvim_get_current_buf() then
    return nil
  end
  local row, col = cursor_position()
  if line(current.buffer, row):sub(col + 1) ~= current.tail then
    return nil
  end
  local candidate = current.candidates[current.index]
  local rest = rest_of(candidate, current.buffer)
  if rest and rest ~= '' then
    return candidate, rest
  end
end

---Returns true if suggestions are hidden because a popup is open.
---@return boolean
function M.hidden()
  local is_popup_open = config.get().hide_with_popup and vim.fn.pumvisible() == 1
  return is_popup_open or (vim.b.foretype_hidden or false) ~= false
end

local function draw(candidate, rest)
  local row, col = cursor_position()
  local replaced, tail = candidate.replaced, current.tail
  if replaced ~= '' and vim.endswith(rest, replaced) then
    rest = rest:sub(1, -#replaced - 1)
  end
  ghost.draw(current.buffer, row, col, rest, tail)
end

---Removes the suggestion.
function M.clear()
  current = nil
  ghost.clear()
end

---Redraws the suggestion after a change of the buffer. Text that was typed into it shortens it; any other change
---removes it.
---@return boolean visible
function M.refresh()
  local candidate, rest = current_candidate()
  if not candidate or M.hidden() then
    M.clear()
    return false
  end
  draw(candidate, rest)
  return true
end

---Returns true if a suggestion is on the screen.
---@return boolean
function M.visible()
  return current_candidate() ~= nil and not M.hidden()
end

local function report_shown()
  local candidate = current.candidates[current.index]
  report.shown(current.client, candidate.item)
  events.send('Shown', { buf = current.buffer, text = candidate.item.insertText })
end

-- The item with the line ends of the buffer's text. A suggestion ends its lines as the file does; in a buffer, only a file
-- with several kinds of line ends has them in its text.
local function with_buffer_line_ends(item, buffer)
  if vim.bo[buffer].fileformat == 'unix' then
    return item
  end
  local text = item.insertText:gsub('\r\n?', '\n')
  return vim.tbl_extend('force', item, { insertText = text })
end

-- Converts an item to a candidate, in bytes; nil if its range does not contain the cursor.
local function candidate_from_item(item, client, buffer)
  item = with_buffer_line_ends(item, buffer)
  local row, col = cursor_position()
  local range = item.range
  if not range then
    return { item = item, row = row, col = col, before = line(buffer, row):sub(1, col), replaced = '' }
  end
  local first, last = range.start, range['end']
  local byte_column = function(position)
    return vim.str_byteindex(line(buffer, position.line), client.offset_encoding, position.character, false)
  end
  local from, to = byte_column(first), byte_column(last)
  if last.line ~= row or to < col or first.line > row or (first.line == row and from > col) then
    return nil
  end
  local first_line, cursor_line = line(buffer, first.line), line(buffer, row)
  return {
    item = item,
    row = first.line,
    col = from,
    before = first_line:sub(1, from),
    replaced = cursor_line:sub(col + 1, to),
  }
end

-- True if an answer must not replace the current suggestion. While the user types into a suggestion, an answer may
-- lengthen it, but not replace it by another text. An answer with the same text changes nothing.
local function keeps_current(candidates)
  local _, rest = current_candidate()
  local new_rest = candidates[1] and rest_of(candidates[1], current and current.buffer or 0)
  return rest ~= nil and not (new_rest and #new_rest > #rest and vim.startswith(new_rest, rest))
end

---Shows the items of an answer. An answer that the user requested ('invoked') replaces any suggestion; one after a key
---('automatic') keeps a suggestion that is still valid; one for the rest of a partial suggestion ('more') replaces
---that.
---@param client vim.lsp.Client
---@param buffer integer
---@param items table[]
---@param reason 'automatic'|'invoked'|'more'
function M.show(client, buffer, items, reason)
  local candidates = {}
  for _, item in ipairs(items) do
    local candidate = candidate_from_item(item, client, buffer)
    local rest = candidate and rest_of(candidate, buffer)
    if rest and rest ~= '' then
      candidates[#candidates + 1] = candidate
    end
  end
  if #candidates == 0 and reason == 'more' then
    return M.clear()
  end
  if #candidates == 0 or M.hidden() or (reason == 'automatic' and keeps_current(candidates)) then
    return
  end
  local row, col = cursor_position()
  current = {
    client = client,
    buffer = buffer,
    tail = line(buffer, row):sub(col + 1),
    candidates = candidates,
    index = 1,
    has_all = reason == 'invoked',
  }
  if M.refresh() then
    report_shown()
  end
end

---Shows another alternative.
---@param offset integer 1 or -1
---@return boolean complete false if the alternatives have to be requested first
function M.cycle(offset)
  if not current or not current.has_all then
    return false
  end
  local count, index = #current.candidates, current.index
  for _ = 1, count do
    index = (index - 1 + offset) % count + 1
    -- Skips alternatives that the text typed since then contradicts.
    local rest = rest_of(current.candidates[index], current.buffer)
    if rest and rest ~= '' then
      break
    end
  end
  if index ~= current.index then
    current.index = index
    M.refresh()
    report_shown()
  end
  return true
end

-- The first part of a suggestion's rest, with leading white space.
local parts = {
  all = function(rest)
    return rest
  end,
  word = function(rest)
    return rest:match('^%s*[%w_\128-\255]+') or rest:match('^%s*[^%w%s_\128-\255]+') or rest
  end,
  line = function(rest)
    return rest:match('^\n?[^\n]*')
  end,
}

-- Inserts accepted text as an undo step of its own, separate from the text typed before and after.
local function insert(buffer, text, replaced)
  vim.go.undolevels = vim.go.undolevels
  local row, col = cursor_position()
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(buffer, row, col, row, col + #replaced, lines)
  local end_col = #lines == 1 and col + #text or #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines, end_col })
  if vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
    vim.api.nvim_feedkeys(vim.keycode('<C-g>u'), 'ni', false)
  end
end

---Accepts the suggestion, or a part of it.
---@param part 'all'|'word'|'line'
---@return boolean accepted false if there is no suggestion
function M.accept(part)
  local candidate, rest = current_candidate()
  if not candidate or M.hidden() then
    return false
  end
  local text = parts[part](rest)
  local is_all = text == rest
  local accepted = current
  local accepted_bytes = #candidate.item.insertText - #rest + #text
  ghost.clear()
  insert(accepted.buffer, text, is_all and candidate.replaced or '')
  if is_all then
    M.clear()
    report.accepted(accepted.client, candidate.item)
  else
    M.refresh()
    report.partially_accepted(accepted.client, candidate.item, accepted_bytes)
  end
  events.send('Accepted', { buf = accepted.buffer, text = text, part = part })
  return true
end

---Dismisses the suggestion.
---@return boolean dismissed false if there is no suggestion
function M.dismiss()
  if not M.visible() then
    return false
  end
  local buffer = current.buffer
  M.clear()
  events.send('Dismissed', { buf = buffer })
  return true
end

return M
