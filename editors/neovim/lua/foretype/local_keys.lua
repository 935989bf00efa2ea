-- Mappings of one buffer that are there for a while. Those that the buffer had before come back.

local M = {}

local function own_mapping(key)
  local mapping = vim.fn.maparg(key, 'n', false, true)
  return mapping.buffer == 1 and mapping or nil
end

---Maps keys in normal mode to <Plug> mappings.
---@param buffer integer
---@param keys table<string, string|false>  By the names of actions.
---@param actions { name: string, text: string }[]
---@param group string  What the actions belong to.
---@return fun()  Gives the keys back.
function M.map(buffer, keys, actions, group)
  local before = {}
  vim.api.nvim_buf_call(buffer, function()
    for _, action in ipairs(actions) do
      local key = keys[action.name]
      if key then
        before[key] = own_mapping(key) or false
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
      for key, mapping in pairs(before) do
        pcall(vim.keymap.del, 'n', key, { buffer = buffer })
        if mapping then
          vim.fn.mapset('n', false, mapping)
        end
      end
    end)
  end
end

return M
