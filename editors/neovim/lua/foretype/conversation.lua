-- Conversations: a question about code is asked, its answer streams into a transcript, and questions follow. What the user
-- does in a transcript comes here, by keys or by `:Foretype`.

local citations = require('foretype.citations')
local client_of = require('foretype.client').of
local config = require('foretype.config')
local selection = require('foretype.selection')
local stream = require('foretype.stream')
local transcript = require('foretype.transcript')
local window = require('foretype.conversation_window')

local M = {}

---@class foretype.Conversation
---@field transcript foretype.Transcript
---@field client vim.lsp.Client
---@field about? table          Document and range, for a question that begins the conversation.
---@field number? integer       By which the server knows it.
---@field asking? foretype.Stream
---@field last? table           The question that was asked last, in the protocol's words.
---@field turns table<integer, integer>  Of questions whose answers the server keeps: how many it has up to there.
---@field next table            Where the next question goes: in the protocol's words, `at` and `branch`.
---@field kept boolean          Whether its answer came whole, and so is the server's last, too.
---@field places table<string, string>  Addresses of files that the model read, by path.

---@type table<integer, foretype.Conversation> by buffer
local conversations = {}

local function say(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

---The conversation of the current buffer; without one there, says so.
---@return foretype.Conversation?
local function here()
  local conversation = conversations[vim.api.nvim_get_current_buf()]
  if not conversation then
    say('this is no conversation; :Foretype ask begins one')
  end
  return conversation
end

-- The conversation that is meant by a command: that of the buffer, or that beside it.
local function at_hand()
  local buffer = vim.api.nvim_get_current_buf()
  local beside = window.find(function(other)
    return conversations[other] ~= nil
  end)
  return conversations[buffer] or beside and conversations[vim.api.nvim_win_get_buf(beside)]
end

local function hint()
  local keys, parts = config.get().conversation_keys, {}
  for _, entry in ipairs({ { 'send', 'asks' }, { 'regenerate', 'another answer' }, { 'edit', 'edits a question' }, { 'insert', 'inserts the code' } }) do
    if keys[entry[1]] then
      parts[#parts + 1] = keys[entry[1]] .. ' ' .. entry[2]
    end
  end
  return table.concat(parts, ' · ')
end

---@param client vim.lsp.Client
---@param about? table
---@param mods? table
---@return foretype.Conversation
local function new(client, about, mods)
  local page = transcript.new(hint())
  local conversation = { transcript = page, client = client, about = about, places = {}, turns = {}, next = {}, kept = false }
  conversations[page.buffer] = conversation
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = page.buffer,
    callback = function()
      if conversation.asking then
        stream.stop(conversation.asking)
      end
      conversations[page.buffer] = nil
    end,
  })
  require('foretype.keys').map_conversation(page.buffer)
  window.show(page.buffer, function(buffer)
    return conversations[buffer] ~= nil
  end, mods)
  return conversation
end

