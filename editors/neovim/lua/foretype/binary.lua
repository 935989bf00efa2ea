-- Finds the program `foretype`: where the option says, then $FORETYPE_BIN, then PATH, then cargo's folder.

local config = require('foretype.config')

local M = {}

-- What the user named is used or reported; it is never silently replaced by another.
local function named(path, source)
  path = vim.fs.normalize(path)
  if vim.fn.executable(path) == 1 then
    return path
  end
  return nil, ('%s names %s, which is not a program'):format(source, path)
end

---The path of the program; or nil, and why there is none.
---@return string?, string?
function M.find()
  local option = config.get().binary
  if option then
    return named(option, 'the option binary')
  end
  local variable = vim.env.FORETYPE_BIN
  if variable and variable ~= '' then
    return named(variable, '$FORETYPE_BIN')
  end
  for _, candidate in ipairs({ 'foretype', '~/.cargo/bin/foretype' }) do
    local path = vim.fn.exepath(vim.fn.expand(candidate))
    if path ~= '' then
      return path
    end
  end
  return nil, 'the program foretype is not found'
end

M.advice = 'Install it (cargo install --path server, in a checkout of Foretype) or set the option binary; then :Foretype restart'

local told

---The path of the program. If there is none, says so, once for each reason.
---@return string?
function M.find_or_tell()
  local path, problem = M.find()
  if not path and problem ~= told then
    -- Short enough for a line: Neovim asks to press Enter after a longer one.
    vim.notify(('Foretype: %s. See :checkhealth foretype'):format(problem), vim.log.levels.WARN)
  end
  told = problem
  return path
end

---The next failure to find it is told again.
function M.tell_again()
  told = nil
end

---What `foretype --version` prints, or nil and what went wrong.
---@param path string
---@return string?, string?
function M.version(path)
  local ran, done = pcall(function()
    return vim.system({ path, '--version' }, { text = true, timeout = 5000 }):wait()
  end)
  if not ran then
    return nil, tostring(done)
  end
  if done.code ~= 0 then
    return nil, vim.trim(done.stderr)
  end
  return vim.trim(done.stdout)
end

return M
