-- Requests whose answers are streamed: sends them, delivers the text by progress token, and stops them.

local M = {}

---@class foretype.Stream
---@field client vim.lsp.Client
---@field token string
---@field id? integer

---@class foretype.Answer
---@field text string
---@field complete boolean
---@field conversation? integer
---@field places { uri?: string, path: string, first: integer, last: integer, why: string }[]
---@field citations { path: string, line: integer }[]
---@field notes string[]

---@class foretype.Rewritten
---@field version integer
---@field hunks { range: lsp.Range, newText: string }[]
---@field text? string
---@field languageId? string
---@field notes string[]

---@class foretype.Listener
---@field on_text fun(text: string)
---@field chunks string[]        Chunks that have not been delivered yet.
---@field delivered_at integer  Time of the last delivery.

---@type table<string, foretype.Listener> by token
local listeners = {}
local count = 0
-- Shortest time between two deliveries. Each one draws, and a small model generates thousands of chunks a second.
local delivery_interval_ms = 50

local function deliver(listener)
  local text = table.concat(listener.chunks)
  listener.chunks, listener.delivered_at = {}, vim.uv.now()
  if text ~= '' then
    listener.on_text(text)
  end
end

local function schedule_delivery(token, listener)
  local delay = listener.delivered_at + delivery_interval_ms - vim.uv.now()
  if delay <= 0 then
    return deliver(listener)
  end
  vim.defer_fn(function()
    if listeners[token] == listener then
      deliver(listener)
    end
  end, delay)
end

---Handles a `$/progress` notification, if it belongs to a stream.
---@param params { token: string|integer, value: any }
---@return boolean handled
function M.progress(params)
  local listener = listeners[params.token]
  if listener then
    table.insert(listener.chunks, params.value.text or '')
    if #listener.chunks == 1 then
      schedule_delivery(params.token, listener)
    end
  end
  return listener ~= nil
end

---Sends a request. `on_end` is called once, unless the stream is stopped.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param on_text fun(text: string)
---@param on_end fun(problem?: string, answer?: foretype.Answer|foretype.Rewritten)
---@return foretype.Stream?
function M.request(client, method, params, on_text, on_end)
  count = count + 1
  local token = 'foretype-answer-' .. count
  local listener = { on_text = on_text, chunks = {}, delivered_at = 0 }
  listeners[token] = listener
  params = vim.tbl_extend('force', params, { partialResultToken = token })
  local stream = { client = client, token = token }
  local sent, id = client:request(method, params, function(problem, answer)
    if listeners[token] then
      deliver(listener)
      listeners[token] = nil
      on_end(problem and problem.message, answer)
    end
  end)
  stream.id = id
  if not sent then
    listeners[token] = nil
    return nil
  end
  return stream
end

---Cancels a request. Nothing more is delivered.
---@param stream foretype.Stream
function M.stop(stream)
  listeners[stream.token] = nil
  if stream.id and not stream.client:is_stopped() then
    stream.client:cancel_request(stream.id)
  end
end

return M
