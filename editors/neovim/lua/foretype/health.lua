-- `:checkhealth foretype`: reports problems and suggests fixes.

local health = vim.health

local M = {}

local function check_neovim()
  health.start('Neovim')
  if vim.fn.has('nvim-0.11') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error('Neovim 0.11 or later is required; this is ' .. tostring(vim.version()))
  end
end

local function check_binary()
  health.start('The program foretype')
  local binary = require('foretype.binary')
  local path, problem = binary.find()
  if not path then
    return health.error(problem, binary.advice)
  end
  local version, run_problem = binary.version(path)
  if version then
    health.ok(('%s is %s'):format(path, version))
  else
    health.error(('%s cannot be run: %s'):format(path, run_problem), binary.advice)
  end
end

local function attached_buffers(client)
  local names = {}
  for buffer in pairs(client.attached_buffers) do
    local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ':~:.')
    names[#names + 1] = name == '' and '[No Name]' or name
  end
  return table.concat(vim.fn.sort(names), ', ')
end

local function check_model(client)
  local answer = client:request_sync('foretype/status', {}, 3000)
  local report = answer and answer.result
  if not report then
    return health.error('the server does not respond', 'Run :Foretype restart')
  end
  health.ok(('server %s, process %d, attached to %s'):format(report.version, report.pid, attached_buffers(client)))
  if report.kind == 'Error' then
    health.error('the model: ' .. report.message, 'Run foretype doctor in a terminal for details')
  elseif report.model then
    health.ok(('the model %s is loaded from %s'):format(report.model.name, report.model.path))
  else
    health.info('the model: ' .. report.message)
  end
end

local function check_server()
  health.start('The server')
  local clients = vim.lsp.get_clients({ name = 'foretype' })
  if #clients == 0 then
    local status = require('foretype').status()
    return health.warn('no server is attached: ' .. status.text, 'Open a file of an enabled filetype')
  end
  vim.iter(clients):each(check_model)
end

local function check_options()
  health.start('Options')
  local config = require('foretype.config')
  health.info(vim.inspect(config.get()))
  -- The report has a buffer of its own, so the attached buffers are checked, too.
  local buffers = { vim.api.nvim_get_current_buf() }
  for _, client in ipairs(vim.lsp.get_clients({ name = 'foretype' })) do
    vim.list_extend(buffers, vim.tbl_keys(client.attached_buffers))
  end
  local conflicts = require('foretype.keys').conflicts(buffers)
  local advice = 'Map <Plug>(foretype-…) to another key, or change the option keys'
  for key, use in vim.spairs(conflicts) do
    health.warn(('%s is mapped to something else: %s'):format(key, use), advice)
  end
  if not next(conflicts) then
    health.ok('no key is mapped to something else')
  end
end

function M.check()
  check_neovim()
  check_binary()
  check_server()
  check_options()
end

return M
