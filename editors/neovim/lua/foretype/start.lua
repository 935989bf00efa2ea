-- Brings the plugin to life: autocommands, mappings, and the server for the buffers that are open.

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

-- Costs nothing where the server is not attached.
local function where_attached(work)
  return function(args)
    if client.of(args.buf) then
      work()
    end
  end
end

local function follow_typing()
  on('InsertEnter', where_attached(typing.entered))
  on({ 'TextChangedI', 'TextChangedP', 'CursorMovedI' }, where_attached(typing.changed))
  on({ 'InsertLeave', 'BufLeave', 'WinLeave' }, where_attached(typing.left))
  on({ 'CursorMoved', 'BufEnter' }, where_attached(typing.moved))
  on('CompleteChanged', where_attached(typing.popup_changed))
  -- The popup is still visible while this event is handled.
  on('CompleteDone', where_attached(vim.schedule_wrap(typing.popup_changed)))
end

local function attached(args)
  local own = vim.lsp.get_client_by_id(args.data.client_id)
  if not own or own.name ~= 'foretype' then
    return
  end
  client.attached(args.buf)
  status.set_connection('running')
  status.look_at(own, args.buf)
  events.send('Attached', { buf = args.buf, client_id = own.id })
end

-- A suggestion of a server that is gone goes, too.
local function detached(args)
  local own = vim.lsp.get_client_by_id(args.data.client_id)
  if own and own.name == 'foretype' then
    typing.left()
    require('foretype.rewrite').detached(args.buf)
    client.detached(args.buf, own)
  end
end

local function follow_buffers()
  on({ 'FileType', 'InsertEnter' }, function(args)
    client.attach(args.buf)
  end)
  on({ 'BufFilePost', 'BufWritePost' }, function(args)
    client.renamed(args.buf)
  end)
  on('LspAttach', attached)
  on('LspDetach', detached)
  on('BufEnter', function(args)
    local own = client.of(args.buf)
    if own then
      status.look_at(own, args.buf)
    end
    status.changed()
  end)
  on('VimLeavePre', client.leave)
end

---Once for each Neovim.
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
  follow_typing()
  follow_buffers()
  keys.apply()
  client.attach_all()
end

return M
