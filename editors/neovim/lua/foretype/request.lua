-- Asks the server. One request is out at a time: the next one cancels it, and an answer that comes after the text or the
-- cursor has changed is dropped.

local client_of = require('foretype.client').of
local status = require('foretype.status')

local M = {}

---What made us ask, as the protocol numbers it.
M.kinds = { invoked = 1, automatic = 2 }

---@class foretype.Pending
---@field client vim.lsp.Client
---@field id integer

---@type foretype.Pending?
local pending
-- The moment of an answer that is not complete yet.
---@type table?
local incomplete
local timer = assert(vim.uv.new_timer())
-- An answer that comes sooner is not worth a word in the status line, and all who hear of it, at every key.
local noticed_after = 200
local patience = assert(vim.uv.new_timer())
-- Rises with each cancelling: what a timer has begun before is not for now.
local turn = 0

local function answered()
  pending = nil
  patience:stop()
  status.set_asking(false)
end

---Forgets what was asked and what was going to be.
function M.cancel()
  timer:stop()
  incomplete = nil
  turn = turn + 1
  if not pending then
    return
  end
  local request = pending
  answered()
  if not request.client:is_stopped() then
    request.client:cancel_request(request.id)
  end
end

-- What an answer is good for: this text, with the cursor at this place.
local function moment()
  return {
    buffer = vim.api.nvim_get_current_buf(),
    tick = vim.api.nvim_buf_get_changedtick(0),
    cursor = vim.api.nvim_win_get_cursor(0),
    insert = vim.api.nvim_get_mode().mode:sub(1, 1) == 'i',
  }
end

local function parameters(client, kind)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = kind }
  return params
end

---Asks at once.
---@param kind integer
---@param on_answer fun(client: vim.lsp.Client, buffer: integer, items: table[])
function M.ask(kind, on_answer)
  M.cancel()
  local asked = moment()
  local client = client_of(asked.buffer)
  if not client or not asked.insert then
    return
  end
  local own = { client = client }
  local handler = function(error, result)
    if pending ~= own then
      return
    end
    answered()
    if not error and vim.deep_equal(asked, moment()) then
      incomplete = result and result.isIncomplete and asked or nil
      on_answer(client, asked.buffer, result and (result.items or result) or {})
    end
  end
  pending = own
  local sent, id = client:request('textDocument/inlineCompletion', parameters(client, kind), handler, asked.buffer)
  if not sent then
    pending = nil
    return
  end
  own.id = id
  patience:start(noticed_after, 0, vim.schedule_wrap(function()
    status.set_asking(pending == own)
  end))
end

---The answer that came in part is complete now: asks for it, if it is still of interest.
---@param on_answer fun(client: vim.lsp.Client, buffer: integer, items: table[])
function M.ask_for_more(on_answer)
  if incomplete and vim.deep_equal(incomplete, moment()) then
    M.ask(M.kinds.automatic, on_answer)
  end
end

---Tells the server where the cursor is, though nothing was typed there.
function M.tell_place()
  local client = client_of(vim.api.nvim_get_current_buf())
  if client then
    client:notify('textDocument/didFocus', vim.lsp.util.make_position_params(0, client.offset_encoding))
  end
end

---Asks when no other key has come for a while.
---@param milliseconds integer
---@param kind integer
---@param on_answer fun(client: vim.lsp.Client, buffer: integer, items: table[])
function M.ask_after(milliseconds, kind, on_answer)
  M.cancel()
  local own = turn
  timer:start(milliseconds, 0, vim.schedule_wrap(function()
    -- Another key may have come between the timer and now.
    if own == turn then
      M.ask(kind, on_answer)
    end
  end))
end

return M
