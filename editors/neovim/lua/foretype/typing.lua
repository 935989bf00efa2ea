-- Follows what the user does in insert mode: shortens or ends the suggestion, and asks for the next one.

local client_of = require('foretype.client').of
local config = require('foretype.config')
local enabled = require('foretype.enabled')
local request = require('foretype.request')
local suggestion = require('foretype.suggestion')

local M = {}

---Whether the plugin draws ghost text; false where only its server configuration is used.
M.active = false

-- What was last looked at. A key sends several events, of which one may do something; and a mere move of the cursor is told
-- from an edit.
---@type { buffer: integer, tick: integer, cursor: integer[] }?
local seen
-- Insert mode has begun and nothing has happened in it.
local entering = false

local function answered(client, buffer, items)
  suggestion.answered(client, buffer, items, 'typed')
end

local function in_insert_mode()
  return vim.api.nvim_get_mode().mode:sub(1, 1) == 'i'
end

local function look()
  return {
    buffer = vim.api.nvim_get_current_buf(),
    tick = vim.api.nvim_buf_get_changedtick(0),
    cursor = vim.api.nvim_win_get_cursor(0),
  }
end

local function may_ask()
  local buffer = vim.api.nvim_get_current_buf()
  -- What a macro types is no reason to suggest anything, and what is taken while one is recorded would not be in it.
  local by_hand = vim.fn.reg_executing() == '' and vim.fn.reg_recording() == ''
  return by_hand and client_of(buffer) ~= nil and vim.bo.buftype == '' and enabled.buffer(buffer)
end

local function may_ask_unbidden()
  return config.get().trigger == 'automatic' and may_ask()
end

local function ask_soon()
  if may_ask_unbidden() and not suggestion.hidden() then
    request.ask_after(config.get().debounce_ms, request.kinds.automatic, answered)
  end
end

---Insert mode begins: the line may want to be completed as it is.
function M.entered()
  seen, entering = look(), true
  ask_soon()
end

---The text or the cursor changed.
function M.changed()
  local now = look()
  if vim.deep_equal(now, seen) then
    return
  end
  local edited = not seen or now.buffer ~= seen.buffer or now.tick ~= seen.tick
  seen = now
  -- Back from a command of CTRL-O, the cursor steps behind the end of the line.
  if entering and not edited then
    entering = false
    return
  end
  entering = false
  local still = suggestion.refresh()
  if edited then
    request.cancel()
    ask_soon()
  elseif not still then
    request.cancel()
    M.moved()
  end
end

---The cursor went somewhere, and nothing is typed there: if it rests, the server gets ready for that place.
function M.moved()
  if may_ask_unbidden() then
    request.tell_place()
  end
end

---What was suggested in part is complete now.
function M.more()
  if not suggestion.hidden() then
    request.ask_for_more(function(client, buffer, items)
      suggestion.answered(client, buffer, items, 'more')
    end)
  end
end

---The completion popup came or went.
function M.popup_changed()
  local hidden = suggestion.hidden()
  suggestion.refresh()
  if hidden then
    request.cancel()
  elseif in_insert_mode() then
    ask_soon()
  end
end

---Insert mode or the buffer is left, or suggestions were switched off.
function M.left()
  request.cancel()
  suggestion.clear()
end

---The model has been loaded; the user may have waited for it.
function M.model_is_ready()
  if M.active and in_insert_mode() and not suggestion.visible() then
    ask_soon()
  end
end

---Asks now, for all alternatives. `by` moves on from what is shown already.
---@param by? integer
function M.trigger(by)
  if not may_ask() then
    return
  end
  request.ask(request.kinds.invoked, function(client, buffer, items)
    suggestion.answered(client, buffer, items, 'asked')
    if by then
      suggestion.cycle(by)
    end
  end)
end

---Shows another alternative; asks for them if that was not done yet.
---@param by integer
function M.cycle(by)
  if not suggestion.visible() then
    M.trigger()
  elseif not suggestion.cycle(by) then
    M.trigger(by)
  end
end

return M
