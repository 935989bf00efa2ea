-- Requests for suggestions. There is one request at a time: the next one cancels it. An answer that arrives after the
-- text or the cursor has changed is superseded and dropped.

local get_client = require('foretype.client').get
local status = require('foretype.status')

local M = {}

---`InlineCompletionTriggerKind` of the protocol.
M.trigger_kinds = { invoked = 1, automatic = 2 }

---@alias foretype.AnswerHandler fun(client: vim.lsp.Client, buffer: integer, items: table[])

---@class foretype.PendingRequest
---@field client vim.lsp.Client
---@field id integer

---@type foretype.PendingRequest?
local pending
-- Editor state for which an incomplete answer arrived.
---@type table?
local incomplete_state
local delay_timer = assert(vim.uv.new_timer())
-- The status shows only requests that take longer than this: an update of the status line at every key would be costly.
local busy_delay_ms = 200
local busy_timer = assert(vim.uv.new_timer())
-- Number of cancellations. A timer callback that was scheduled before the latest one does nothing.
local cancellations = 0

local function clear_pending()
  pending = nil
  busy_timer:stop()
  status.set_requesting(false)
end

---Cancels the pending and the scheduled request.
function M.cancel()
  delay_timer:stop()
  incomplete_state = nil
  cancellations = cancellations + 1
  if not pending then
    return
  end
  local request = pending
  clear_pending()
  if not request.client:is_stopped() then
    request.client:cancel_request(request.id)
  end
end

-- Editor state that a suggestion is valid for.
local function editor_state()
  return {
    buffer = vim.api.nvim_get_current_buf(),
    tick = vim.api.nvim_buf_get_changedtick(0),
    cursor = vim.api.nvim_win_get_cursor(0),
    insert = vim.api.nvim_get_mode().mode:sub(1, 1) == 'i',
  }
end

local function request_params(client, trigger_kind)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = trigger_kind }
  return params
end

---Requests suggestions at the cursor.
---@param trigger_kind integer
---@param on_answer foretype.AnswerHandler
function M.send(trigger_kind, on_answer)
  M.cancel()
  local state = editor_state()
  local client = get_client(state.buffer)
  if not client or not state.insert then
    return
  end
  local request = { client = client }
  local handler = function(error, result)
    if pending ~= request then
      return
    end
    clear_pending()
    if not error and vim.deep_equal(state, editor_state()) then
      incomplete_state = result and result.isIncomplete and state or nil
      on_answer(client, state.buffer, result and (result.items or result) or {})
    end
  end
  pending = request
  local params = request_params(client, trigger_kind)
  local sent, id = client:request('textDocument/inlineCompletion', params, handler, state.buffer)
  if not sent then
    pending = nil
    return
  end
  request.id = id
  busy_timer:start(busy_delay_ms, 0, vim.schedule_wrap(function()
    status.set_requesting(pending == request)
  end))
end

---Requests the rest of a suggestion that was answered in part, unless the text or the cursor has changed since.
---@param on_answer foretype.AnswerHandler
function M.send_for_rest(on_answer)
  if incomplete_state and vim.deep_equal(incomplete_state, editor_state()) then
    M.send(M.trigger_kinds.automatic, on_answer)
  end
end

---Reports the position of the cursor to the server, which may prefill the prompt there.
function M.notify_focus()
  local client = get_client(vim.api.nvim_get_current_buf())
  if client then
    client:notify('textDocument/didFocus', vim.lsp.util.make_position_params(0, client.offset_encoding))
  end
end

---Requests suggestions after a delay, unless another key cancels it.
---@param milliseconds integer
---@param trigger_kind integer
---@param on_answer foretype.AnswerHandler
function M.send_after(milliseconds, trigger_kind, on_answer)
  M.cancel()
  local cancellations_before = cancellations
  delay_timer:start(milliseconds, 0, vim.schedule_wrap(function()
    -- A key may have been handled since the timer fired.
    if cancellations == cancellations_before then
      M.send(trigger_kind, on_answer)
    end
  end))
end

return M
