-- Stands in for the server while it is away. When a buffer changes to which no client is attached, Neovim stops following its
-- text and does not begin again with the next client, which would then suggest for an old text for good. So between two
-- servers there is a client that knows nothing.

local M = {}

local name = 'foretype-away'

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
function M.hold(buffer)
  vim.lsp.start({ name = name, cmd = connect }, { bufnr = buffer, silent = true })
end

---@param buffer integer
function M.release(buffer)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = buffer, name = name })) do
    vim.lsp.buf_detach_client(buffer, client.id)
  end
end

return M
