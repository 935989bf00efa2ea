-- Configuration of Foretype's language server for `vim.lsp.enable('foretype')`. The plugin starts the same configuration,
-- so that `vim.lsp.config('foretype', ...)` extends both.

local server = require('foretype.server')

---@type vim.lsp.Config
return {
  cmd = server.start,
  root_dir = server.root,
  before_init = server.before_init,
  handlers = server.handlers,
  settings = { foretype = {} },
}
