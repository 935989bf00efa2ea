-- The mappings. A key that has nothing to do falls through to the mapping that it had before, Neovim's own included.

local config = require('foretype.config')
local suggestion = require('foretype.suggestion')

local M = {}

-- In the order of the manual. Those with `always` do something without a suggestion, too.
M.actions = {
  { name = 'accept', text = 'take the suggestion' },
  { name = 'accept_word', text = 'take the next word of the suggestion' },
  { name = 'accept_line', text = 'take the next line of the suggestion' },
  { name = 'next', text = 'next suggestion', always = true },
  { name = 'prev', text = 'previous suggestion', always = true },
  { name = 'dismiss', text = 'dismiss the suggestion' },
  { name = 'trigger', text = 'suggest now', always = true },
}

---@type table<string, string> the key that each action has now
local mapped = {}

function M.plug(name)
  return ('<Plug>(foretype-%s)'):format(name:gsub('_', '-'))
end

local function before(name)
  return ('<Plug>(foretype-before-%s)'):format(name:gsub('_', '-'))
end

---Makes the <Plug> mappings.
function M.define_plugs()
  for _, action in ipairs(M.actions) do
    local command = ("<Cmd>lua require('foretype').%s()<CR>"):format(action.name)
    vim.keymap.set('i', M.plug(action.name), command, { desc = 'Foretype: ' .. action.text, silent = true })
  end
end

-- Keeps the mapping that a key has under another name, in all its parts: script, callback, expression.
local function keep_before(name, key)
  local mapping = vim.fn.maparg(key, 'i', false, true)
  if vim.tbl_isempty(mapping) or mapping.buffer == 1 then
    vim.keymap.set('i', before(name), key, { silent = true })
    return
  end
  mapping.lhs = before(name)
  mapping.lhsraw = vim.keycode(mapping.lhs)
  mapping.lhsrawalt = nil
  vim.fn.mapset('i', false, mapping)
end

local function map(action, key)
  keep_before(action.name, key)
  local has_work = function()
    return suggestion.visible() or (action.always and vim.bo.buftype == '' and require('foretype.enabled').buffer(0))
  end
  vim.keymap.set('i', key, function()
    return has_work() and M.plug(action.name) or before(action.name)
  end, { expr = true, remap = true, silent = true, replace_keycodes = true, desc = 'Foretype: ' .. action.text })
  mapped[action.name] = key
end

local function is_ours(key)
  local mapping = vim.fn.maparg(key, 'i', false, true)
  return vim.startswith(mapping.desc or '', 'Foretype: '), mapping
end

local function restore(name, key)
  if not is_ours(key) then
    return
  end
  vim.keymap.del('i', key)
  local mapping = vim.fn.maparg(before(name), 'i', false, true)
  local bare = mapping.noremap == 1 and vim.keycode(mapping.rhs or '') == vim.keycode(key)
  if not bare then
    mapping.lhs, mapping.lhsraw, mapping.lhsrawalt = key, vim.keycode(key), nil
    vim.fn.mapset('i', false, mapping)
  end
end

---Maps the keys of the options, after taking back those mapped before.
function M.apply()
  for name, key in pairs(mapped) do
    restore(name, key)
  end
  mapped = {}
  for _, action in ipairs(M.actions) do
    local key = config.get().keys[action.name]
    if key then
      map(action, key)
    end
  end
end

---Keys that something else has taken in the current buffer, each with what it does there.
---@return table<string, string>
function M.conflicts()
  local found = {}
  for _, key in pairs(mapped) do
    local ours, mapping = is_ours(key)
    if not ours then
      found[key] = mapping.desc or mapping.rhs or 'a Lua function'
    end
  end
  return found
end

return M
