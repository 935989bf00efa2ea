-- Requests whose answers the model writes: sent, streamed by their token, stopped. Knows nothing of buffers.

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
---@field pieces string[]  Not heard of yet.
---@field heard integer    When it last heard.

---@type table<string, foretype.Listener> by token
local listeners = {}
local number = 0
-- A small model writes thousands of pieces a second, and whoever hears of one draws: nobody hears of any more often than this.
local pause = 50

local function tell(listener)
  local text = table.concat(listener.pieces)
  listener.pieces, listener.heard = {}, vim.uv.now()
  if text ~= '' then
    listener.on_text(text)
  end
end

local function tell_soon(token, listener)
  local due = listener.heard + pause - vim.uv.now()
  if due <= 0 then
    return tell(listener)
  end
  vim.defer_fn(function()
    if listeners[token] == listener then
      tell(listener)
    end
  end, due)
end

---Takes a `$/progress` notification that is about an answer.
---@param params { token: string|integer, value: any }
---@return boolean whether it was
function M.progress(params)
  local listener = listeners[params.token]
  if listener then
    table.insert(listener.pieces, params.value.text or '')
    if #listener.pieces == 1 then
      tell_soon(params.token, listener)
    end
  end
  return listener ~= nil
end

---Asks. `on_end` is called once, unless the asking is stopped.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param on_text fun(text: string)
---@param on_end fun(problem?: string, answer?: foretype.Answer|foretype.Rewritten)
---@return foretype.Stream?
function M.request(client, method, params, on_text, on_end)
  number = number + 1
  local token = 'foretype-answer-' .. number
  local listener = { on_text = on_text, pieces = {}, heard = 0 }
  listeners[token] = listener
  params = vim.tbl_extend('force', params, { partialResultToken = token })
  local stream = { client = client, token = token }
  local sent, id = client:request(method, params, function(problem, answer)
    if listeners[token] then
      tell(listener)
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

---Stops an answer; nobody hears of it any more.
---@param stream foretype.Stream
function M.stop(stream)
  listeners[stream.token] = nil
  if stream.id and not stream.client:is_stopped() then
    stream.client:cancel_request(stream.id)
  end
end

return M
