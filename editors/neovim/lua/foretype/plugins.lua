-- The user's and the workspace's plugins: their state and their folders. Errors in plugins are diagnostics, which
-- Neovim shows by itself.

local M = {}

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.INFO)
end

-- Result of `foretype/plugins` for the current buffer. Notifies the user and returns nil if there is none.
local function request_plugins()
  local client = require('foretype.client').get(0) or vim.lsp.get_clients({ name = 'foretype' })[1]
  if not client then
    return notify(require('foretype').status().text, vim.log.levels.WARN)
  end
  local is_file = vim.api.nvim_buf_get_name(0) ~= '' and vim.bo.buftype == ''
  local params = is_file and { textDocument = vim.lsp.util.make_text_document_params(0) } or vim.empty_dict()
  local answer, problem = client:request_sync('foretype/plugins', params, 3000, 0)
  if not answer or answer.err then
    return notify('the server does not respond: ' .. (problem or answer.err.message), vim.log.levels.WARN)
  end
  return answer.result
end

local function describe(report)
  local lines = {}
  for _, plugin in ipairs(report.plugins) do
    lines[#lines + 1] = ('%-20s %s'):format(plugin.name, plugin.words)
    lines[#lines + 1] = ('%-20s %s'):format('', vim.fn.fnamemodify(plugin.path, ':~:.'))
  end
  if #lines == 0 then
    lines = { 'no plugins; `foretype plugin new NAME` creates one' }
  end
  return table.concat(lines, '\n')
end

---Prints the state and the last error of each plugin.
function M.show()
  local report = request_plugins()
  if report then
    vim.api.nvim_echo({ { describe(report) } }, false, {})
  end
end

---Opens the folder of the workspace's or the user's plugins, and creates it if necessary.
---@param owner? 'user'  Without it, the workspace.
function M.open_folder(owner)
  local report = request_plugins()
  if not report then
    return
  end
  local workspace_folder = owner ~= 'user' and report.folder ~= vim.NIL and report.folder
  local folder = workspace_folder or report.userFolder
  if not folder or folder == vim.NIL then
    return notify('there is no plugin folder: set XDG_CONFIG_HOME or HOME', vim.log.levels.WARN)
  end
  vim.fn.mkdir(folder, 'p')
  vim.cmd.edit(vim.fn.fnameescape(folder))
end

return M
