-- The command `:Foretype` and its subcommands.

local M = {}

local scopes = { 'buffer', 'filetype' }

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.INFO)
end

local function set_enabled(name)
  return function(scope)
    require('foretype')[name](scope)
    notify(require('foretype').status().text)
  end
end

local function describe(report)
  local lines = { 'Foretype ' .. report.version .. ', process ' .. report.pid }
  local add = function(name, value)
    if value then
      lines[#lines + 1] = ('%-10s %s'):format(name, value)
    end
  end
  add('state', require('foretype').status().text)
  add('model', report.model and report.model.name)
  add('file', report.model and report.model.path)
  local counts = report.statistics or {}
  add('shown', counts.shown)
  add('accepted', counts.accepted)
  return table.concat(lines, '\n')
end

local function status()
  local client = require('foretype.client').get(0)
  if not client then
    return notify(require('foretype').status().text)
  end
  local params = { textDocument = vim.lsp.util.make_text_document_params(0) }
  local answer, problem = client:request_sync('foretype/status', params, 3000, 0)
  if not answer or answer.err then
    return notify('the server does not respond: ' .. (problem or answer.err.message), vim.log.levels.WARN)
  end
  vim.api.nvim_echo({ { describe(answer.result) } }, false, {})
end

-- Path of the daemon's log, which is in the folder of its socket.
local function daemon_log()
  local runtime_dir = vim.env.XDG_RUNTIME_DIR
  if runtime_dir and runtime_dir ~= '' then
    return runtime_dir .. '/foretype/daemon.log'
  end
  return ('%s/foretype-%d/daemon.log'):format(vim.env.TMPDIR or '/tmp', vim.uv.getuid and vim.uv.getuid() or 0)
end

local function log()
  local files = vim.tbl_filter(vim.uv.fs_stat, { vim.lsp.log.get_filename(), daemon_log() })
  for _, file in ipairs(files) do
    vim.cmd.tabnew(vim.fn.fnameescape(file))
    vim.cmd.normal({ 'G', bang = true })
  end
  if #files == 0 then
    notify('there are no logs')
  end
end

local function trigger()
  if vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i' then
    local text = ':Foretype trigger works only in insert mode: map a key to <Cmd>Foretype trigger<CR>'
    return notify(text, vim.log.levels.WARN)
  end
  require('foretype').trigger()
end

-- First and last line of the command's range; nil without a range.
local function range_of(call)
  return call.range > 0 and { call.line1, call.line2 } or nil
end

-- Text after the subcommand, as typed.
local function text_of(call)
  return call.args:match('^%S+%s+(.*%S)')
end

local function ask(intent)
  return function(_, call)
    require('foretype.conversation').ask({
      intent = intent,
      question = text_of(call),
      range = range_of(call),
      mods = call.smods,
    })
  end
end

local function rewrite(name)
  return function(_, call)
    require('foretype.rewrite')[name]({ text = text_of(call), range = range_of(call), mods = call.smods })
  end
end

local function stop()
  if not require('foretype.rewrite').stop() then
    require('foretype.conversation').stop()
  end
end

local function conversation(name)
  return function()
    require('foretype.conversation')[name]()
  end
end

local function docstring(_, call)
  local docstrings = require('foretype.docstring')
  if require('foretype.config').get().docstring_preview then
    return docstrings.preview(range_of(call), call.fargs[2])
  end
  docstrings.write(call.range > 0 and call.line1 or nil, call.fargs[2])
end

local function docstrings(_, call)
  require('foretype.docstring').all(range_of(call), call.fargs[2])
end

local function update_docstrings(_, call)
  require('foretype.docstring').update(range_of(call), call.fargs[2])
end

---@class foretype.Subcommand
---@field run fun(scope: string?, call: table)
---@field choices? string[]     Optional argument: one of these.
---@field takes_text? boolean   Accepts any text as its argument.
---@field takes_range? boolean  Accepts a range.

---@type table<string, foretype.Subcommand>
local subcommands = {
  enable = { run = set_enabled('enable'), choices = scopes },
  disable = { run = set_enabled('disable'), choices = scopes },
  toggle = { run = set_enabled('toggle'), choices = scopes },
  status = { run = status },
  restart = {
    run = function()
      require('foretype.client').restart()
    end,
  },
  log = { run = log },
  trigger = { run = trigger },
  ask = { run = ask(), takes_text = true, takes_range = true },
  explain = { run = ask('explain'), takes_text = true, takes_range = true },
  ['find-bugs'] = { run = ask('find-bugs'), takes_text = true, takes_range = true },
  ['suggest-tests'] = { run = ask('suggest-tests'), takes_text = true, takes_range = true },
  name = { run = ask('name'), takes_text = true, takes_range = true },
  simplify = { run = ask('simplify'), takes_text = true, takes_range = true },
  ['commit-message'] = { run = ask('commit-message'), takes_text = true },
  docstring = { run = docstring, takes_text = true, takes_range = true },
  docstrings = { run = docstrings, takes_text = true, takes_range = true },
  ['update-docstrings'] = { run = update_docstrings, takes_text = true, takes_range = true },
  edit = { run = rewrite('edit'), takes_text = true, takes_range = true },
  generate = { run = rewrite('generate'), takes_text = true, takes_range = true },
  translate = { run = rewrite('translate'), takes_text = true, takes_range = true },
  ['translate-comments'] = { run = rewrite('translate_comments'), takes_text = true, takes_range = true },
  stop = { run = stop },
  regenerate = { run = conversation('regenerate') },
  conversations = { run = conversation('choose') },
  plugins = {
    run = function()
      require('foretype.plugins').show()
    end,
  },
  ['plugin-folder'] = {
    run = function(owner)
      require('foretype.plugins').open_folder(owner)
    end,
    choices = { 'user' },
  },
}

---All subcommands, in alphabetical order.
---@return string[]
function M.names()
  return vim.fn.sort(vim.tbl_keys(subcommands))
end

---Subcommands about code, each of which has a <Plug> mapping.
---@return string[]
function M.code_subcommands()
  return vim.fn.sort(vim.tbl_filter(function(name)
    return subcommands[name].takes_text
  end, vim.tbl_keys(subcommands)))
end

---Runs a subcommand.
---@param words string[]  Subcommand and arguments.
---@param call table  Argument of the callback of |nvim_create_user_command()|.
function M.run(words, call)
  local name, scope = words[1] or 'status', words[2]
  local subcommand = subcommands[name]
  if not subcommand then
    -- Must fit on one line: after a longer message, Neovim waits for a key.
    return notify(('there is no subcommand %s; :Foretype <Tab> lists them'):format(name), vim.log.levels.ERROR)
  end
  if call.range > 0 and not subcommand.takes_range then
    return notify((':Foretype %s takes no range'):format(name), vim.log.levels.ERROR)
  elseif subcommand.takes_text then
    return subcommand.run(nil, call)
  end
  local choices = subcommand.choices or {}
  if scope and not vim.list_contains(choices, scope) or #words > 2 then
    local accepted = #choices > 0 and 'only ' .. table.concat(choices, ' or ') or 'no arguments'
    return notify((':Foretype %s takes %s'):format(name, accepted), vim.log.levels.ERROR)
  end
  subcommand.run(scope, call)
end

---Completes the last word of a command line.
---@param line string  Text up to the cursor.
---@return string[]
function M.complete(line)
  local words = vim.api.nvim_parse_cmd(line, {}).args
  if line:find('%s$') then
    words[#words + 1] = ''
  end
  local subcommand = subcommands[words[1]]
  local candidates = #words == 1 and M.names() or (#words == 2 and subcommand and subcommand.choices) or {}
  return vim.tbl_filter(function(name)
    return vim.startswith(name, words[#words])
  end, candidates)
end

return M
