-- Parts of the language server's configuration: command, workspace root, options and handlers of notifications. It
-- works without the rest of the plugin.

local binary = require('foretype.binary')
local config = require('foretype.config')

local M = {}

M.markers = { '.foretype', '.git' }

-- Hides the exit code of the server from Neovim, which would show a message with a long path each time. The plugin
-- restarts the server, and notifies the user when that does not help.
local function with_silent_exit(dispatchers)
  return vim.tbl_extend('force', dispatchers, {
    on_exit = function()
      dispatchers.on_exit(0, 0)
    end,
  })
end

---Starts the server.
---@param dispatchers vim.lsp.rpc.Dispatchers
function M.start(dispatchers)
  local path = binary.find()
  assert(path, 'Foretype: the program foretype was not found')
  local is_active = require('foretype.typing').active
  return vim.lsp.rpc.start({ path, 'lsp' }, is_active and with_silent_exit(dispatchers) or dispatchers)
end

---Finds the workspace root. If the program is missing, it calls nothing, so that Neovim starts no client.
---@param buffer integer
---@param on_root fun(root: string?)
function M.root(buffer, on_root)
  if binary.find_or_notify() then
    on_root(vim.fs.root(buffer, M.markers))
  end
end

---Options for the server: those of setup(), overridden by those of `vim.lsp.config('foretype', { settings = ... })`.
---@return table
function M.options()
  local configured = vim.lsp.config.foretype.settings or {}
  return vim.tbl_deep_extend('force', config.get().server, configured.foretype or {})
end

---Sets the options when the server is started, so that setup() may be called before or after vim.lsp.config().
function M.before_init(params, client_config)
  -- The client already uses this table, so it is filled in place.
  client_config.settings.foretype = M.options()
  if next(client_config.settings.foretype) then
    params.initializationOptions = client_config.settings.foretype
  end
  -- Only the plugin requests the rest of a partial suggestion; Neovim's own inline completion does not.
  if require('foretype.typing').active then
    local experimental = { experimental = { foretype = { more = true } } }
    params.capabilities = vim.tbl_deep_extend('force', params.capabilities, experimental)
  end
end

M.handlers = {
  ['foretype/status'] = function(_, status, context)
    require('foretype.status').update_server(context.client_id, status)
  end,
  ['foretype/more'] = function()
    require('foretype.typing').on_more()
  end,
  ['$/progress'] = function(problem, params, context)
    if not require('foretype.stream').progress(params) then
      return vim.lsp.handlers['$/progress'](problem, params, context)
    end
  end,
  -- Shows each message once: the server reports problems on every start, and invalid options twice, after `initialize`
  -- and after `workspace/configuration`.
  ['window/showMessage'] = function(_, message)
    local levels = { vim.log.levels.ERROR, vim.log.levels.WARN, vim.log.levels.INFO }
    local text = message.message:gsub('^Foretype: initializationOptions: ', "Foretype: the editor's settings: ")
    vim.notify_once(text, levels[message.type] or vim.log.levels.DEBUG)
    return message
  end,
}

return M
