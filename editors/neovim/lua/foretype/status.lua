-- What is known of the server and of this window, and which one thing of it the user is told.

local enabled = require('foretype.enabled')
local events = require('foretype.events')

local M = {}

---@alias foretype.State 'starting'|'loading'|'ready'|'busy'|'disabled'|'excluded'|'notConnected'|'error'|'inactive'

---@class foretype.Status
---@field state foretype.State
---@field text string     For people.
---@field fault boolean   Whether somebody should do something about it.

---@class foretype.ServerStatus
---@field busy boolean
---@field kind 'Normal'|'Warning'|'Error'|'Inactive'
---@field message string

local facts = {
  ---@type 'stopped'|'starting'|'running'|'missing'|'lost'
  connection = 'stopped',
  problem = 'not started',
  ---@type table<integer, foretype.ServerStatus> by client
  servers = {},
  asking = false,
  ---@type table<integer, string> by buffer: why the server gives no suggestions there
  refusals = {},
}

---@type foretype.Status?
local told

local function say(state, text, fault)
  return { state = state, text = text, fault = fault or false }
end

local function of_connection()
  if facts.connection == 'starting' then
    return say('starting', 'starting')
  elseif facts.connection == 'lost' then
    return say('notConnected', 'connection lost, starting again')
  end
  return say('notConnected', facts.problem, facts.connection ~= 'stopped' or facts.problem ~= 'not started')
end

local function of_server(server)
  if not server or (server.busy and server.kind == 'Normal') then
    return say('loading', 'loading the model')
  elseif server.kind == 'Inactive' then
    return say('inactive', 'the model is loaded when you type')
  elseif facts.asking then
    return say('busy', 'thinking')
  end
  return say('ready', server.message)
end

---How Foretype is for a buffer. Faults come first, then what is switched off, then what is going on.
---@param buffer? integer  The current one if not given.
---@return foretype.Status
function M.of(buffer)
  buffer = buffer or vim.api.nvim_get_current_buf()
  local on, off = enabled.buffer(buffer)
  if not on and facts.connection ~= 'missing' then
    return say('disabled', 'off: ' .. off)
  elseif facts.refusals[buffer] and facts.connection ~= 'missing' then
    return say('excluded', 'off here: ' .. facts.refusals[buffer])
  elseif facts.connection ~= 'running' then
    return of_connection()
  end
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'foretype' })[1]
  local server = client and facts.servers[client.id] or facts.servers[next(facts.servers)]
  if server and server.kind == 'Error' then
    return say('error', server.message, true)
  end
  return of_server(server)
end

---Tells everybody if something is different now.
function M.changed()
  local now = M.of()
  if told and vim.deep_equal(told, now) then
    return
  end
  told = now
  events.send('Status', now)
  vim.cmd.redrawstatus({ bang = true })
end

---@param connection 'stopped'|'starting'|'running'|'missing'|'lost'
---@param problem? string
function M.set_connection(connection, problem)
  facts.connection, facts.problem = connection, problem or ''
  M.changed()
end

---The notification `foretype/status` came.
---@param client integer
---@param server foretype.ServerStatus
function M.heard(client, server)
  facts.servers[client] = server
  -- Where the rest of the plugin is off, nobody else says that there is a connection.
  M.set_connection('running')
  if server.kind == 'Normal' and not server.busy then
    require('foretype.typing').model_is_ready()
  end
end

---@param client integer
function M.forget(client)
  facts.servers[client] = nil
end

---@param asking boolean
function M.set_asking(asking)
  if facts.asking ~= asking then
    facts.asking = asking
    M.changed()
  end
end

---A buffer gets no suggestions, whatever the server says.
---@param buffer integer
---@param reason string
function M.refuse(buffer, reason)
  facts.refusals[buffer] = reason
  M.changed()
end

---Asks the server whether it refuses a buffer, for example because it is ignored by git.
---@param client vim.lsp.Client
---@param buffer integer
function M.look_at(client, buffer)
  local params = { textDocument = vim.lsp.util.make_text_document_params(buffer) }
  client:request('foretype/status', params, function(error, report)
    local document = not error and report and report.document
    facts.refusals[buffer] = document and not document.enabled and document.reason or nil
    M.changed()
  end, buffer)
end

return M
