-- The command `:Foretype`.

local M = {}

local scopes = { 'buffer', 'filetype' }

local function say(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.INFO)
end

local function switch(name)
  return function(scope)
    require('foretype')[name](scope)
    say(require('foretype').status().text)
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
  local client = require('foretype.client').of(0)
  if not client then
    return say(require('foretype').status().text)
  end
  local params = { textDocument = vim.lsp.util.make_text_document_params(0) }
  local answer, problem = client:request_sync('foretype/status', params, 3000, 0)
  if not answer or answer.err then
    return say('the server does not answer: ' .. (problem or answer.err.message), vim.log.levels.WARN)
  end
  vim.api.nvim_echo({ { describe(answer.result) } }, false, {})
end

-- Where the daemon writes: beside its socket.
local function daemon_log()
  local run = vim.env.XDG_RUNTIME_DIR
  if run and run ~= '' then
    return run .. '/foretype/daemon.log'
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
    say('nothing has been logged')
  end
end

local function trigger()
  if vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i' then
    return say(':Foretype trigger is for insert mode: map a key there to <Cmd>Foretype trigger<CR>', vim.log.levels.WARN)
  end
  require('foretype').trigger()
end

-- The line numbers that a command was given, if it was.
local function range_of(call)
  return call.range > 0 and { call.line1, call.line2 } or nil
end

-- What follows the subcommand, as it was typed.
local function rest_of(call)
  return call.args:match('^%S+%s+(.*%S)')
end

local function asks(intent)
  return function(_, call)
    require('foretype.conversation').ask({ intent = intent, question = rest_of(call), range = range_of(call), mods = call.smods })
  end
end

local function rewrites(name)
  return function(_, call)
    require('foretype.rewrite')[name]({ words = rest_of(call), range = range_of(call), mods = call.smods })
  end
end

local function stop()
  if not require('foretype.rewrite').stop() then
    require('foretype.conversation').stop()
  end
end

local function converse(name)
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
---@field scoped? string[]  One of these may follow.
---@field free? boolean    Any words may follow.
---@field ranged? boolean  A range may stand before.

---@type table<string, foretype.Subcommand>
local subcommands = {
  enable = { run = switch('enable'), scoped = scopes },
  disable = { run = switch('disable'), scoped = scopes },
  toggle = { run = switch('toggle'), scoped = scopes },
  status = { run = status },
  restart = {
    run = function()
      require('foretype.client').restart()
    end,
  },
  log = { run = log },
  trigger = { run = trigger },
  ask = { run = asks(), free = true, ranged = true },
  explain = { run = asks('explain'), free = true, ranged = true },
  ['find-bugs'] = { run = asks('find-bugs'), free = true, ranged = true },
  ['suggest-tests'] = { run = asks('suggest-tests'), free = true, ranged = true },
  name = { run = asks('name'), free = true, ranged = true },
  simplify = { run = asks('simplify'), free = true, ranged = true },
  ['commit-message'] = { run = asks('commit-message'), free = true },
  docstring = { run = docstring, free = true, ranged = true },
  docstrings = { run = docstrings, free = true, ranged = true },
  ['update-docstrings'] = { run = update_docstrings, free = true, ranged = true },
  edit = { run = rewrites('edit'), free = true, ranged = true },
  generate = { run = rewrites('generate'), free = true, ranged = true },
  translate = { run = rewrites('translate'), free = true, ranged = true },
  ['translate-comments'] = { run = rewrites('comments'), free = true, ranged = true },
  stop = { run = stop },
  regenerate = { run = converse('regenerate') },
  conversations = { run = converse('choose') },
  plugins = {
    run = function()
      require('foretype.plugins').show()
    end,
  },
  ['plugin-folder'] = {
    run = function(whose)
      require('foretype.plugins').open_folder(whose)
    end,
    scoped = { 'user' },
  },
}

---All subcommands, in alphabetical order.
---@return string[]
function M.names()
  return vim.fn.sort(vim.tbl_keys(subcommands))
end

---Subcommands about code, for which there are <Plug> mappings.
---@return string[]
function M.asking()
  return vim.fn.sort(vim.tbl_filter(function(name)
    return subcommands[name].free
  end, vim.tbl_keys(subcommands)))
end

---@param words string[]
---@param call table  As |nvim_create_user_command()| has it.
function M.run(words, call)
  local name, scope = words[1] or 'status', words[2]
  local subcommand = subcommands[name]
  if not subcommand then
    -- One line: Neovim holds a longer one until a key is pressed.
    return say(('there is no :Foretype %s; :Foretype <Tab> lists what there is'):format(name), vim.log.levels.ERROR)
  end
  if call.range > 0 and not subcommand.ranged then
    return say((':Foretype %s takes no range'):format(name), vim.log.levels.ERROR)
  elseif subcommand.free then
    return subcommand.run(nil, call)
  end
  local choices = subcommand.scoped or {}
  if scope and not vim.list_contains(choices, scope) or #words > 2 then
    local after = #choices > 0 and table.concat(choices, ', ') .. ' or nothing' or 'nothing'
    return say((':Foretype %s is followed by %s'):format(name, after), vim.log.levels.ERROR)
  end
  subcommand.run(scope, call)
end

---What may stand at the end of a command line.
---@param line string  Up to the cursor.
---@return string[]
function M.complete(line)
  local words = vim.api.nvim_parse_cmd(line, {}).args
  if line:find('%s$') then
    words[#words + 1] = ''
  end
  local subcommand = subcommands[words[1]]
  local choice = #words == 1 and M.names() or (#words == 2 and subcommand and subcommand.scoped) or {}
  return vim.tbl_filter(function(name)
    return vim.startswith(name, words[#words])
  end, choice)
end

return M
