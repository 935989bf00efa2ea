-- The options of the plugin: their types, their defaults and what is wrong with those given. Options of the daemon itself
-- (the model, how long suggestions are...) are in `server` and go to it unread.

local M = {}

---@class foretype.Keys
---Each is the left side of a mapping in insert mode, or false for none.
---@field accept? string|false
---@field accept_word? string|false
---@field accept_line? string|false
---@field next? string|false
---@field prev? string|false
---@field dismiss? string|false
---@field trigger? string|false

---@class foretype.ConversationKeys
---Each is the left side of a mapping in normal mode in a conversation, or false for none.
---@field send? string|false
---@field open? string|false
---@field stop? string|false
---@field regenerate? string|false
---@field edit? string|false
---@field branch? string|false
---@field insert? string|false
---@field yank? string|false

---@class foretype.PreviewKeys
---Each is the left side of a mapping in normal mode while a change is written or shown, or false for none.
---@field accept? string|false
---@field reject? string|false
---@field accept_all? string|false
---@field reject_all? string|false
---@field next? string|false
---@field prev? string|false
---@field another? string|false
---@field stop? string|false

---@class foretype.Options
---@field enabled? boolean                   Whether suggestions are on when Neovim starts.
---@field filetypes? table<string, boolean>  By filetype; `*` stands for all that are not named.
---@field trigger? 'automatic'|'manual'      While you type, or only when you ask.
---@field debounce_ms? integer               How long it waits after a key before it asks.
---@field docstring_preview? boolean         Docstrings are shown before they are written.
---@field hide_with_popup? boolean           Nothing is shown while the completion popup is.
---@field binary? string                     The program `foretype`, if it is not found by itself.
---@field keys? foretype.Keys|false          Mappings; false for none at all.
---@field conversation_keys? foretype.ConversationKeys|false  Mappings in conversations.
---@field preview_keys? foretype.PreviewKeys|false  Mappings while a change is previewed.
---@field server? table                      Options of the daemon, as in its `config.toml`.

---@class foretype.Config: foretype.Options
---@field keys foretype.Keys
---@field conversation_keys foretype.ConversationKeys
---@field preview_keys foretype.PreviewKeys

---@type foretype.Config
M.defaults = {
  enabled = true,
  filetypes = { ['*'] = true },
  trigger = 'automatic',
  debounce_ms = 15,
  hide_with_popup = true,
  docstring_preview = false,
  binary = nil,
  keys = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-C-Right>',
    next = '<M-]>',
    prev = '<M-[>',
    dismiss = '<C-]>',
    trigger = '<M-Bslash>',
  },
  conversation_keys = {
    send = '<CR>',
    open = 'gf',
    stop = '<C-c>',
    regenerate = 'gR',
    edit = 'gE',
    branch = 'gB',
    insert = 'gp',
    yank = 'gy',
  },
  preview_keys = {
    accept = 'ga',
    reject = 'gx',
    accept_all = 'gA',
    reject_all = 'gX',
    next = ']h',
    prev = '[h',
    another = 'gR',
    -- Not <C-c>: while pieces pour in, Neovim takes it for an interrupt of what draws them.
    stop = 'gs',
  },
  server = {},
}

---@type foretype.Config
local current = vim.deepcopy(M.defaults)

local function is_boolean(value)
  return type(value) == 'boolean'
end

local function is_table(value)
  return type(value) == 'table' and (next(value) == nil or not vim.islist(value))
end

local keys = {
  function(value)
    return value == false or is_table(value)
  end,
  'a table of keys, or false',
}

-- For each option: what it may be, in a test and in words.
local kinds = {
  enabled = { is_boolean, 'true or false' },
  docstring_preview = { is_boolean, 'true or false' },
  hide_with_popup = { is_boolean, 'true or false' },
  filetypes = { is_table, 'a table from filetype to true or false' },
  trigger = {
    function(value)
      return value == 'automatic' or value == 'manual'
    end,
    "'automatic' or 'manual'",
  },
  debounce_ms = {
    function(value)
      return type(value) == 'number' and value % 1 == 0 and value >= 0 and value <= 10000
    end,
    'a whole number from 0 to 10000',
  },
  binary = {
    function(value)
      return type(value) == 'string' and value ~= ''
    end,
    'a path',
  },
  keys = keys,
  conversation_keys = keys,
  preview_keys = keys,
  server = { is_table, 'a table' },
}

local function complain(complaints, name, wanted, value)
  complaints[#complaints + 1] = ('%s must be %s, not %s'):format(name, wanted, vim.inspect(value))
end

local function check_filetypes(complaints, filetypes)
  for name, on in pairs(filetypes) do
    if not is_boolean(on) then
      complain(complaints, ('filetypes[%q]'):format(name), 'true or false', on)
    end
  end
end

local function check_keys(complaints, option, mapped)
  for name, key in pairs(mapped) do
    if M.defaults[option][name] == nil then
      complaints[#complaints + 1] = ('there is no option %s.%s'):format(option, name)
    elseif key ~= false and (type(key) ~= 'string' or key == '') then
      complain(complaints, option .. '.' .. name, 'a key or false', key)
    end
  end
end

---What is wrong with options, a sentence each; empty if nothing is.
---@param options any
---@return string[]
function M.check(options)
  if not is_table(options) then
    return { ('the options must be a table, not %s'):format(vim.inspect(options)) }
  end
  local complaints = {}
  for name, value in pairs(options) do
    local kind = kinds[name]
    if not kind then
      complaints[#complaints + 1] = ('there is no option %s'):format(name)
    elseif not kind[1](value) then
      complain(complaints, name, kind[2], value)
    elseif name == 'filetypes' then
      check_filetypes(complaints, value)
    elseif kind == keys and value then
      check_keys(complaints, name, value)
    end
  end
  table.sort(complaints)
  return complaints
end

---Puts options over the defaults. Throws if one of them is wrong; then nothing changes.
---@param options foretype.Options
function M.set(options)
  local complaints = M.check(options)
  if #complaints > 0 then
    error('Foretype: ' .. table.concat(complaints, '; ') .. ' (see :help foretype-options)', 0)
  end
  current = vim.tbl_deep_extend('force', vim.deepcopy(M.defaults), options)
  current.keys = current.keys or {}
  current.conversation_keys = current.conversation_keys or {}
  current.preview_keys = current.preview_keys or {}
end

---The options that hold now.
---@return foretype.Config
function M.get()
  return current
end

return M
