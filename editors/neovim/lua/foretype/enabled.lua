-- The user's switches that enable suggestions: everywhere, by filetype, by buffer. Buffers that the server excludes are
-- in status.lua.

local config = require('foretype.config')

local M = {}

---@type boolean?
local everywhere
---@type table<string, boolean>
local by_filetype = {}

---@return boolean
function M.everywhere()
  if everywhere == nil then
    return config.get().enabled
  end
  return everywhere
end

---@param filetype string
---@return boolean
function M.filetype(filetype)
  local filetypes = vim.tbl_extend('force', config.get().filetypes, by_filetype)
  local on = filetypes[filetype]
  if on == nil then
    on = filetypes['*']
  end
  return on ~= false
end

---Returns true if suggestions are enabled in a buffer.
---@param buffer integer
---@return boolean enabled
---@return string? scope  The scope in which they are disabled, as a phrase.
function M.buffer(buffer)
  if not M.everywhere() then
    return false, 'everywhere'
  end
  local buffer_switch = vim.b[buffer].foretype_enabled
  if buffer_switch ~= nil then
    local on = buffer_switch ~= false and buffer_switch ~= 0
    return on, not on and 'in this buffer' or nil
  end
  local filetype = vim.bo[buffer].filetype
  local on = M.filetype(filetype)
  return on, not on and 'for filetype ' .. filetype or nil
end

---@param on boolean
function M.set_everywhere(on)
  everywhere = on
end

---@param buffer integer
---@param on boolean
function M.set_buffer(buffer, on)
  vim.b[buffer].foretype_enabled = on
end

---@param filetype string
---@param on boolean
function M.set_filetype(filetype, on)
  by_filetype[filetype] = on
end

return M
