-- Previews: a change is shown as a diff in the buffer, and the user accepts or rejects its hunks. If the text is
-- neither the base nor the base with some of the accepted hunks applied, the user has edited it, and the preview
-- closes.

local config = require('foretype.config')
local hunk_lines = require('foretype.hunks')
local local_keys = require('foretype.local_keys')
local marks = require('foretype.preview_marks')

local M = {}

---@alias foretype.Decisions table<integer, boolean>  By number of the hunk: accepted (true) or rejected (false).

---@class foretype.Preview
---@field buffer integer
---@field base string[]                   Text that the change is for.
---@field hunks foretype.Hunk[]
---@field decisions foretype.Decisions
---@field history foretype.Decisions[]    Earlier decisions, for undo and redo.
---@field retry? fun()                    Requests another change instead.
---@field restore_keys fun()

---@type table<integer, foretype.Preview> by buffer
local previews = {}

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

local function lines_of(buffer)
  return vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
end

-- Rows of a hunk in the current text: first row and row after the last.
local function rows_of(preview, number)
  local hunk = preview.hunks[number]
  local offset = hunk_lines.offset(preview.hunks, preview.decisions, number)
  return hunk.first + offset, hunk.last + offset
end

-- Numbers of the hunks that are neither accepted nor rejected.
local function remaining_hunks(preview)
  return vim.tbl_filter(function(number)
    return preview.decisions[number] == nil
  end, vim.fn.range(1, #preview.hunks))
end

local function key_hint(preview, number)
  local count = #preview.hunks
  local parts = {}
  for _, action in ipairs(require('foretype.keys').preview_actions) do
    local key = config.get().preview_keys[action.name]
    local is_move = action.name == 'next' or action.name == 'prev'
    local is_useless = is_move and count == 1 or action.name == 'another' and not preview.retry
    if key and not is_useless then
      parts[#parts + 1] = key .. ' ' .. action.hint
    end
  end
  return ('▲ %d/%d  %s'):format(number, count, table.concat(parts, ' · '))
end

local function draw(preview)
  marks.clear(preview.buffer)
  for _, number in ipairs(remaining_hunks(preview)) do
    local first, last = rows_of(preview, number)
    local below = vim.tbl_map(function(text)
      return { text, 'ForetypeAdded' }
    end, preview.hunks[number].lines)
    below[#below + 1] = { key_hint(preview, number), 'ForetypeHint' }
    marks.draw(preview.buffer, first, last, true, below)
  end
end

local function close(preview)
  if previews[preview.buffer] == preview then
    previews[preview.buffer] = nil
    marks.clear(preview.buffer)
    preview.restore_keys()
  end
end

-- Moves the cursor to a hunk and scrolls it into view.
local function reveal(preview, number)
  if vim.api.nvim_get_current_buf() == preview.buffer then
    local first, last = rows_of(preview, number)
    marks.reveal(math.max(first, last - 1), #preview.hunks[number].lines + 1)
  end
end

-- Records the decisions. Redraws the preview, or closes it if no hunk remains.
local function commit_decisions(preview)
  preview.history[#preview.history + 1] = vim.deepcopy(preview.decisions)
  if #remaining_hunks(preview) == 0 then
    return close(preview)
  end
  draw(preview)
end

-- Compares the preview with the current text, which undo, redo or an edit may have changed.
local function sync_with_text(preview)
  if previews[preview.buffer] ~= preview or not vim.api.nvim_buf_is_loaded(preview.buffer) then
    return
  end
  local lines = lines_of(preview.buffer)
  local matches_text = function(decisions)
    return vim.deep_equal(lines, hunk_lines.apply(preview.base, preview.hunks, decisions))
  end
  if matches_text(preview.decisions) then
    return
  end
  local earlier = vim.iter(preview.history):rev():find(matches_text)
  if not earlier then
    close(preview)
    return notify('the buffer was changed: the preview is closed and its remaining hunks are dropped')
  end
  preview.decisions = vim.deepcopy(earlier)
  draw(preview)
end

local function watch_buffer(preview)
  local sync = vim.schedule_wrap(sync_with_text)
  local on_change = function()
    sync(preview)
    -- True detaches.
    return previews[preview.buffer] ~= preview
  end
  vim.api.nvim_buf_attach(preview.buffer, false, {
    on_lines = on_change,
    on_reload = on_change,
    on_detach = function()
      vim.schedule(function()
        close(preview)
      end)
    end,
  })
end

---Previews edits of a buffer's current text.
---@param buffer integer
---@param edits { range: lsp.Range, newText: string }[]
---@param encoding string
---@param retry? fun()  Requests another change instead.
---@return boolean opened false if the edits change nothing
function M.open(buffer, edits, encoding, retry)
  M.close(buffer)
  local base = lines_of(buffer)
  local hunks = hunk_lines.from_edits(base, edits, encoding)
  if #hunks == 0 then
    return false
  end
  local preview = { buffer = buffer, base = base, hunks = hunks, decisions = {}, history = { {} }, retry = retry }
  local actions = require('foretype.keys').preview_actions
  preview.restore_keys = local_keys.map(buffer, config.get().preview_keys, actions, 'preview')
  previews[buffer] = preview
  watch_buffer(preview)
  draw(preview)
  reveal(preview, 1)
  return true
end

---Closes the preview of a buffer. Accepted hunks stay.
---@param buffer integer
function M.close(buffer)
  if previews[buffer] then
    close(previews[buffer])
  end
end

---The preview of the current buffer. Notifies the user if there is none.
---@return foretype.Preview?
local function current_preview()
  local buffer = vim.api.nvim_get_current_buf()
  -- A key may be handled before the scheduled check after an undo.
  if previews[buffer] then
    sync_with_text(previews[buffer])
  end
  local preview = previews[buffer]
  if not preview then
    notify('there is no preview in this buffer')
  end
  return preview
end

-- Number of the remaining hunk at the cursor, or of the next one.
local function hunk_at_cursor(preview)
  local row, remaining = vim.api.nvim_win_get_cursor(0)[1] - 1, remaining_hunks(preview)
  return vim.iter(remaining):find(function(number)
    local first, last = rows_of(preview, number)
    return row < math.max(last, first + 1)
  end) or remaining[1]
end

local function accept_hunk(preview, number)
  local first, last = rows_of(preview, number)
  vim.api.nvim_buf_set_lines(preview.buffer, first, last, true, preview.hunks[number].lines)
  preview.decisions[number] = true
end

local function reject_hunk(preview, number)
  preview.decisions[number] = false
end

-- Calls `apply` with the preview and the hunk at the cursor, and moves to the next remaining hunk.
local function decide(apply)
  local preview = current_preview()
  if not preview then
    return
  elseif not vim.bo[preview.buffer].modifiable then
    return notify('this buffer is not modifiable')
  end
  local number = hunk_at_cursor(preview)
  apply(preview, number)
  commit_decisions(preview)
  local next_hunk = previews[preview.buffer]
    and vim.iter(remaining_hunks(preview)):find(function(other)
      return other > number
    end)
  if next_hunk then
    reveal(preview, next_hunk)
  end
end

local function decide_all(apply)
  decide(function(preview)
    vim.iter(remaining_hunks(preview)):each(function(number)
      apply(preview, number)
    end)
  end)
end

---Accepts the hunk at the cursor, or the next one.
function M.accept()
  decide(accept_hunk)
end

---Rejects the hunk at the cursor, or the next one.
function M.reject()
  decide(reject_hunk)
end

---Accepts all remaining hunks, in one undo step.
function M.accept_all()
  decide_all(accept_hunk)
end

---Rejects all remaining hunks.
function M.reject_all()
  decide_all(reject_hunk)
end

---Drops the remaining hunks and requests another change.
function M.another()
  local preview = current_preview()
  if preview and not preview.retry then
    return notify('there is no other version of this change: run the command again with other words')
  elseif preview then
    close(preview)
    preview.retry()
  end
end

local function go(offset)
  local preview = current_preview()
  if not preview then
    return
  end
  local remaining = remaining_hunks(preview)
  for at, number in ipairs(remaining) do
    if number == hunk_at_cursor(preview) then
      return reveal(preview, remaining[(at - 1 + offset) % #remaining + 1])
    end
  end
end

---Goes to the next hunk.
function M.next()
  go(1)
end

---Goes to the previous hunk.
function M.prev()
  go(-1)
end

return M
