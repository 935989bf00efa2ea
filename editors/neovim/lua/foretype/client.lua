-- The connection: started for each buffer that is to have suggestions, started again when it ends, with growing pauses, and
-- given up with a word to the user when that does not help.

local binary = require('foretype.binary')
local enabled = require('foretype.enabled')
local placeholder = require('foretype.placeholder')
local server = require('foretype.server')
local status = require('foretype.status')

local M = {}

-- Milliseconds.
local pauses = { 250, 1000, 3000, 8000 }
-- A server that has run this long was well.
local well_after = 30000
-- Bytes. The whole text goes to the server and through its parser; beyond this, that would be felt.
local longest = 4000000

local failures = 0
local given_up = false
local leaving = false
---@type table<integer, number> when a client was started
local started_at = {}
---@type table<integer, true> clients that we end ourselves
local ending = {}
---@type table<integer, string> by which address the server knows a buffer
local addresses = {}

---The client of a buffer, if it is there and answers.
---@param buffer integer
---@return vim.lsp.Client?
function M.of(buffer)
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'foretype' })[1]
  return client and client.initialized and not client:is_stopped() and client or nil
end

local function client_there(buffer)
  return vim.lsp.get_clients({ bufnr = buffer, name = 'foretype', _uninitialized = true })[1]
end

-- All buffers without a name have the same address, which can stand for one text only.
local function address_is_taken(buffer)
  return vim.api.nvim_buf_get_name(buffer) == '' and vim.iter(vim.api.nvim_list_bufs()):any(function(other)
    return other ~= buffer and vim.api.nvim_buf_get_name(other) == '' and client_there(other) ~= nil
  end)
end

local function is_too_long(buffer)
  return vim.api.nvim_buf_get_offset(buffer, vim.api.nvim_buf_line_count(buffer)) > longest
end

local function attachable(buffer)
  local there = vim.api.nvim_buf_is_valid(buffer) and vim.api.nvim_buf_is_loaded(buffer)
  if not there or vim.bo[buffer].buftype ~= '' or not vim.bo[buffer].modifiable or not enabled.buffer(buffer) then
    return false
  end
  if is_too_long(buffer) then
    status.refuse(buffer, 'the text is longer than 4 MB')
    return false
  end
  return not address_is_taken(buffer)
end

local function give_up()
  given_up = true
  status.set_connection('lost')
  status.set_connection('missing', 'the daemon ends again and again')
  local text = 'Foretype: the server ended %d times in a row; see :Foretype log'
  vim.notify(text:format(failures), vim.log.levels.ERROR)
end

local function ended(id)
  status.forget(id)
  local ran = vim.uv.now() - (started_at[id] or 0)
  started_at[id] = nil
  if leaving then
    return
  elseif ending[id] then
    ending[id] = nil
    return vim.defer_fn(M.attach_all, 10)
  end
  failures = ran > well_after and 1 or failures + 1
  local pause = pauses[failures]
  if not pause then
    return give_up()
  end
  status.set_connection('lost')
  vim.defer_fn(M.attach_all, pause)
end

local function start(configuration, buffer)
  local on_exit = function(_, _, id)
    vim.schedule(function()
      ended(id)
    end)
  end
  local own = configuration.on_exit
  configuration.on_exit = vim.list_extend({ on_exit }, type(own) == 'table' and own or { own })
  local id = vim.lsp.start(configuration, { bufnr = buffer })
  if not id then
    return status.set_connection('missing', 'the server does not start')
  end
  if not started_at[id] then
    started_at[id] = vim.uv.now()
    status.set_connection('starting')
  end
end

---Gives a buffer the server, if it is to have suggestions.
---@param buffer integer
function M.attach(buffer)
  if given_up or client_there(buffer) or not attachable(buffer) then
    return
  end
  if not binary.find_or_tell() then
    return status.set_connection('missing', (select(2, binary.find())))
  end
  local configuration = vim.deepcopy(vim.lsp.config.foretype)
  local begin = function(root)
    configuration.root_dir = root
    start(configuration, buffer)
  end
  if type(configuration.root_dir) == 'function' then
    configuration.root_dir(buffer, begin)
  else
    begin(configuration.root_dir)
  end
end

---Gives all buffers the server that are to have it. The empty one that Neovim begins with gets it when somebody types there.
function M.attach_all()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_get_name(buffer) ~= '' or vim.bo[buffer].filetype ~= '' then
      M.attach(buffer)
    end
  end
end

---A buffer may have got another name. Neovim tells servers of that late, when it is written, and not always.
---@param buffer integer
function M.renamed(buffer)
  local client, uri = client_there(buffer), vim.uri_from_bufnr(buffer)
  local before = addresses[buffer]
  if not client or not before or before == uri then
    return
  end
  client:notify('textDocument/didClose', { textDocument = { uri = before } })
  vim.lsp.buf_detach_client(buffer, client.id)
  M.attach(buffer)
end

---The server has a buffer now.
---@param buffer integer
function M.attached(buffer)
  addresses[buffer] = vim.uri_from_bufnr(buffer)
  placeholder.release(buffer)
end

---A buffer has no server any more, because that ended or for another reason.
---@param buffer integer
---@param client vim.lsp.Client
function M.detached(buffer, client)
  if client:is_stopped() and not leaving and vim.api.nvim_buf_is_loaded(buffer) then
    placeholder.hold(buffer)
  end
end

---Ends the server and starts it afresh.
function M.restart()
  failures, given_up = 0, false
  binary.tell_again()
  local clients = vim.lsp.get_clients({ name = 'foretype' })
  for _, client in ipairs(clients) do
    ending[client.id] = true
    client:stop(true)
  end
  if #clients == 0 then
    M.attach_all()
  end
end

---Other options hold now; the servers that run are told.
function M.reconfigure()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'foretype' })) do
    client.settings.foretype = server.options()
    client:notify('workspace/didChangeConfiguration', { settings = client.settings })
  end
end

---Neovim ends: that the server goes is no fault.
function M.leave()
  leaving = true
end

return M
