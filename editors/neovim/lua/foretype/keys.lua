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

-- In a conversation.
M.conversation_actions = {
  { name = 'send', text = 'ask, or go to the place under the cursor' },
  { name = 'open', text = 'go to the place under the cursor' },
  { name = 'stop', text = 'stop the answer' },
  { name = 'regenerate', text = 'another answer' },
  { name = 'edit', text = 'edit the question' },
  { name = 'branch', text = 'go on in a copy from here' },
  { name = 'insert', text = 'insert the block of code' },
  { name = 'yank', text = 'yank the block of code' },
}

-- While a change is written or shown; `hint` stands below each piece.
M.preview_actions = {
  { name = 'accept', hint = 'accept', text = 'accept this piece of the change' },
  { name = 'reject', hint = 'reject', text = 'reject this piece of the change' },
  { name = 'accept_all', hint = 'accept all', text = 'accept the change' },
  { name = 'reject_all', hint = 'reject all', text = 'reject the change' },
  { name = 'next', hint = 'next', text = 'next piece of the change' },
  { name = 'prev', hint = 'previous', text = 'previous piece of the change' },
  { name = 'another', hint = 'another', text = 'another change' },
}

---@type table<string, string> the key that each action has now
local mapped = {}

function M.plug(name)
  return ('<Plug>(foretype-%s)'):format(name:gsub('_', '-'))
end

local function before(name)
  return ('<Plug>(foretype-before-%s)'):format(name:gsub('_', '-'))
end

-- Asks about the line of the cursor, or in visual mode about the selection.
local function define_asking_plugs()
  for _, name in ipairs(require('foretype.command').asking()) do
    vim.keymap.set({ 'n', 'x' }, M.plug(name), (':Foretype %s<CR>'):format(name), { desc = 'Foretype: ' .. name, silent = true })
  end
end

---Makes the <Plug> mappings.
function M.define_plugs()
  for _, action in ipairs(M.actions) do
    local command = ("<Cmd>lua require('foretype').%s()<CR>"):format(action.name)
    vim.keymap.set('i', M.plug(action.name), command, { desc = 'Foretype: ' .. action.text, silent = true })
  end
  for _, action in ipairs(M.conversation_actions) do
    local command = ("<Cmd>lua require('foretype.conversation').%s()<CR>"):format(action.name)
    vim.keymap.set('n', M.plug('conversation-' .. action.name), command, { desc = 'Foretype: ' .. action.text, silent = true })
  end
  for _, action in ipairs(M.preview_actions) do
    local command = ("<Cmd>lua require('foretype.preview').%s()<CR>"):format(action.name)
    vim.keymap.set('n', M.plug('preview-' .. action.name), command, { desc = 'Foretype: ' .. action.text, silent = true })
  end
  vim.keymap.set('n', M.plug('preview-stop'), '<Cmd>Foretype stop<CR>', { desc = 'Foretype: stop', silent = true })
  define_asking_plugs()
end

---Maps the keys of a conversation in its buffer.
---@param buffer integer
function M.map_conversation(buffer)
  for _, action in ipairs(M.conversation_actions) do
    local key = config.get().conversation_keys[action.name]
    if key then
      vim.keymap.set('n', key, M.plug('conversation-' .. action.name), { buffer = buffer, desc = 'Foretype: ' .. action.text })
    end
  end
end

-- The mapping of a key for all buffers; the current one may have its own.
local function mapping_of(key)
  local raw = vim.keycode(key)
  return vim.iter(vim.api.nvim_get_keymap('i')):find(function(mapping)
    return mapping.lhsraw == raw or mapping.lhsrawalt == raw
  end)
end

-- Keeps the mapping that a key has under another name, in all its parts: script, callback, expression.
local function keep_before(name, key)
  local mapping = mapping_of(key)
  if not mapping then
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

local function is_ours(mapping)
  return vim.startswith(mapping.desc or '', 'Foretype: ')
end

local function restore(name, key)
  if not is_ours(mapping_of(key) or {}) then
    return
  end
  vim.keymap.del('i', key)
  local mapping = mapping_of(before(name))
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

---Keys that something else has taken in one of these buffers, each with what it does there.
---@param buffers integer[]
---@return table<string, string>
function M.conflicts(buffers)
  local found = {}
  local look = function()
    for _, key in pairs(mapped) do
      local mapping = vim.fn.maparg(key, 'i', false, true)
      if not is_ours(mapping) then
        found[key] = mapping.desc or mapping.rhs or 'a Lua function'
      end
    end
  end
  for _, buffer in ipairs(buffers) do
    vim.api.nvim_buf_call(buffer, look)
  end
  return found
end

return M
