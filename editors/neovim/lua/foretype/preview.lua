-- A change that the user has not taken yet: shown as a diff in the text, taken or turned down piece by piece. The text is the
-- measure: where it is neither as it was nor as the taken pieces make it, the user has typed, and the preview goes.

local config = require('foretype.config')
local hunks_of = require('foretype.hunks')
local local_keys = require('foretype.local_keys')
local marks = require('foretype.preview_marks')

local M = {}

---@class foretype.Preview
---@field buffer integer
---@field base string[]   The text that the change is for.
---@field hunks foretype.Hunk[]
---@field verdicts table<integer, boolean>    Which hunks were taken (true) or turned down (false).
---@field history table<integer, boolean>[]   What the verdicts were, for undo and redo.
---@field again? fun()    Asks for another change in place of this one.
---@field keys fun()      Gives the keys back.

---@type table<integer, foretype.Preview> by buffer
local previews = {}

local function say(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

local function lines_of(buffer)
  return vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
end

-- Where a hunk is in the text as it is now.
local function rows(preview, number)
  local hunk = preview.hunks[number]
  local offset = hunks_of.offset(preview.hunks, preview.verdicts, number)
  return hunk.first + offset, hunk.last + offset
end

local function pending(preview)
  return vim.tbl_filter(function(number)
    return preview.verdicts[number] == nil
  end, vim.fn.range(1, #preview.hunks))
end

local function hint(preview, number)
  local count = #preview.hunks
  local parts = {}
  for _, action in ipairs(require('foretype.keys').preview_actions) do
    local key = config.get().preview_keys[action.name]
    local moves = action.name == 'next' or action.name == 'prev'
    local idle = moves and count == 1 or action.name == 'another' and not preview.again
    if key and not idle then
      parts[#parts + 1] = key .. ' ' .. action.hint
    end
  end
  return ('▲ %d/%d  %s'):format(number, count, table.concat(parts, ' · '))
end

local function draw(preview)
  marks.clear(preview.buffer)
  for _, number in ipairs(pending(preview)) do
    local first, last = rows(preview, number)
    local below = vim.tbl_map(function(text)
      return { text, 'ForetypeAdded' }
    end, preview.hunks[number].lines)
    below[#below + 1] = { hint(preview, number), 'ForetypeHint' }
    marks.draw(preview.buffer, first, last, true, below)
  end
end

local function close(preview)
  if previews[preview.buffer] == preview then
    previews[preview.buffer] = nil
    marks.clear(preview.buffer)
    preview.keys()
  end
end

local function show(preview, number)
  if vim.api.nvim_get_current_buf() == preview.buffer then
    local first, last = rows(preview, number)
    marks.reveal(math.max(first, last - 1), #preview.hunks[number].lines + 1)
  end
end

-- The verdicts have changed.
local function settle(preview)
  preview.history[#preview.history + 1] = vim.deepcopy(preview.verdicts)
  if #pending(preview) == 0 then
    return close(preview)
  end
  draw(preview)
end

-- Somebody has changed the text: by undo or redo, or as if there were no preview.
local function changed(preview)
  if previews[preview.buffer] ~= preview or not vim.api.nvim_buf_is_loaded(preview.buffer) then
    return
  end
  local lines = lines_of(preview.buffer)
  local fits = function(verdicts)
    return vim.deep_equal(lines, hunks_of.applied(preview.base, preview.hunks, verdicts))
  end
  if fits(preview.verdicts) then
    return
  end
  local before = vim.iter(preview.history):rev():find(fits)
  if not before then
    close(preview)
    return say('the text was changed: what was not accepted of the preview is dropped')
  end
  preview.verdicts = vim.deepcopy(before)
  draw(preview)
end

local function follow(preview)
  local look = vim.schedule_wrap(changed)
  local told = function()
    look(preview)
    return previews[preview.buffer] ~= preview
  end
  vim.api.nvim_buf_attach(preview.buffer, false, {
    on_lines = told,
    on_reload = told,
    on_detach = function()
      vim.schedule(function()
        close(preview)
      end)
    end,
  })
end

---Shows changes of a buffer's text as it is now.
---@param buffer integer
---@param changes { range: lsp.Range, newText: string }[]
---@param encoding string
---@param again? fun()  Asks for another change in place of this one.
---@return boolean whether there is anything to show
function M.open(buffer, changes, encoding, again)
  M.close(buffer)
  local base = lines_of(buffer)
  local hunks = hunks_of.of(base, changes, encoding)
  if #hunks == 0 then
    return false
  end
  local preview = { buffer = buffer, base = base, hunks = hunks, verdicts = {}, history = { {} }, again = again }
  preview.keys = local_keys.map(buffer, config.get().preview_keys, require('foretype.keys').preview_actions, 'preview')
  previews[buffer] = preview
  follow(preview)
  draw(preview)
  show(preview, 1)
  return true
end

---Takes a preview away; what was accepted stays.
---@param buffer integer
function M.close(buffer)
  if previews[buffer] then
    close(previews[buffer])
  end
end

---@return foretype.Preview?
local function here()
  local buffer = vim.api.nvim_get_current_buf()
  -- A key may come before what was scheduled for an undo.
  if previews[buffer] then
    changed(previews[buffer])
  end
  local preview = previews[buffer]
  if not preview then
    say('there is no preview in this buffer')
  end
  return preview
end

-- The hunk at the cursor, or the next one.
local function at_cursor(preview)
  local row, waiting = vim.api.nvim_win_get_cursor(0)[1] - 1, pending(preview)
  return vim.iter(waiting):find(function(number)
    local first, last = rows(preview, number)
    return row < math.max(last, first + 1)
  end) or waiting[1]
end

local function make(preview, number)
  local first, last = rows(preview, number)
  vim.api.nvim_buf_set_lines(preview.buffer, first, last, true, preview.hunks[number].lines)
  preview.verdicts[number] = true
end

local function decide(work)
  local preview = here()
  if not preview then
    return
  elseif not vim.bo[preview.buffer].modifiable then
    return say('this buffer cannot be changed')
  end
  local number = at_cursor(preview)
  work(preview, number)
  settle(preview)
  local following = previews[preview.buffer] and vim.iter(pending(preview)):find(function(other)
    return other > number
  end)
  if following then
    show(preview, following)
  end
end

---Takes the hunk at the cursor, or the next one.
function M.accept()
  decide(make)
end

---Turns it down.
function M.reject()
  decide(function(preview, number)
    preview.verdicts[number] = false
  end)
end

---Takes all that are left, in one step of undo.
function M.accept_all()
  decide(function(preview)
    vim.iter(pending(preview)):each(function(number)
      make(preview, number)
    end)
  end)
end

---Turns all down that are left.
function M.reject_all()
  decide(function(preview)
    vim.iter(pending(preview)):each(function(number)
      preview.verdicts[number] = false
    end)
  end)
end

---What is waiting goes, and another change is asked for.
function M.another()
  local preview = here()
  if preview and not preview.again then
    return say('there is no other change; ask again in other words')
  elseif preview then
    close(preview)
    preview.again()
  end
end

local function go(by)
  local preview = here()
  if not preview then
    return
  end
  local waiting = pending(preview)
  for at, number in ipairs(waiting) do
    if number == at_cursor(preview) then
      return show(preview, waiting[(at - 1 + by) % #waiting + 1])
    end
  end
end

---Goes to the next hunk.
function M.next()
  go(1)
end

---Goes to the previous one.
function M.prev()
  go(-1)
end

return M
