-- Code that the model writes into a buffer: `:Foretype edit`, `generate`, `translate` and docstrings. The end of the
-- text appears below the lines that it is for while the model writes; the result is a preview, or a new buffer for a
-- translation.

local config = require('foretype.config')
local get_client = require('foretype.client').get
local local_keys = require('foretype.local_keys')
local marks = require('foretype.preview_marks')
local preview = require('foretype.preview')
local selection = require('foretype.selection')
local stream = require('foretype.stream')

local M = {}

---@class foretype.Rewrite
---@field stream? foretype.Stream
---@field text string           Text that was streamed so far.
---@field restore_keys fun()

---@type table<integer, foretype.Rewrite> running rewrites by buffer
local rewrites = {}

-- Number of lines of the streamed text that are shown, and of bytes at its end in which they are looked for.
local max_shown_lines = 8
local max_shown_bytes = 4000

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

local function finish(buffer)
  local rewrite = rewrites[buffer]
  rewrites[buffer] = nil
  marks.clear(buffer)
  if rewrite then
    rewrite.restore_keys()
  end
end

-- Draws the end of the streamed text and the progress.
local function draw(buffer, row)
  local text = vim.trim(rewrites[buffer].text)
  local shown_text = text:sub(-max_shown_bytes)
  local lines = vim.split(shown_text, '\n', { plain = true })
  local below = vim.tbl_map(function(line)
    return { line, 'ForetypeSuggestion' }
  end, shown_text == '' and {} or vim.list_slice(lines, math.max(1, #lines - max_shown_lines + 1)))
  marks.clear(buffer)
  local last = math.min(row, vim.api.nvim_buf_line_count(buffer))
  marks.draw(buffer, last, last, false, below)
  local key = config.get().preview_keys.stop
  local stop_hint = key and key .. ' stop' or ':Foretype stop'
  local last_line = vim.fn.strcharpart(vim.trim(lines[#lines]), 0, 40)
  -- At the end of the line, because virtual lines below the last line of a window are not visible.
  marks.remark(buffer, last - 1, ('▲ writing, %d characters · %s · %s'):format(#text, stop_hint, last_line))
end

local function show_preview(buffer, client, answer, retry)
  vim.iter(answer.notes):each(notify)
  -- The version that Neovim reports to the server is the change tick of the buffer.
  if vim.lsp.util.buf_versions[buffer] ~= answer.version then
    return notify('the buffer was changed in the meantime and is left as it is: run the command again')
  end
  if not preview.open(buffer, answer.hunks, client.offset_encoding, retry) then
    notify('the model suggests no change', vim.log.levels.INFO)
  end
end

-- The client and number of the current buffer. Notifies the user and returns nil if nothing can be written there now.
local function target()
  local buffer = vim.api.nvim_get_current_buf()
  local client = get_client(buffer)
  if not client then
    return notify('no server is attached to this buffer: ' .. require('foretype').status().text)
  elseif rewrites[buffer] then
    return notify('the model is still writing; :Foretype stop stops it')
  end
  return client, buffer
end

---Requests a change of the current buffer and shows it as a preview.
---@param method 'foretype/edit'|'foretype/generate'|'foretype/docstring'|'foretype/translate'
---@param params table
---@param range? integer[]
---@param retry? fun()  Requests another change instead.
function M.preview(method, params, range, retry)
  local client, buffer = target()
  if not client then
    return
  end
  preview.close(buffer)
  local row = range and range[2] or vim.api.nvim_win_get_cursor(0)[1]
  local stop_action = { name = 'stop', text = 'stop the model' }
  local rewrite = { text = '' }
  rewrite.restore_keys = local_keys.map(buffer, config.get().preview_keys, { stop_action }, 'preview')
  rewrites[buffer] = rewrite
  draw(buffer, row)
  params = vim.tbl_extend('force', selection.params(client, range), params)
  rewrite.stream = stream.request(client, method, params, function(text)
    rewrite.text = rewrite.text .. text
    draw(buffer, row)
  end, function(problem, answer)
    finish(buffer)
    if problem or not answer then
      return notify(problem or 'the server sent no answer', vim.log.levels.ERROR)
    end
    show_preview(buffer, client, answer, retry)
  end)
  if not rewrite.stream then
    M.on_detach(buffer)
  end
end

-- Calls `use` with the text of the command, or with text that the user is prompted for.
local function with_text(text, prompt, use)
  if text then
    return use(text)
  end
  vim.ui.input({ prompt = prompt }, function(typed)
    if typed and vim.trim(typed) ~= '' then
      use(vim.trim(typed))
    end
  end)
end

---@class foretype.RewriteCommand
---@field text? string      Argument of the command.
---@field range? integer[]  First and last line, counted from 1.
---@field mods? table       Modifiers of the command, which place the window of a translation.

---Changes the lines of a range, or the function or class at the cursor, as instructed.
---@param command foretype.RewriteCommand
function M.edit(command)
  with_text(command.text, 'Change: ', function(instruction)
    M.preview('foretype/edit', { instruction = instruction }, command.range)
  end)
end

---Writes the code for the comment or signature at the first line of a range, or at the cursor.
---@param command foretype.RewriteCommand
function M.generate(command)
  if command.text then
    return notify(':Foretype generate takes no arguments; write a comment, or use :Foretype edit')
  end
  M.preview('foretype/generate', vim.empty_dict(), command.range and { command.range[1], command.range[1] })
end

---Translates a range, or the function or class at the cursor, into a new buffer.
---@param command foretype.RewriteCommand
function M.translate(command)
  with_text(command.text, 'Translate to: ', function(language)
    local client = target()
    if client then
      local params = vim.tbl_extend('force', selection.params(client, command.range), { to = language })
      require('foretype.translation').open(client, params, command.mods)
    end
  end)
end

---Translates the comments and docstrings of a range, or of the buffer, into a natural language.
---@param command foretype.RewriteCommand
function M.translate_comments(command)
  with_text(command.text, 'Translate comments to: ', function(language)
    local range = command.range or { 1, vim.api.nvim_buf_line_count(0) }
    M.preview('foretype/translate', { comments = language }, range)
  end)
end

---Stops the model in the current buffer.
---@return boolean stopped false if it was not writing
function M.stop()
  local buffer = vim.api.nvim_get_current_buf()
  local rewrite = rewrites[buffer]
  if not rewrite then
    return require('foretype.translation').stop(buffer)
  end
  stream.stop(rewrite.stream)
  finish(buffer)
  notify('stopped; the buffer is unchanged', vim.log.levels.INFO)
  return true
end

---Ends the rewrite of a buffer whose server is gone.
---@param buffer integer
function M.on_detach(buffer)
  if rewrites[buffer] then
    finish(buffer)
    notify('the server is not running: run :Foretype restart and try again')
  end
end

return M
