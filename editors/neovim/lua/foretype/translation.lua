-- A translation: written into a buffer of its own, which belongs to nothing and is saved under a name of the user's.

local stream = require('foretype.stream')

local M = {}

---@type table<integer, foretype.Stream> by buffer
local streams = {}
local number = 0
-- Where Neovim's name of a language is another one than the protocol's.
local filetypes = { csharp = 'cs', shellscript = 'sh' }

local function say(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

local function window(buffer, mods)
  local placed = mods and (mods.tab >= 0 or mods.vertical or mods.horizontal or mods.split ~= '')
  vim.cmd.split({ mods = placed and mods or { vertical = vim.o.columns >= 140, split = 'belowright' } })
  vim.api.nvim_win_set_buf(0, buffer)
end

local function set(buffer, text)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(text, '\n', { plain = true }))
  vim.bo[buffer].modifiable = false
end

local function ended(buffer)
  streams[buffer] = nil
  vim.bo[buffer].modifiable = true
end

local function new()
  number = number + 1
  local buffer = vim.api.nvim_create_buf(true, true)
  vim.api.nvim_buf_set_name(buffer, 'foretype://translation/' .. number)
  vim.bo[buffer].modifiable = false
  local key = require('foretype.config').get().preview_keys.stop
  if key then
    vim.keymap.set('n', key, function()
      return M.stop(buffer)
    end, { buffer = buffer, desc = 'Foretype: stop' })
  end
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = buffer,
    callback = function()
      if streams[buffer] then
        stream.stop(streams[buffer])
        streams[buffer] = nil
      end
    end,
  })
  return buffer
end

local function whole(buffer, answer)
  set(buffer, (answer.text:gsub('\n$', '')))
  ended(buffer)
  vim.bo[buffer].filetype = filetypes[answer.languageId] or answer.languageId
  vim.iter(answer.notes):each(say)
end

---@param client vim.lsp.Client
---@param params table
---@param mods? table  Of the command: where the window opens.
function M.open(client, params, mods)
  local buffer, written = new(), ''
  window(buffer, mods)
  vim.bo[buffer].filetype = vim.filetype.match({ filename = 'x.' .. params.to }) or ''
  streams[buffer] = stream.request(client, 'foretype/translate', params, function(text)
    written = written .. text
    set(buffer, written)
  end, function(problem, answer)
    if not problem and answer then
      return whole(buffer, answer)
    end
    streams[buffer] = nil
    vim.api.nvim_buf_delete(buffer, { force = true })
    say(problem or 'there is no answer', vim.log.levels.ERROR)
  end)
end

---Stops what is being written into a buffer; what there is of it stays.
---@param buffer integer
---@return boolean whether there was anything
function M.stop(buffer)
  if not streams[buffer] then
    return false
  end
  stream.stop(streams[buffer])
  ended(buffer)
  say('stopped', vim.log.levels.INFO)
  return true
end

return M
