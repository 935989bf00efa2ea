-- Whether a buffer gets suggestions: what the user has switched on and off. What the server refuses is in status.lua.

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

---Whether a buffer gets suggestions; if not, what for it is off.
---@param buffer integer
---@return boolean, string?
function M.buffer(buffer)
  if not M.everywhere() then
    return false, 'everywhere'
  end
  local own = vim.b[buffer].foretype_enabled
  if own ~= nil then
    local on = own ~= false and own ~= 0
    return on, not on and 'this buffer' or nil
  end
  local filetype = vim.bo[buffer].filetype
  local on = M.filetype(filetype)
  return on, not on and 'filetype ' .. filetype or nil
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
