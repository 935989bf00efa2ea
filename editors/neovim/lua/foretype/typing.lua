-- Handlers of insert-mode events: they shorten or remove the suggestion, and request the next one.

local config = require('foretype.config')
local enabled = require('foretype.enabled')
local get_client = require('foretype.client').get
local request = require('foretype.request')
local suggestion = require('foretype.suggestion')

local M = {}

---True if the plugin draws ghost text; false if only its server configuration is used.
M.active = false

-- State at the last event. One key causes several events, of which only the first that finds a change is handled; the
-- change tick tells an edit from a move of the cursor.
---@type { buffer: integer, tick: integer, cursor: integer[] }?
local last_state
-- True until the first event after insert mode was entered.
local just_entered = false

local function show_automatic(client, buffer, items)
  suggestion.show(client, buffer, items, 'automatic')
end

local function in_insert_mode()
  return vim.api.nvim_get_mode().mode:sub(1, 1) == 'i'
end

local function current_state()
  return {
    buffer = vim.api.nvim_get_current_buf(),
    tick = vim.api.nvim_buf_get_changedtick(0),
    cursor = vim.api.nvim_win_get_cursor(0),
  }
end

local function may_request()
  local buffer = vim.api.nvim_get_current_buf()
  -- A macro that is executed needs no suggestions, and one that is recorded would not contain the accepted text.
  local no_macro = vim.fn.reg_executing() == '' and vim.fn.reg_recording() == ''
  return no_macro and get_client(buffer) ~= nil and vim.bo.buftype == '' and enabled.buffer(buffer)
end

local function may_request_automatically()
  return config.get().trigger == 'automatic' and may_request()
end

local function request_after_debounce()
  if may_request_automatically() and not suggestion.hidden() then
    request.send_after(config.get().debounce_ms, request.trigger_kinds.automatic, show_automatic)
  end
end

---Handles InsertEnter.
function M.on_insert_enter()
  last_state, just_entered = current_state(), true
  request_after_debounce()
end

---Handles a change of the text or the cursor in insert mode.
function M.on_change()
  local state = current_state()
  if vim.deep_equal(state, last_state) then
    return
  end
  local edited = not last_state or state.buffer ~= last_state.buffer or state.tick ~= last_state.tick
  last_state = state
  -- After a command of CTRL-O, the cursor moves behind the end of the line: not a move by the user.
  if just_entered and not edited then
    just_entered = false
    return
  end
  just_entered = false
  local still_shown = suggestion.refresh()
  if edited then
    request.cancel()
    request_after_debounce()
  elseif not still_shown then
    request.cancel()
    M.on_cursor_moved()
  end
end

---Handles a move of the cursor without an edit: the server may prefill the prompt there.
function M.on_cursor_moved()
  if may_request_automatically() then
    request.notify_focus()
  end
end

---Handles `foretype/more`: a suggestion that was shown in part is complete.
function M.on_more()
  if not suggestion.hidden() then
    request.send_for_rest(function(client, buffer, items)
      suggestion.show(client, buffer, items, 'more')
    end)
  end
end

---Handles the opening and closing of the completion popup.
function M.on_popup_change()
  local hidden = suggestion.hidden()
  suggestion.refresh()
  if hidden then
    request.cancel()
  elseif in_insert_mode() then
    request_after_debounce()
  end
end

---Cancels requests and removes the suggestion: insert mode or the buffer was left, or suggestions were disabled.
function M.stop()
  request.cancel()
  suggestion.clear()
end

---Requests a suggestion when the model has been loaded, in case the user is waiting for one.
function M.on_model_ready()
  if M.active and in_insert_mode() and not suggestion.visible() then
    request_after_debounce()
  end
end

---Requests all alternatives now.
---@param offset? integer  Alternative to show, relative to the current one.
function M.trigger(offset)
  if not may_request() then
    return
  end
  request.send(request.trigger_kinds.invoked, function(client, buffer, items)
    suggestion.show(client, buffer, items, 'invoked')
    if offset then
      suggestion.cycle(offset)
    end
  end)
end

---Shows another alternative; requests all of them first, if necessary.
---@param offset integer
function M.cycle(offset)
  if not suggestion.visible() then
    M.trigger()
  elseif not suggestion.cycle(offset) then
    M.trigger(offset)
  end
end

return M
