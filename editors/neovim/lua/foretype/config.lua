-- Options of the plugin: types, defaults and validation. The table `server` holds options of the daemon, such as the
-- model and the length of suggestions; it is passed on without validation.

local M = {}

---@class foretype.Keys
---Keys in insert mode: each is the left-hand side of a mapping, or false for no mapping.
---@field accept? string|false
---@field accept_word? string|false
---@field accept_line? string|false
---@field next? string|false
---@field prev? string|false
---@field dismiss? string|false
---@field trigger? string|false

---@class foretype.ConversationKeys
---Keys of a conversation in normal mode: each is the left-hand side of a mapping, or false for no mapping.
---@field send? string|false
---@field open? string|false
---@field stop? string|false
---@field regenerate? string|false
---@field edit? string|false
---@field branch? string|false
---@field insert? string|false
---@field yank? string|false

---@class foretype.PreviewKeys
---Keys in normal mode while a change is being written or previewed, or false for no mapping.
---@field accept? string|false
---@field reject? string|false
---@field accept_all? string|false
---@field reject_all? string|false
---@field next? string|false
---@field prev? string|false
---@field another? string|false
---@field stop? string|false

---@class foretype.Options
---@field enabled? boolean                   Enables suggestions when Neovim starts.
---@field filetypes? table<string, boolean>  Enables suggestions by filetype; `*` stands for all that are not named.
---@field trigger? 'automatic'|'manual'      Suggests while you type, or only on request.
---@field debounce_ms? integer               Milliseconds between a key and the request for a suggestion.
---@field docstring_preview? boolean         Previews docstrings before they are written.
---@field hide_with_popup? boolean           Hides suggestions while the completion popup is open.
---@field binary? string                     Path of the program `foretype`; searched for if not set.
---@field keys? foretype.Keys|false          Mappings in insert mode; false for no mappings.
---@field conversation_keys? foretype.ConversationKeys|false  Mappings in conversations.
---@field preview_keys? foretype.PreviewKeys|false  Mappings during a preview.
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
    -- Not <C-c>: while text streams in, Neovim takes it for an interrupt of the code that draws.
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

local keys_validator = {
  function(value)
    return value == false or is_table(value)
  end,
  'a table of keys, or false',
}

-- For each option, a predicate for valid values and their description.
local validators = {
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
  keys = keys_validator,
  conversation_keys = keys_validator,
  preview_keys = keys_validator,
  server = { is_table, 'a table' },
}

local function add_invalid(problems, name, expected, value)
  problems[#problems + 1] = ('%s must be %s, not %s'):format(name, expected, vim.inspect(value))
end

local function check_filetypes(problems, filetypes)
  for name, on in pairs(filetypes) do
    if not is_boolean(on) then
      add_invalid(problems, ('filetypes[%q]'):format(name), 'true or false', on)
    end
  end
end

local function check_keys(problems, option, mapped)
  for name, key in pairs(mapped) do
    if M.defaults[option][name] == nil then
      problems[#problems + 1] = ('there is no option %s.%s'):format(option, name)
    elseif key ~= false and (type(key) ~= 'string' or key == '') then
      add_invalid(problems, option .. '.' .. name, 'a key or false', key)
    end
  end
end

---Validates options and returns one message for each problem.
---@param options any
---@return string[]
function M.check(options)
  if not is_table(options) then
    return { ('the options must be a table, not %s'):format(vim.inspect(options)) }
  end
  local problems = {}
  for name, value in pairs(options) do
    local validator = validators[name]
    if not validator then
      problems[#problems + 1] = ('there is no option %s'):format(name)
    elseif not validator[1](value) then
      add_invalid(problems, name, validator[2], value)
    elseif name == 'filetypes' then
      check_filetypes(problems, value)
    elseif validator == keys_validator and value then
      check_keys(problems, name, value)
    end
  end
  table.sort(problems)
  return problems
end

---Replaces the current options by the defaults with `options` merged in. Throws if an option is invalid, and then
---changes nothing.
---@param options foretype.Options
function M.set(options)
  local problems = M.check(options)
  if #problems > 0 then
    error('Foretype: ' .. table.concat(problems, '; ') .. ' (see :help foretype-options)', 0)
  end
  current = vim.tbl_deep_extend('force', vim.deepcopy(M.defaults), options)
  current.keys = current.keys or {}
  current.conversation_keys = current.conversation_keys or {}
  current.preview_keys = current.preview_keys or {}
end

---Current options.
---@return foretype.Config
function M.get()
  return current
end

return M