local function remarks_of(conversation, answer)
  local remarks, read = {}, {}
  for _, place in ipairs(answer.places) do
    conversation.places[place.path] = place.uri
    read[#read + 1] = ('%s:%d-%d'):format(place.path, place.first, place.last)
  end
  if #read > 0 then
    remarks[1] = 'Read: ' .. table.concat(read, ', ')
  end
  if not answer.complete then
    remarks[#remarks + 1] = 'The answer was cut at ask.max_tokens.'
  end
  return vim.list_extend(remarks, answer.notes)
end

-- How many questions the server keeps before one of those that are shown.
local function kept_before(conversation, number)
  for at = number - 1, 1, -1 do
    if conversation.turns[at] then
      return conversation.turns[at]
    end
  end
  return 0
end

local function ended(conversation, problem, answer)
  conversation.asking = nil
  if not answer then
    return conversation.transcript:end_answer(nil, { problem or 'there is no answer' })
  end
  if not conversation.kept then
    local number = #conversation.transcript.questions
    conversation.turns[number] = 1 + kept_before(conversation, number)
  end
  conversation.kept, conversation.next = true, {}
  conversation.number = answer.conversation
  conversation.transcript:end_answer(answer.text, remarks_of(conversation, answer))
  citations.list(conversation.last.question or conversation.last.intent, answer.citations, conversation.places)
end

-- A conversation outlives its server: another one knows it, too, if it serves the same folder.
local function living(conversation)
  if conversation.client:is_stopped() then
    local root = conversation.client.root_dir
    conversation.client = vim.iter(vim.lsp.get_clients({ name = 'foretype' })):find(function(client)
      return client.root_dir == root and not client:is_stopped()
    end) or conversation.client
  end
  return not conversation.client:is_stopped()
end

local function request(conversation, params)
  local page = conversation.transcript
  conversation.asking = living(conversation)
    and stream.request(conversation.client, 'foretype/ask', params, function(text)
      page:append(text)
    end, function(problem, answer)
      ended(conversation, problem, answer)
    end)
  if not conversation.asking then
    page:end_answer(nil, { 'the server is gone: :Foretype restart, and ask again' })
  end
end

---@param conversation foretype.Conversation
---@param question { intent?: string, question?: string }
---@param heading string
local function put(conversation, question, heading)
  conversation.transcript:begin_answer(heading)
  local following = vim.tbl_extend('force', { conversation = conversation.number }, conversation.next)
  local context = conversation.number and following or conversation.about or {}
  conversation.last, conversation.kept = vim.tbl_extend('force', context, question), false
  request(conversation, conversation.last)
end

---@class foretype.Wish
---@field intent? string
---@field question? string
---@field range? integer[]  The first and last line, from 1; without it, the place of the cursor.
---@field mods? table       Of the command: where the window opens.

local function heading_of(wish)
  local intent = wish.intent and wish.intent:gsub('^%l', string.upper):gsub('-', ' ')
  local where = ''
  if wish.intent ~= 'commit-message' then
    local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(0), ':.')
    local first, last = unpack(wish.range or { vim.fn.line('.'), vim.fn.line('.') })
    where = (' (%s:%d%s)'):format(name, first, last > first and '-' .. last or '')
  end
  return vim.iter({ intent, wish.question }):join(': ') .. where
end

---Asks about the current buffer, in a conversation of its own; in a conversation, goes on with it. Without anything to ask,
---makes room for a question.
---@param wish foretype.Wish
function M.ask(wish)
  local open = conversations[vim.api.nvim_get_current_buf()]
  if open then
    if open.asking then
      return say('the answer is still being written; :Foretype stop ends it')
    end
    return put(open, { intent = wish.intent, question = wish.question }, vim.iter({ wish.intent, wish.question }):join(': '))
  end
  local client = client_of(0)
  if not client then
    return say('there is no server for this buffer: ' .. require('foretype').status().text)
  end
  local heading, document = heading_of(wish), selection.params(client, wish.range)
  local conversation = new(client, document, wish.mods)
  if wish.intent or wish.question then
    put(conversation, { intent = wish.intent, question = wish.question }, heading)
  else
    vim.cmd.startinsert()
  end
end

---Asks what the user has written below the last heading. At the name of a place that the model read, goes there instead.
function M.send()
  local conversation = here()
  if not conversation then
    return
  end
  local page = conversation.transcript
  if conversation.asking then
    return say('the answer is still being written; :Foretype stop ends it')
  elseif vim.api.nvim_win_get_cursor(0)[1] <= page:question_row() and citations.open(conversation.places) then
    return
  end
  local question = page:written()
  if question == '' then
    return say('write a question below the last heading')
  end
  put(conversation, { question = question }, question)
end

---Goes to the place under the cursor; what is no place that the model read is left to |gf|.
function M.open()
  local conversation = here()
  if conversation and not citations.open(conversation.places) then
    vim.cmd.normal({ 'gf', bang = true })
  end
end

---Stops the answer that is being written. What there is of it stays to be read; the server forgets it.
function M.stop()
  local conversation = at_hand()
  if not conversation or not conversation.asking then
    return say('no answer is being written')
  end
  stream.stop(conversation.asking)
  conversation.asking = nil
  conversation.transcript:end_answer(nil, { 'Stopped. The model does not remember this question.' })
end

---Asks the last question again, for another answer in place of this one.
function M.regenerate()
  local conversation = at_hand()
  if not conversation or not conversation.last then
    return say('no question was asked')
  elseif conversation.asking then
    return say('the answer is still being written; :Foretype stop ends it')
  end
  conversation.transcript:begin_again()
  -- What was stopped is not the server's last question.
  local kept = conversation.kept and conversation.number
  local again = vim.tbl_extend('force', { conversation = kept, regenerate = true }, conversation.next)
  request(conversation, kept and again or conversation.last)
end

local function block()
  local conversation = here()
  local lines = conversation and conversation.transcript:block_at(vim.api.nvim_win_get_cursor(0)[1])
  if conversation and not lines then
    say('there is no block of code under the cursor')
  end
  return lines
end

---Puts the block of code under the cursor below the cursor of the window that was asked from.
function M.insert()
  local lines = block()
  local target = lines and window.beside(function(buffer)
    return conversations[buffer] == nil and vim.bo[buffer].buftype == ''
  end)
  if not lines then
    return
  elseif not target or not vim.bo[vim.api.nvim_win_get_buf(target)].modifiable then
    return say('there is no window with a text that can be changed')
  end
  vim.api.nvim_set_current_win(target)
  vim.api.nvim_put(lines, 'l', true, true)
end

---Yanks the block of code under the cursor, into the register that was named.
function M.yank()
  local lines = block()
  if lines then
    vim.fn.setreg(vim.v.register, lines, 'l')
    say(('%d lines yanked'):format(#lines), vim.log.levels.INFO)
  end
end

local function ask_for(client, method, params, use)
  client:request(method, params, function(problem, result)
    return problem and say(problem.message, vim.log.levels.ERROR) or use(result)
  end)
end

-- A conversation that was kept, as the server tells it.
local function resume(client, kept)
  local conversation = new(client)
  local page = conversation.transcript
  conversation.number, conversation.kept = kept.conversation, true
  conversation.last = { conversation = kept.conversation, regenerate = true }
  for _, turn in ipairs(kept.turns or {}) do
    page:begin_answer(turn.question)
    conversation.turns[#page.questions] = #page.questions
    local answer = { places = turn.places, complete = true, notes = {} }
    page:end_answer(turn.text, remarks_of(conversation, answer))
  end
  return conversation
end

-- The question at the cursor, if nothing is being written.
local function chosen()
  local conversation = here()
  if not conversation then
    return
  elseif conversation.asking then
    return say('the answer is still being written; :Foretype stop ends it')
  end
  local number = conversation.transcript:question_at(vim.api.nvim_win_get_cursor(0)[1])
  if not number then
    return say('no question was asked')
  end
  return conversation, number
end

---Lets the user write the question at the cursor anew. Until it is asked, the server keeps the conversation as it was.
function M.edit()
  local conversation, number = chosen()
  if not conversation then
    return
  end
  conversation.transcript:edit(number)
  conversation.next = { at = kept_before(conversation, number), branch = conversation.next.branch }
  for at in pairs(conversation.turns) do
    conversation.turns[at] = at < number and conversation.turns[at] or nil
  end
  conversation.last, conversation.kept = nil, false
end

---Opens a copy of the conversation as it was after the question at the cursor. It is kept when something is asked there.
function M.branch()
  local conversation, number = chosen()
  local count = conversation and kept_before(conversation, number + 1)
  if not conversation then
    return
  elseif not conversation.number or count == 0 then
    return say('there is nothing yet that could be copied')
  end
  ask_for(conversation.client, 'foretype/conversation', { conversation = conversation.number }, function(kept)
    kept.turns = vim.list_slice(kept.turns, 1, count)
    resume(conversation.client, kept).next = { at = count, branch = true }
  end)
end

---Lets the user choose one of the conversations that are kept of this folder, and opens it.
function M.choose()
  local client = client_of(0) or vim.lsp.get_clients({ name = 'foretype' })[1]
  if not client then
    return say('there is no server: ' .. require('foretype').status().text)
  end
  ask_for(client, 'foretype/conversations', vim.empty_dict(), function(list)
    if #list == 0 then
      return say('no conversation is kept of this folder', vim.log.levels.INFO)
    end
    vim.ui.select(list, {
      prompt = 'Conversations',
      format_item = function(item)
        return ('%s  %s'):format(os.date('%Y-%m-%d %H:%M', item.began), item.title)
      end,
    }, function(item)
      if item then
        ask_for(client, 'foretype/conversation', { conversation = item.conversation }, function(kept)
          resume(client, kept)
        end)
      end
    end)
  end)
end

return M
