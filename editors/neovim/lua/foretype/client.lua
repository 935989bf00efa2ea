-- LSP clients: starts the server for each buffer that gets suggestions and restarts it when it exits, with growing
-- pauses. After several failures in a row it gives up and notifies the user.

local binary = require('foretype.binary')
local enabled = require('foretype.enabled')
local placeholder = require('foretype.placeholder')
local server = require('foretype.server')
local status = require('foretype.status')

local M = {}

-- Pauses before a restart, by number of failures in a row.
local restart_delays_ms = { 250, 1000, 3000, 8000 }
-- The failures before a run of this length do not count.
local stable_run_ms = 30000
-- A larger buffer would delay every key: the server receives and parses all of it.
local max_buffer_bytes = 4000000

local failures = 0
local gave_up = false
local neovim_is_exiting = false
---@type table<integer, number> start times of clients
local started_at = {}
---@type table<integer, true> clients that the plugin stopped itself
local stopping = {}
---@type table<integer, string> URIs by which the server knows the buffers
local attached_uris = {}

---The running client of a buffer.
---@param buffer integer
---@return vim.lsp.Client?
function M.get(buffer)
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'foretype' })[1]
  return client and client.initialized and not client:is_stopped() and client or nil
end

local function any_client(buffer)
  return vim.lsp.get_clients({ bufnr = buffer, name = 'foretype', _uninitialized = true })[1]
end

-- All buffers without a name share one URI, which can stand for only one of them.
local function is_uri_taken(buffer)
  return vim.api.nvim_buf_get_name(buffer) == ''
    and vim.iter(vim.api.nvim_list_bufs()):any(function(other)
      return other ~= buffer and vim.api.nvim_buf_get_name(other) == '' and any_client(other) ~= nil
    end)
end

local function is_too_large(buffer)
  return vim.api.nvim_buf_get_offset(buffer, vim.api.nvim_buf_line_count(buffer)) > max_buffer_bytes
end

local function is_attachable(buffer)
  local is_loaded = vim.api.nvim_buf_is_valid(buffer) and vim.api.nvim_buf_is_loaded(buffer)
  if not is_loaded or vim.bo[buffer].buftype ~= '' or not vim.bo[buffer].modifiable or not enabled.buffer(buffer) then
    return false
  end
  if is_too_large(buffer) then
    status.set_excluded(buffer, 'the buffer is larger than 4 MB')
    return false
  end
  return not is_uri_taken(buffer)
end

local function give_up()
  gave_up = true
  status.set_connection('lost')
  status.set_connection('missing', 'the server keeps exiting')
  local text = 'Foretype: the server exited %d times in a row; see :Foretype log'
  vim.notify(text:format(failures), vim.log.levels.ERROR)
end

local function handle_exit(id)
  status.remove_client(id)
  local run_ms = vim.uv.now() - (started_at[id] or 0)
  started_at[id] = nil
  if neovim_is_exiting then
    return
  elseif stopping[id] then
    stopping[id] = nil
    return vim.defer_fn(M.attach_all, 10)
  end
  failures = run_ms > stable_run_ms and 1 or failures + 1
  local delay = restart_delays_ms[failures]
  if not delay then
    return give_up()
  end
  status.set_connection('lost')
  vim.defer_fn(M.attach_all, delay)
end

local function start(configuration, buffer)
  local on_exit = function(_, _, id)
    vim.schedule(function()
      handle_exit(id)
    end)
  end
  local user_handlers = configuration.on_exit
  user_handlers = type(user_handlers) == 'table' and user_handlers or { user_handlers }
  configuration.on_exit = vim.list_extend({ on_exit }, user_handlers)
  local id = vim.lsp.start(configuration, { bufnr = buffer })
  if not id then
    return status.set_connection('missing', 'the server cannot be started')
  end
  if not started_at[id] then
    started_at[id] = vim.uv.now()
    status.set_connection('starting')
  end
end

---Attaches the server to a buffer, if the buffer gets suggestions.
---@param buffer integer
function M.attach(buffer)
  if gave_up or any_client(buffer) or not is_attachable(buffer) then
    return
  end
  if not binary.find_or_notify() then
    return status.set_connection('missing', (select(2, binary.find())))
  end
  local configuration = vim.deepcopy(vim.lsp.config.foretype)
  local start_in = function(root)
    configuration.root_dir = root
    start(configuration, buffer)
  end
  if type(configuration.root_dir) == 'function' then
    configuration.root_dir(buffer, start_in)
  else
    start_in(configuration.root_dir)
  end
end

---Attaches the server to all buffers that get suggestions. The empty buffer that Neovim starts with is attached when
---the user types there.
function M.attach_all()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_get_name(buffer) ~= '' or vim.bo[buffer].filetype ~= '' then
      M.attach(buffer)
    end
  end
end

---Attaches a buffer again if its name has changed. Neovim itself reports a new name late, on writing, and not always.
---@param buffer integer
function M.update_name(buffer)
  local client, uri = any_client(buffer), vim.uri_from_bufnr(buffer)
  local old_uri = attached_uris[buffer]
  if not client or not old_uri or old_uri == uri then
    return
  end
  client:notify('textDocument/didClose', { textDocument = { uri = old_uri } })
  vim.lsp.buf_detach_client(buffer, client.id)
  M.attach(buffer)
end

---Handles LspAttach.
---@param buffer integer
function M.on_attach(buffer)
  attached_uris[buffer] = vim.uri_from_bufnr(buffer)
  placeholder.detach(buffer)
end

---Handles LspDetach, whether or not the server has exited.
---@param buffer integer
---@param client vim.lsp.Client
function M.on_detach(buffer, client)
  if client:is_stopped() and not neovim_is_exiting and vim.api.nvim_buf_is_loaded(buffer) then
    placeholder.attach(buffer)
  end
end

---Stops the server and starts it again.
function M.restart()
  failures, gave_up = 0, false
  binary.reset_notification()
  local clients = vim.lsp.get_clients({ name = 'foretype' })
  for _, client in ipairs(clients) do
    stopping[client.id] = true
    client:stop(true)
  end
  if #clients == 0 then
    M.attach_all()
  end
end

---Sends the current options to the running servers.
function M.reconfigure()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'foretype' })) do
    client.settings.foretype = server.options()
    client:notify('workspace/didChangeConfiguration', { settings = client.settings })
  end
end

---Handles VimLeavePre: from now on, an exit of the server is not a failure.
function M.on_leave()
  neovim_is_exiting = true
end

return M
