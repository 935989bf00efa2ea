-- Code that a model writes into a buffer: `:Foretype edit`, `generate` and `translate`. What is being written is seen below
-- the lines that it is for; what comes of it is shown as a preview, and a translation in a buffer of its own.

local client_of = require('foretype.client').of
local config = require('foretype.config')
local local_keys = require('foretype.local_keys')
local marks = require('foretype.preview_marks')
local preview = require('foretype.preview')
local selection = require('foretype.selection')
local stream = require('foretype.stream')

local M = {}

---@class foretype.Writing
---@field stream? foretype.Stream
---@field written string
---@field keys fun()  Gives the keys back.

---@type table<integer, foretype.Writing> by buffer
local writings = {}

-- Lines of what is being written that are shown, and bytes that are looked through for them.
local shown = 8
local longest = 4000

local function say(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

local function ended(buffer)
  local writing = writings[buffer]
  writings[buffer] = nil
  marks.clear(buffer)
  if writing then
    writing.keys()
  end
end

local function draw(buffer, row)
  local all = vim.trim(writings[buffer].written)
  local written = all:sub(-longest)
  local lines = vim.split(written, '\n', { plain = true })
  local below = vim.tbl_map(function(line)
    return { line, 'ForetypeSuggestion' }
  end, written == '' and {} or vim.list_slice(lines, math.max(1, #lines - shown + 1)))
  local key = config.get().preview_keys.stop
  local stops = key and key .. ' stops' or ':Foretype stop ends it'
  marks.clear(buffer)
  local last = math.min(row, vim.api.nvim_buf_line_count(buffer))
  marks.draw(buffer, last, last, false, below)
  -- Beside the line, and so on the screen where that is, too: nothing is drawn below the last line of a window.
  local hint = ('▲ writing, %d characters · %s · %s'):format(#all, stops, vim.fn.strcharpart(vim.trim(lines[#lines]), 0, 40))
  marks.remark(buffer, last - 1, hint)
end

local function problem_with(buffer, answer)
  -- The version that the server was told of is the buffer's own count of changes.
  if vim.lsp.util.buf_versions[buffer] ~= answer.version then
    return 'the text was changed meanwhile and is left as it is: ask again'
  end
end

local function arrived(buffer, client, answer, again)
  vim.iter(answer.notes):each(say)
  local problem = problem_with(buffer, answer)
  if problem then
    return say(problem)
  elseif not preview.open(buffer, answer.hunks, client.offset_encoding, again) then
    say('the model would change nothing', vim.log.levels.INFO)
  end
end

-- The client of the current buffer, if something can be written there now.
local function ready()
  local buffer = vim.api.nvim_get_current_buf()
  local client = client_of(buffer)
  if not client then
    return say('there is no server for this buffer: ' .. require('foretype').status().text)
  elseif writings[buffer] then
    return say('the model is still writing; :Foretype stop ends it')
  end
  return client, buffer
end

---Lets the model change the buffer: the result is a preview.
---@param method 'foretype/edit'|'foretype/generate'|'foretype/docstring'|'foretype/translate'
---@param params table
---@param range? integer[]
---@param again? fun()  Asks for another change in place of this one.
function M.preview(method, params, range, again)
  local client, buffer = ready()
  if not client then
    return
  end
  preview.close(buffer)
  local row = range and range[2] or vim.api.nvim_win_get_cursor(0)[1]
  local writing = { written = '' }
  writing.keys = local_keys.map(buffer, config.get().preview_keys, { { name = 'stop', text = 'stop' } }, 'preview')
  writings[buffer] = writing
  draw(buffer, row)
  params = vim.tbl_extend('force', selection.params(client, range), params)
  writing.stream = stream.request(client, method, params, function(text)
    writing.written = writing.written .. text
    draw(buffer, row)
  end, function(problem, answer)
    ended(buffer)
    if problem or not answer then
      return say(problem or 'there is no answer', vim.log.levels.ERROR)
    end
    arrived(buffer, client, answer, again)
  end)
  if not writing.stream then
    M.detached(buffer)
  end
end

-- Words of the command, or else asked for.
local function with_words(words, prompt, work)
  if words then
    return work(words)
  end
  vim.ui.input({ prompt = prompt }, function(typed)
    if typed and vim.trim(typed) ~= '' then
      work(vim.trim(typed))
    end
  end)
end

---Changes the lines of a range, or the function or class at the cursor, as somebody says.
---@param wish { words?: string, range?: integer[] }
function M.edit(wish)
  with_words(wish.words, 'Change: ', function(instruction)
    M.preview('foretype/edit', { instruction = instruction }, wish.range)
  end)
end

---Writes the code for the comment or signature at the first line of a range, or at the cursor.
---@param wish { words?: string, range?: integer[] }
function M.generate(wish)
  if wish.words then
    return say(':Foretype generate is followed by nothing; write a comment, or say :Foretype edit')
  end
  M.preview('foretype/generate', vim.empty_dict(), wish.range and { wish.range[1], wish.range[1] })
end

---Translates a range, or the function or class at the cursor, into a buffer of its own.
---@param wish { words?: string, range?: integer[], mods?: table }
function M.translate(wish)
  with_words(wish.words, 'Translate to: ', function(to)
    local client = ready()
    if client then
      local params = vim.tbl_extend('force', selection.params(client, wish.range), { to = to })
      require('foretype.translation').open(client, params, wish.mods)
    end
  end)
end

---Translates the comments and docstrings of a range, or of the buffer, into a natural language.
---@param wish { words?: string, range?: integer[] }
function M.comments(wish)
  with_words(wish.words, 'Comments in: ', function(to)
    M.preview('foretype/translate', { comments = to }, wish.range or { 1, vim.api.nvim_buf_line_count(0) })
  end)
end

---Stops what is being written in the current buffer.
---@return boolean whether there was anything
function M.stop()
  local buffer = vim.api.nvim_get_current_buf()
  local writing = writings[buffer]
  if not writing then
    return require('foretype.translation').stop(buffer)
  end
  stream.stop(writing.stream)
  ended(buffer)
  say('stopped; the text is as it was', vim.log.levels.INFO)
  return true
end

---The server of a buffer is gone, and with it what it was writing.
---@param buffer integer
function M.detached(buffer)
  if writings[buffer] then
    ended(buffer)
    say('the server is gone: :Foretype restart, and ask again')
  end
end

return M
