-- Status of the server and of each buffer, reduced to the one state that the user sees.

local enabled = require('foretype.enabled')
local events = require('foretype.events')

local M = {}

---@alias foretype.State 'starting'|'loading'|'ready'|'busy'|'disabled'|'excluded'|'notConnected'|'error'|'inactive'

---@class foretype.Status
---@field state foretype.State
---@field text string     Message for the user.
---@field fault boolean   True if the user should do something about it.

---@class foretype.ServerStatus
---@field busy boolean
---@field kind 'Normal'|'Warning'|'Error'|'Inactive'
---@field message string

---@alias foretype.Connection 'stopped'|'starting'|'running'|'missing'|'lost'

---@type foretype.Connection
local connection = 'stopped'
local connection_problem = 'not started'
---@type table<integer, foretype.ServerStatus> by client
local servers = {}
local is_requesting = false
---@type table<integer, string> reasons why buffers get no suggestions
local exclusions = {}

---@type foretype.Status?
local last_reported

local function make(state, text, fault)
  return { state = state, text = text, fault = fault or false }
end

local function connection_status()
  if connection == 'starting' then
    return make('starting', 'starting')
  elseif connection == 'lost' then
    return make('notConnected', 'connection lost, reconnecting')
  end
  return make('notConnected', connection_problem, connection ~= 'stopped' or connection_problem ~= 'not started')
end

local function server_status(server)
  if not server or (server.busy and server.kind == 'Normal') then
    return make('loading', 'loading the model')
  elseif server.kind == 'Inactive' then
    return make('inactive', 'the model is loaded when you type')
  elseif is_requesting then
    return make('busy', 'computing a suggestion')
  end
  return make('ready', server.message)
end

---Status for a buffer. A missing server comes first, then disabled suggestions, other errors, and the current activity.
---@param buffer? integer  By default the current one.
---@return foretype.Status
function M.get(buffer)
  buffer = buffer or vim.api.nvim_get_current_buf()
  local on, disabled_scope = enabled.buffer(buffer)
  if not on and connection ~= 'missing' then
    return make('disabled', 'disabled ' .. disabled_scope)
  elseif exclusions[buffer] and connection ~= 'missing' then
    return make('excluded', 'excluded: ' .. exclusions[buffer])
  elseif connection ~= 'running' then
    return connection_status()
  end
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'foretype' })[1]
  local server = client and servers[client.id] or servers[next(servers)]
  if server and server.kind == 'Error' then
    return make('error', server.message, true)
  end
  return server_status(server)
end

---Sends the event `ForetypeStatus` if the status of the current buffer has changed.
function M.refresh()
  local current = M.get()
  if last_reported and vim.deep_equal(last_reported, current) then
    return
  end
  last_reported = current
  events.send('Status', current)
  vim.cmd.redrawstatus({ bang = true })
end

---@param new_connection foretype.Connection
---@param problem? string
function M.set_connection(new_connection, problem)
  connection, connection_problem = new_connection, problem or ''
  M.refresh()
end

---Handles the notification `foretype/status`.
---@param client integer
---@param server foretype.ServerStatus
function M.update_server(client, server)
  servers[client] = server
  -- If only the server configuration is used, nothing else reports the connection.
  M.set_connection('running')
  if server.kind == 'Normal' and not server.busy then
    require('foretype.typing').on_model_ready()
  end
end

---@param client integer
function M.remove_client(client)
  servers[client] = nil
end

---@param requesting boolean
function M.set_requesting(requesting)
  if is_requesting ~= requesting then
    is_requesting = requesting
    M.refresh()
  end
end

---Excludes a buffer from suggestions, whatever the server reports.
---@param buffer integer
---@param reason string
function M.set_excluded(buffer, reason)
  exclusions[buffer] = reason
  M.refresh()
end

---Requests from the server whether it excludes a buffer, for example because git ignores the file.
---@param client vim.lsp.Client
---@param buffer integer
function M.request_exclusion(client, buffer)
  local params = { textDocument = vim.lsp.util.make_text_document_params(buffer) }
  client:request('foretype/status', params, function(error, report)
    local document = not error and report and report.document
    exclusions[buffer] = document and not document.enabled and document.reason or nil
    M.refresh()
  end, buffer)
end

return M
