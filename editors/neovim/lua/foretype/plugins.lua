-- The user's and the workspace's plugins: how they are, and the folders where they lie. Their faults are diagnostics, which
-- Neovim shows by itself.

local M = {}

local function say(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.INFO)
end

---What the server says of the plugins for the current buffer, or of its first folder; nil if it does not say.
local function ask()
  local client = require('foretype.client').of(0) or vim.lsp.get_clients({ name = 'foretype' })[1]
  if not client then
    return say(require('foretype').status().text, vim.log.levels.WARN)
  end
  local named = vim.api.nvim_buf_get_name(0) ~= '' and vim.bo.buftype == ''
  local params = named and { textDocument = vim.lsp.util.make_text_document_params(0) } or vim.empty_dict()
  local answer, problem = client:request_sync('foretype/plugins', params, 3000, 0)
  if not answer or answer.err then
    return say('the server does not answer: ' .. (problem or answer.err.message), vim.log.levels.WARN)
  end
  return answer.result
end

local function describe(found)
  local lines = {}
  for _, plugin in ipairs(found.plugins) do
    lines[#lines + 1] = ('%-20s %s'):format(plugin.name, plugin.words)
    lines[#lines + 1] = ('%-20s %s'):format('', vim.fn.fnamemodify(plugin.path, ':~:.'))
  end
  if #lines == 0 then
    lines = { 'no plugins; `foretype plugin new NAME` writes one' }
  end
  return table.concat(lines, '\n')
end

---Prints each plugin with what it has done and its last fault.
function M.show()
  local found = ask()
  if found then
    vim.api.nvim_echo({ { describe(found) } }, false, {})
  end
end

---Opens the folder of the workspace's plugins, or of the user's, and makes it if need be.
---@param whose? 'user'
function M.open_folder(whose)
  local found = ask()
  if not found then
    return
  end
  local of_workspace = whose ~= 'user' and found.folder ~= vim.NIL and found.folder
  local folder = of_workspace or found.userFolder
  if not folder or folder == vim.NIL then
    return say('there is no folder for plugins: neither XDG_CONFIG_HOME nor HOME is set', vim.log.levels.WARN)
  end
  vim.fn.mkdir(folder, 'p')
  vim.cmd.edit(vim.fn.fnameescape(folder))
end

return M
