-- Key mappings. A key that has nothing to do falls through to its previous mapping, Neovim's own mappings included.

local config = require('foretype.config')
local suggestion = require('foretype.suggestion')

local M = {}

-- In insert mode, in the order of the manual. Actions with `without_suggestion` also do something if there is none.
M.actions = {
  { name = 'accept', text = 'accept the suggestion' },
  { name = 'accept_word', text = 'accept the next word of the suggestion' },
  { name = 'accept_line', text = 'accept the next line of the suggestion' },
  { name = 'next', text = 'show the next alternative', without_suggestion = true },
  { name = 'prev', text = 'show the previous alternative', without_suggestion = true },
  { name = 'dismiss', text = 'dismiss the suggestion' },
  { name = 'trigger', text = 'suggest now', without_suggestion = true },
}

-- In a conversation, in normal mode.
M.conversation_actions = {
  { name = 'send', text = 'send the question, or jump to the citation under the cursor' },
  { name = 'open', text = 'jump to the citation under the cursor' },
  { name = 'stop', text = 'stop the answer' },
  { name = 'regenerate', text = 'replace the last answer by another one' },
  { name = 'edit', text = 'edit the question' },
  { name = 'branch', text = 'continue from here in a copy' },
  { name = 'insert', text = 'insert the code block' },
  { name = 'yank', text = 'yank the code block' },
}

-- During a preview, in normal mode. The hints appear below each hunk.
M.preview_actions = {
  { name = 'accept', hint = 'accept', text = 'accept the hunk' },
  { name = 'reject', hint = 'reject', text = 'reject the hunk' },
  { name = 'accept_all', hint = 'accept all', text = 'accept all remaining hunks' },
  { name = 'reject_all', hint = 'reject all', text = 'reject all remaining hunks' },
  { name = 'next', hint = 'next', text = 'go to the next hunk' },
  { name = 'prev', hint = 'previous', text = 'go to the previous hunk' },
  { name = 'another', hint = 'another', text = 'generate another change' },
}

---@type table<string, string> keys that are mapped now, by name of the action
local mapped = {}

---Name of the <Plug> mapping for an action.
---@param name string
---@return string
function M.plug(name)
  return ('<Plug>(foretype-%s)'):format(name:gsub('_', '-'))
end

-- Name of the mapping that stores a key's previous mapping.
local function previous_plug(name)
  return ('<Plug>(foretype-before-%s)'):format(name:gsub('_', '-'))
end

local function define_plug(mode, name, command, text)
  vim.keymap.set(mode, M.plug(name), command, { desc = 'Foretype: ' .. text, silent = true })
end

-- <Plug> mappings of the subcommands about code: for the item at the cursor, and in visual mode for the selection.
local function define_subcommand_plugs()
  for _, name in ipairs(require('foretype.command').code_subcommands()) do
    local command = (':Foretype %s<CR>'):format(name)
    define_plug({ 'n', 'x' }, name, command, name)
  end
end

---Defines the <Plug> mappings.
function M.define_plugs()
  for _, action in ipairs(M.actions) do
    local command = ("<Cmd>lua require('foretype').%s()<CR>"):format(action.name)
    define_plug('i', action.name, command, action.text)
  end
  for _, action in ipairs(M.conversation_actions) do
    local command = ("<Cmd>lua require('foretype.conversation').%s()<CR>"):format(action.name)
    define_plug('n', 'conversation-' .. action.name, command, action.text)
  end
  for _, action in ipairs(M.preview_actions) do
    local command = ("<Cmd>lua require('foretype.preview').%s()<CR>"):format(action.name)
    define_plug('n', 'preview-' .. action.name, command, action.text)
  end
  define_plug('n', 'preview-stop', '<Cmd>Foretype stop<CR>', 'stop the model')
  define_subcommand_plugs()
end

---Maps the keys of a conversation in its buffer.
---@param buffer integer
function M.map_conversation(buffer)
  for _, action in ipairs(M.conversation_actions) do
    local key = config.get().conversation_keys[action.name]
    if key then
      local plug = M.plug('conversation-' .. action.name)
      vim.keymap.set('n', key, plug, { buffer = buffer, desc = 'Foretype: ' .. action.text })
    end
  end
end

-- The global mapping of a key; the current buffer may have its own.
local function global_mapping(key)
  local raw = vim.keycode(key)
  return vim.iter(vim.api.nvim_get_keymap('i')):find(function(mapping)
    return mapping.lhsraw == raw or mapping.lhsrawalt == raw
  end)
end

-- Stores the current mapping of a key, with its callback, expression and script context, under another name.
local function save_mapping(name, key)
  local mapping = global_mapping(key)
  if not mapping then
    vim.keymap.set('i', previous_plug(name), key, { silent = true })
    return
  end
  mapping.lhs = previous_plug(name)
  mapping.lhsraw = vim.keycode(mapping.lhs)
  mapping.lhsrawalt = nil
  vim.fn.mapset('i', false, mapping)
end

local function map(action, key)
  save_mapping(action.name, key)
  local does_something = function()
    local may_suggest = vim.bo.buftype == '' and require('foretype.enabled').buffer(0)
    return suggestion.visible() or (action.without_suggestion and may_suggest)
  end
  vim.keymap.set('i', key, function()
    return does_something() and M.plug(action.name) or previous_plug(action.name)
  end, { expr = true, remap = true, silent = true, replace_keycodes = true, desc = 'Foretype: ' .. action.text })
  mapped[action.name] = key
end

local function is_ours(mapping)
  return vim.startswith(mapping.desc or '', 'Foretype: ')
end

local function restore(name, key)
  if not is_ours(global_mapping(key) or {}) then
    return
  end
  vim.keymap.del('i', key)
  local mapping = global_mapping(previous_plug(name))
  local is_bare_key = mapping.noremap == 1 and vim.keycode(mapping.rhs or '') == vim.keycode(key)
  if not is_bare_key then
    mapping.lhs, mapping.lhsraw, mapping.lhsrawalt = key, vim.keycode(key), nil
    vim.fn.mapset('i', false, mapping)
  end
end

---Maps the keys of the current options, after it has restored those that were mapped before.
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

---Keys of the options that have another mapping in one of these buffers.
---@param buffers integer[]
---@return table<string, string>  Descriptions of the other mappings, by key.
function M.conflicts(buffers)
  local found = {}
  local collect = function()
    for _, key in pairs(mapped) do
      local mapping = vim.fn.maparg(key, 'i', false, true)
      if not is_ours(mapping) then
        found[key] = mapping.desc or mapping.rhs or 'a Lua function'
      end
    end
  end
  for _, buffer in ipairs(buffers) do
    vim.api.nvim_buf_call(buffer, collect)
  end
  return found
end

return M
