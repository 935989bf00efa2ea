-- What the language server's configuration is made of: how the process is started, where the workspace's root is, and what
-- is done with the server's own notifications. It works without the rest of the plugin.

local binary = require('foretype.binary')
local config = require('foretype.config')

local M = {}

M.markers = { '.foretype', '.git' }

-- The plugin starts a server that has ended again, and says so when that does not help. Neovim's own word each time that one
-- ends, with a path that fills the screen, would only be in the way.
local function without_a_word(dispatchers)
  return vim.tbl_extend('force', dispatchers, {
    on_exit = function()
      dispatchers.on_exit(0, 0)
    end,
  })
end

---@param dispatchers vim.lsp.rpc.Dispatchers
function M.start(dispatchers)
  local path = binary.find()
  assert(path, 'Foretype: the program foretype is not found')
  local active = require('foretype.typing').active
  return vim.lsp.rpc.start({ path, 'lsp' }, active and without_a_word(dispatchers) or dispatchers)
end

---Where the program is missing, no root is given and so no client is started.
---@param buffer integer
---@param on_root fun(root: string?)
function M.root(buffer, on_root)
  if binary.find_or_tell() then
    on_root(vim.fs.root(buffer, M.markers))
  end
end

---The options for the server: those of setup(), and over them those of `vim.lsp.config('foretype', { settings = ... })`.
---@return table
function M.options()
  local configured = vim.lsp.config.foretype.settings or {}
  return vim.tbl_deep_extend('force', config.get().server, configured.foretype or {})
end

---Read when the server is started, so that setup() may come before or after vim.lsp.config().
function M.before_init(params, client_config)
  -- The client has taken this very table for its own: it is filled, not replaced.
  client_config.settings.foretype = M.options()
  if next(client_config.settings.foretype) then
    params.initializationOptions = client_config.settings.foretype
  end
  -- Neovim's own inline completion would not ask again.
  if require('foretype.typing').active then
    local own = { experimental = { foretype = { more = true } } }
    params.capabilities = vim.tbl_deep_extend('force', params.capabilities, own)
  end
end

M.handlers = {
  ['foretype/status'] = function(_, status, context)
    require('foretype.status').heard(context.client_id, status)
  end,
  ['foretype/more'] = function()
    require('foretype.typing').more()
  end,
  ['$/progress'] = function(problem, params, context)
    if not require('foretype.stream').progress(params) then
      return vim.lsp.handlers['$/progress'](problem, params, context)
    end
  end,
  -- The server says what is wrong each time that it is started, and of options twice: they go with `initialize`, and are
  -- asked for later. Once is enough.
  ['window/showMessage'] = function(_, message)
    local levels = { vim.log.levels.ERROR, vim.log.levels.WARN, vim.log.levels.INFO }
    local text = message.message:gsub('^Foretype: initializationOptions: ', "Foretype: the editor's settings: ")
    vim.notify_once(text, levels[message.type] or vim.log.levels.DEBUG)
    return message
  end,
}

return M
