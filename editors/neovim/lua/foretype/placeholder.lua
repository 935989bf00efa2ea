-- Placeholder client that is attached to a buffer between two servers. If a buffer changes while no client is attached,
-- Neovim stops tracking its text and does not resume for the next client, which would then work on an outdated text.

local M = {}

local name = 'foretype-placeholder'

local function connect(dispatchers)
  local closing = false
  local close = function()
    closing = true
    dispatchers.on_exit(0, 0)
  end
  return {
    request = function(_, _, answer)
      answer(nil, { capabilities = {} })
      return true, 1
    end,
    notify = function(method)
      if method == 'exit' then
        close()
      end
      return true
    end,
    is_closing = function()
      return closing
    end,
    terminate = close,
  }
end

---@param buffer integer
function M.attach(buffer)
  vim.lsp.start({ name = name, cmd = connect }, { bufnr = buffer, silent = true })
end

---@param buffer integer
function M.detach(buffer)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = buffer, name = name })) do
    vim.lsp.buf_detach_client(buffer, client.id)
  end
end

return M
