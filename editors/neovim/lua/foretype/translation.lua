-- Translation of code into a new scratch buffer, which the user may save under a name.

local stream = require('foretype.stream')

local M = {}

---@type table<integer, foretype.Stream> by buffer
local streams = {}
local count = 0
-- Filetypes that differ from the language id of the protocol.
local filetypes = { csharp = 'cs', shellscript = 'sh' }

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

local function open_window(buffer, mods)
  local has_placement = mods and (mods.tab >= 0 or mods.vertical or mods.horizontal or mods.split ~= '')
  vim.cmd.split({ mods = has_placement and mods or { vertical = vim.o.columns >= 140, split = 'belowright' } })
  vim.api.nvim_win_set_buf(0, buffer)
end

local function set_text(buffer, text)
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, vim.split(text, '\n', { plain = true }))
  vim.bo[buffer].modifiable = false
end

local function finish(buffer)
  streams[buffer] = nil
  vim.bo[buffer].modifiable = true
end

local function new_buffer()
  count = count + 1
  local buffer = vim.api.nvim_create_buf(true, true)
  vim.api.nvim_buf_set_name(buffer, 'foretype://translation/' .. count)
  vim.bo[buffer].modifiable = false
  local key = require('foretype.config').get().preview_keys.stop
  if key then
    vim.keymap.set('n', key, function()
      return M.stop(buffer)
    end, { buffer = buffer, desc = 'Foretype: stop the model' })
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

local function show_result(buffer, answer)
  set_text(buffer, (answer.text:gsub('\n$', '')))
  finish(buffer)
  vim.bo[buffer].filetype = filetypes[answer.languageId] or answer.languageId
  vim.iter(answer.notes):each(notify)
end

---Opens a buffer and streams a translation into it.
---@param client vim.lsp.Client
---@param params table  Parameters of `foretype/translate`.
---@param mods? table  Modifiers of the command, which place the window.
function M.open(client, params, mods)
  local buffer, streamed = new_buffer(), ''
  open_window(buffer, mods)
  vim.bo[buffer].filetype = vim.filetype.match({ filename = 'x.' .. params.to }) or ''
  streams[buffer] = stream.request(client, 'foretype/translate', params, function(text)
    streamed = streamed .. text
    set_text(buffer, streamed)
  end, function(problem, answer)
    if not problem and answer then
      return show_result(buffer, answer)
    end
    streams[buffer] = nil
    vim.api.nvim_buf_delete(buffer, { force = true })
    notify(problem or 'the server sent no answer', vim.log.levels.ERROR)
  end)
end

---Stops the translation into a buffer. The text that was streamed so far stays.
---@param buffer integer
---@return boolean stopped false if there is no translation running
function M.stop(buffer)
  if not streams[buffer] then
    return false
  end
  stream.stop(streams[buffer])
  finish(buffer)
  notify('stopped', vim.log.levels.INFO)
  return true
end

return M
