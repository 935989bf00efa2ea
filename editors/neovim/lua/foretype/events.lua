-- User autocommand events of the plugin.

local M = {}

---@alias foretype.Event 'Attached'|'Shown'|'Accepted'|'Dismissed'|'Status'

---@param name foretype.Event
---@param data table
function M.send(name, data)
  vim.api.nvim_exec_autocmds('User', { pattern = 'Foretype' .. name, data = data, modeline = false })
end

return M
