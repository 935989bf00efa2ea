-- Starts the plugin: autocommands, mappings, and the server for the open buffers.

local client = require('foretype.client')
local events = require('foretype.events')
local ghost = require('foretype.ghost')
local keys = require('foretype.keys')
local marks = require('foretype.preview_marks')
local status = require('foretype.status')
local typing = require('foretype.typing')

local M = {}

local group = vim.api.nvim_create_augroup('foretype', { clear = true })

---@param names string|string[]
---@param callback fun(args: table)
local function on(names, callback)
  vim.api.nvim_create_autocmd(names, { group = group, callback = callback })
end

-- Wraps a handler so that it runs only in buffers to which the server is attached.
local function if_attached(handler)
  return function(args)
    if client.get(args.buf) then
      handler()
    end
  end
end

local function register_typing_events()
  on('InsertEnter', if_attached(typing.on_insert_enter))
  on({ 'TextChangedI', 'TextChangedP', 'CursorMovedI' }, if_attached(typing.on_change))
  on({ 'InsertLeave', 'BufLeave', 'WinLeave' }, if_attached(typing.stop))
  on({ 'CursorMoved', 'BufEnter' }, if_attached(typing.on_cursor_moved))
  on('CompleteChanged', if_attached(typing.on_popup_change))
  -- The popup is still visible while this event is handled.
  on('CompleteDone', if_attached(vim.schedule_wrap(typing.on_popup_change)))
end

local function on_attach(args)
  local attached = vim.lsp.get_client_by_id(args.data.client_id)
  if not attached or attached.name ~= 'foretype' then
    return
  end
  client.on_attach(args.buf)
  status.set_connection('running')
  status.request_exclusion(attached, args.buf)
  events.send('Attached', { buf = args.buf, client_id = attached.id })
end

local function on_detach(args)
  local detached = vim.lsp.get_client_by_id(args.data.client_id)
  if detached and detached.name == 'foretype' then
    typing.stop()
    require('foretype.rewrite').on_detach(args.buf)
    client.on_detach(args.buf, detached)
  end
end

local function register_buffer_events()
  on({ 'FileType', 'InsertEnter' }, function(args)
    client.attach(args.buf)
  end)
  on({ 'BufFilePost', 'BufWritePost' }, function(args)
    client.update_name(args.buf)
  end)
  on('LspAttach', on_attach)
  on('LspDetach', on_detach)
  on('BufEnter', function(args)
    local attached = client.get(args.buf)
    if attached then
      status.request_exclusion(attached, args.buf)
    end
    status.refresh()
  end)
  on('VimLeavePre', client.on_leave)
end

---Starts the plugin, once per Neovim.
function M.start()
  if typing.active then
    return
  end
  typing.active = true
  ghost.define_highlight()
  marks.define_highlights()
  on('ColorScheme', function()
    ghost.define_highlight()
    marks.define_highlights()
  end)
  register_typing_events()
  register_buffer_events()
  keys.apply()
  client.attach_all()
end

return M
