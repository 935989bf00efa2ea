-- The request `foretype/ask`: sent, streamed by its token, stopped. Knows nothing of buffers.

local M = {}

---@class foretype.Asking
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
---@param params table
---@param on_text fun(text: string)
---@param on_end fun(problem?: string, answer?: foretype.Answer)
---@return foretype.Asking?
function M.ask(client, params, on_text, on_end)
  number = number + 1
  local token = 'foretype-ask-' .. number
  listeners[token] = on_text
  params = vim.tbl_extend('force', params, { partialResultToken = token })
  local asking = { client = client, token = token }
  local sent, id = client:request('foretype/ask', params, function(problem, answer)
    if listeners[token] then
      listeners[token] = nil
      on_end(problem and problem.message, answer)
    end
  end)
  asking.id = id
  if not sent then
    listeners[token] = nil
    return nil
  end
  return asking
end

---Stops an answer; nobody hears of it any more.
---@param asking foretype.Asking
function M.stop(asking)
  listeners[asking.token] = nil
  if asking.id and not asking.client:is_stopped() then
    asking.client:cancel_request(asking.id)
  end
end

return M
