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

---@type table<string, fun(text: string)> who waits for pieces, by token
local listeners = {}
local number = 0

---Takes a `$/progress` notification that is about an answer.
---@param params { token: string|integer, value: any }
---@return boolean whether it was
function M.progress(params)
  local listener = listeners[params.token]
  if listener then
    listener(params.value.text or '')
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
  listeners[token] = on_text
  params = vim.tbl_extend('force', params, { partialResultToken = token })
  local stream = { client = client, token = token }
  local sent, id = client:request(method, params, function(problem, answer)
    if listeners[token] then
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
