-- The suggestion that stands at the cursor: which text, how much of it is typed already, its alternatives, and what it
-- means to take it. There is one at most.

local config = require('foretype.config')
local events = require('foretype.events')
local ghost = require('foretype.ghost')
local report = require('foretype.report')

local M = {}

---@class foretype.Candidate
---@field item table      As the server sent it.
---@field row integer     Where its text begins, from 0,
---@field col integer     in bytes.
---@field before string   What stands left of that in its line.
---@field replaced string What stands right of the cursor and goes when it is accepted.

---@class foretype.Suggestion
---@field client vim.lsp.Client
---@field buffer integer
---@field tail string     What stood right of the cursor when it came.
---@field candidates foretype.Candidate[]
---@field index integer
---@field asked boolean   The user asked: there are no more alternatives than these.

---@type foretype.Suggestion?
local current

local function place()
  local cursor = vim.api.nvim_win_get_cursor(0)
  return cursor[1] - 1, cursor[2]
end

local function line(buffer, row)
  return vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ''
end

---What of a candidate is not in the buffer yet; nil if something else is there.
---@return string?
local function rest_of(candidate, buffer)
  local row, col = place()
  local begins = row > candidate.row or (row == candidate.row and col >= candidate.col)
  if not begins or line(buffer, candidate.row):sub(1, candidate.col) ~= candidate.before then
    return nil
  end
  local typed = vim.api.nvim_buf_get_text(buffer, candidate.row, candidate.col, row, col, {})
  local there = table.concat(typed, '\n')
  local text = candidate.item.insertText
  return vim.startswith(text, there) and text:sub(#there + 1) or nil
end

---The current candidate and what is left of it; nil if there is nothing to show.
---@return foretype.Candidate?, string?
local function now()
  if not current or current.buffer ~= vim.api.nvim_get_current_buf() then
    return nil
  end
  local row, col = place()
  if line(current.buffer, row):sub(col + 1) ~= current.tail then
    return nil
  end
  local candidate = current.candidates[current.index]
  local rest = rest_of(candidate, current.buffer)
  if rest and rest ~= '' then
    return candidate, rest
  end
end

---Whether nothing may be shown now, because something else is.
---@return boolean
function M.hidden()
  local popup = config.get().hide_with_popup and vim.fn.pumvisible() == 1
  return popup or (vim.b.foretype_hidden or false) ~= false
end

local function draw(candidate, rest)
  local row, col = place()
  local replaced, tail = candidate.replaced, current.tail
  if replaced ~= '' and vim.endswith(rest, replaced) then
    rest = rest:sub(1, -#replaced - 1)
  end
  ghost.draw(current.buffer, row, col, rest, tail)
end

---Takes the suggestion away.
function M.clear()
  current = nil
  ghost.clear()
end

---Looks at the buffer again. What was typed into the suggestion shortens it at once; anything else ends it.
---@return boolean whether there is still one
function M.refresh()
  local candidate, rest = now()
  if not candidate or M.hidden() then
    M.clear()
    return false
  end
  draw(candidate, rest)
  return true
end

---Whether there is a suggestion on the screen.
---@return boolean
function M.visible()
  return now() ~= nil and not M.hidden()
end

local function tell_shown()
  local candidate = current.candidates[current.index]
  report.shown(current.client, candidate.item)
  events.send('Shown', { buf = current.buffer, text = candidate.item.insertText })
end

-- A candidate of an answer, in bytes; nil if its range is not about the cursor.
local function candidate_of(item, client, buffer)
  local row, col = place()
  local range = item.range
  if not range then
    return { item = item, row = row, col = col, before = line(buffer, row):sub(1, col), replaced = '' }
  end
  local first, last = range.start, range['end']
  local bytes = function(position)
    return vim.str_byteindex(line(buffer, position.line), client.offset_encoding, position.character, false)
  end
  local from, to = bytes(first), bytes(last)
  if last.line ~= row or to < col or first.line > row or (first.line == row and from > col) then
    return nil
  end
  local own, cursor_line = line(buffer, first.line), line(buffer, row)
  return {
    item = item,
    row = first.line,
    col = from,
    before = own:sub(1, from),
    replaced = cursor_line:sub(col + 1, to),
  }
end

-- While somebody types into a suggestion, another answer may lengthen it, but does not put something else in its place. One
-- that says the same is no news.
local function keeps(candidates)
  local _, rest = now()
  local new = candidates[1] and rest_of(candidates[1], current and current.buffer or 0)
  return rest ~= nil and not (new and #new > #rest and vim.startswith(new, rest))
end

---An answer came for the cursor's place: because the user typed; because the user asked, and wants to see what came,
---whatever is shown now; or because what is shown was a part, of which more has come.
---@param client vim.lsp.Client
---@param buffer integer
---@param items table[]
---@param why 'typed'|'asked'|'more'
function M.answered(client, buffer, items, why)
  local candidates = {}
  for _, item in ipairs(items) do
    local candidate = candidate_of(item, client, buffer)
    local rest = candidate and rest_of(candidate, buffer)
    if rest and rest ~= '' then
      candidates[#candidates + 1] = candidate
    end
  end
  if #candidates == 0 and why == 'more' then
    return M.clear()
  end
  if #candidates == 0 or M.hidden() or (why == 'typed' and keeps(candidates)) then
    return
  end
  local row, col = place()
  local tail = line(buffer, row):sub(col + 1)
  local asked = why == 'asked'
  current = { client = client, buffer = buffer, tail = tail, candidates = candidates, index = 1, asked = asked }
  if M.refresh() then
    tell_shown()
  end
end

---Shows another alternative.
---@param by integer 1 or -1
---@return boolean whether the user has all alternatives already
function M.cycle(by)
  if not current or not current.asked then
    return false
  end
  local count, index = #current.candidates, current.index
  for _ = 1, count do
    index = (index - 1 + by) % count + 1
    -- What was typed meanwhile fits the one that was shown, not all of them.
    local rest = rest_of(current.candidates[index], current.buffer)
    if rest and rest ~= '' then
      break
    end
  end
  if index ~= current.index then
    current.index = index
    M.refresh()
    tell_shown()
  end
  return true
end

-- The pieces that a suggestion is taken in. All begin with the white space that comes first.
local pieces = {
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

-- What is taken is a step of undo of its own: neither what was typed before nor what is typed after is part of it.
local function insert(buffer, piece, replaced)
  vim.go.undolevels = vim.go.undolevels
  local row, col = place()
  local lines = vim.split(piece, '\n', { plain = true })
  vim.api.nvim_buf_set_text(buffer, row, col, row, col + #replaced, lines)
  local end_col = #lines == 1 and col + #piece or #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines, end_col })
  if vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
    vim.api.nvim_feedkeys(vim.keycode('<C-g>u'), 'ni', false)
  end
end

---Takes the suggestion, or a piece of it.
---@param part 'all'|'word'|'line'
---@return boolean whether there was one
function M.accept(part)
  local candidate, rest = now()
  if not candidate or M.hidden() then
    return false
  end
  local piece = pieces[part](rest)
  local all = piece == rest
  local accepted = current
  local taken = #candidate.item.insertText - #rest + #piece
  ghost.clear()
  insert(accepted.buffer, piece, all and candidate.replaced or '')
  if all then
    M.clear()
    report.accepted(accepted.client, candidate.item)
  else
    M.refresh()
    report.partially_accepted(accepted.client, candidate.item, taken)
  end
  events.send('Accepted', { buf = accepted.buffer, text = piece, part = part })
  return true
end

---Takes the suggestion away because the user does not want it.
---@return boolean whether there was one
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
