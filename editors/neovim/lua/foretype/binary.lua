-- Finds the program `foretype`: the option `binary`, $FORETYPE_BIN, $PATH and cargo's folder, in this order.

local config = require('foretype.config')

local M = {}

-- A path that the user configured is used or reported, never silently replaced by another one.
local function configured(path, source)
  path = vim.fs.normalize(path)
  if vim.fn.executable(path) == 1 then
    return path
  end
  return nil, ('%s names %s, which is not executable'):format(source, path)
end

---Path of the program.
---@return string? path
---@return string? problem  The reason why there is no path.
function M.find()
  local option = config.get().binary
  if option then
    return configured(option, 'the option binary')
  end
  local variable = vim.env.FORETYPE_BIN
  if variable and variable ~= '' then
    return configured(variable, '$FORETYPE_BIN')
  end
  for _, candidate in ipairs({ 'foretype', '~/.cargo/bin/foretype' }) do
    local path = vim.fn.exepath(vim.fn.expand(candidate))
    if path ~= '' then
      return path
    end
  end
  return nil, 'the program foretype was not found'
end

M.advice = 'Install it (cargo install --path server in a checkout of Foretype) or set the option binary, '
  .. 'then run :Foretype restart'

---@type string?
local notified_problem

---Path of the program. If there is none, notifies the user, once for each reason.
---@return string?
function M.find_or_notify()
  local path, problem = M.find()
  if not path and problem ~= notified_problem then
    -- Must fit on one line: after a longer message, Neovim waits for Enter.
    vim.notify(('Foretype: %s. See :checkhealth foretype'):format(problem), vim.log.levels.WARN)
  end
  notified_problem = problem
  return path
end

---Lets the next failure notify the user again, even for the same reason.
function M.reset_notification()
  notified_problem = nil
end

---Output of `foretype --version`.
---@param path string
---@return string? version
---@return string? problem
function M.version(path)
  local ran, result = pcall(function()
    return vim.system({ path, '--version' }, { text = true, timeout = 5000 }):wait()
  end)
  if not ran then
    return nil, tostring(result)
  end
  if result.code ~= 0 then
    return nil, vim.trim(result.stderr)
  end
  return vim.trim(result.stdout)
end

return M
