-- Temporary mappings of a buffer. Its own mappings are restored afterwards.

local M = {}

local function buffer_mapping(key)
  local mapping = vim.fn.maparg(key, 'n', false, true)
  return mapping.buffer == 1 and mapping or nil
end

---Maps keys in normal mode to <Plug> mappings.
---@param buffer integer
---@param keys table<string, string|false>  By name of the action.
---@param actions { name: string, text: string }[]
---@param group string  Prefix of the <Plug> names.
---@return fun() restore  Restores the previous mappings.
function M.map(buffer, keys, actions, group)
  local previous = {}
  vim.api.nvim_buf_call(buffer, function()
    for _, action in ipairs(actions) do
      local key = keys[action.name]
      if key then
        previous[key] = buffer_mapping(key) or false
        local plug = require('foretype.keys').plug(group .. '-' .. action.name)
        vim.keymap.set('n', key, plug, { buffer = buffer, nowait = true, desc = 'Foretype: ' .. action.text })
      end
    end
  end)
  return function()
    if not vim.api.nvim_buf_is_loaded(buffer) then
      return
    end
    vim.api.nvim_buf_call(buffer, function()
      for key, mapping in pairs(previous) do
        pcall(vim.keymap.del, 'n', key, { buffer = buffer })
        if mapping then
          vim.fn.mapset('n', false, mapping)
        end
      end
    end)
  end
end

return M
