-- Conversations: a question about code is sent, its answer streams into a transcript, and more questions follow. Keys
-- in a transcript and subcommands of `:Foretype` call the functions of this module.

local citations = require('foretype.citations')
local config = require('foretype.config')
local get_client = require('foretype.client').get
local selection = require('foretype.selection')
local stream = require('foretype.stream')
local transcript = require('foretype.transcript')
local window = require('foretype.conversation_window')

local M = {}

---@class foretype.Conversation
---@field transcript foretype.Transcript
---@field client vim.lsp.Client
---@field context? table        Parameters of the first question: document and range.
---@field id? integer           Id on the server.
---@field stream? foretype.Stream  The answer that is being generated.
---@field last_params? table    Parameters of the last question.
---@field last_is_saved boolean  True if the server has saved the last question and its answer.
---@field next_params table     Extra parameters of the next question: `at` and `branch`.
---@field saved_turns table<integer, integer>  By number of the question: turns that the server has saved up to it.
---@field uris table<string, string>  URIs of the files that the model was shown, by path.

---@type table<integer, foretype.Conversation> by buffer
local conversations = {}

local still_generating = 'an answer is still being generated; :Foretype stop stops it'

local function notify(text, level)
  vim.notify('Foretype: ' .. text, level or vim.log.levels.WARN)
end

---The conversation of the current buffer. Notifies the user if there is none.
---@return foretype.Conversation?
local function current_conversation()
  local conversation = conversations[vim.api.nvim_get_current_buf()]
  if not conversation then
    notify('this buffer is not a conversation; :Foretype ask starts one')
  end
  return conversation
end

-- The conversation of the current buffer, else of another window in this tab page.
local function visible_conversation()
  local buffer = vim.api.nvim_get_current_buf()
  local other = window.find(function(candidate)
    return conversations[candidate] ~= nil
  end)
  return conversations[buffer] or other and conversations[vim.api.nvim_win_get_buf(other)]
end

local function key_hint()
  local labels = {
    { 'send', 'send' },
    { 'regenerate', 'another answer' },
    { 'edit', 'edit question' },
    { 'insert', 'insert code' },
  }
  local keys, parts = config.get().conversation_keys, {}
  for _, entry in ipairs(labels) do
    local action, label = unpack(entry)
    if keys[action] then
      parts[#parts + 1] = keys[action] .. ' ' .. label
    end
  end
  return table.concat(parts, ' · ')
end

---@param client vim.lsp.Client
---@param context? table
---@param mods? table
---@return foretype.Conversation
local function new(client, context, mods)
  local page = transcript.new(key_hint())
  local conversation = {
    transcript = page,
    client = client,
    context = context,
    last_is_saved = false,
    next_params = {},
    saved_turns = {},
    uris = {},
  }
  conversations[page.buffer] = conversation
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = page.buffer,
    callback = function()
      if conversation.stream then
        stream.stop(conversation.stream)
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

-- Records the files that the model was shown, and returns the remarks below the answer.
local function remarks_of(conversation, answer)
  local remarks, read = {}, {}
  for _, place in ipairs(answer.places) do
    conversation.uris[place.path] = place.uri
    read[#read + 1] = ('%s:%d-%d'):format(place.path, place.first, place.last)
  end
  if #read > 0 then
    remarks[1] = 'Read: ' .. table.concat(read, ', ')
  end
  if not answer.complete then
    remarks[#remarks + 1] = 'The answer was cut off at ask.max_tokens.'
  end
  return vim.list_extend(remarks, answer.notes)
end

-- Number of turns that the server has saved before a question of the transcript.
local function saved_turns_before(conversation, number)
  for at = number - 1, 1, -1 do
    if conversation.saved_turns[at] then
      return conversation.saved_turns[at]
    end
  end
  return 0
end

local function finish(conversation, problem, answer)
  conversation.stream = nil
  if not answer then
    return conversation.transcript:finish_answer(nil, { problem or 'the server sent no answer' })
  end
  if not conversation.last_is_saved then
    local number = #conversation.transcript.questions
    conversation.saved_turns[number] = 1 + saved_turns_before(conversation, number)
  end
  conversation.last_is_saved, conversation.next_params = true, {}
  conversation.id = answer.conversation
  conversation.transcript:finish_answer(answer.text, remarks_of(conversation, answer))
  local title = conversation.last_params.question or conversation.last_params.intent
  citations.list(title, answer.citations, conversation.uris)
end

-- Replaces a client that has stopped: every server of the same folder knows the conversation. Returns false if there is
-- no running client.
local function ensure_client(conversation)
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
  conversation.stream = ensure_client(conversation)
    and stream.request(conversation.client, 'foretype/ask', params, function(text)
      page:append(text)
    end, function(problem, answer)
      finish(conversation, problem, answer)
    end)
  if not conversation.stream then
    page:finish_answer(nil, { 'the server is not running: run :Foretype restart and ask again' })
  end
end

---@param conversation foretype.Conversation
---@param question { intent?: string, question?: string }
---@param heading string
local function send_question(conversation, question, heading)
  conversation.transcript:start_answer(heading)
  local params = conversation.context or {}
  if conversation.id then
    params = vim.tbl_extend('force', { conversation = conversation.id }, conversation.next_params)
  end
  conversation.last_params, conversation.last_is_saved = vim.tbl_extend('force', params, question), false
  request(conversation, conversation.last_params)
end

---@class foretype.Question
---@field intent? string
---@field question? string
---@field range? integer[]  First and last line, counted from 1; by default the position of the cursor.
---@field mods? table       Modifiers of the command, which place the window.

local function heading_of(question)
  local intent = question.intent and question.intent:gsub('^%l', string.upper):gsub('-', ' ')
  local location = ''
  if question.intent ~= 'commit-message' then
    local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(0), ':.')
    local first, last = unpack(question.range or { vim.fn.line('.'), vim.fn.line('.') })
    location = (' (%s:%d%s)'):format(name, first, last > first and '-' .. last or '')
  end
  return vim.iter({ intent, question.question }):join(': ') .. location
end

---Asks about the current buffer in a new conversation; in a conversation, continues it. Without an intent or a
---question, opens a conversation in which the user writes one.
---@param question foretype.Question
function M.ask(question)
  local intent, text = question.intent, question.question
  local open = conversations[vim.api.nvim_get_current_buf()]
  if open then
    if open.stream then
      return notify(still_generating)
    end
    return send_question(open, { intent = intent, question = text }, vim.iter({ intent, text }):join(': '))
  end
  local client = get_client(0)
  if not client then
    return notify('no server is attached to this buffer: ' .. require('foretype').status().text)
  end
  -- Both refer to the current buffer, so they are read before the conversation opens.
  local heading, context = heading_of(question), selection.params(client, question.range)
  local conversation = new(client, context, question.mods)
  if intent or text then
    send_question(conversation, { intent = intent, question = text }, heading)
  else
    vim.cmd.startinsert()
  end
end

---Sends the question below the last heading. On a citation above that heading, jumps to it instead.
function M.send()
  local conversation = current_conversation()
  if not conversation then
    return
  end
  local page = conversation.transcript
  if conversation.stream then
    return notify(still_generating)
  elseif vim.api.nvim_win_get_cursor(0)[1] <= page:question_row() and citations.open(conversation.uris) then
    return
  end
  local question = page:question_text()
  if question == '' then
    return notify('write a question below the last heading')
  end
  send_question(conversation, { question = question }, question)
end

---Jumps to the citation under the cursor; on anything else, does what |gf| does.
function M.open()
  local conversation = current_conversation()
  if conversation and not citations.open(conversation.uris) then
    vim.cmd.normal({ 'gf', bang = true })
  end
end

---Stops the answer that is being generated. Its text stays in the transcript, but the server forgets the question.
function M.stop()
  local conversation = visible_conversation()
  if not conversation or not conversation.stream then
    return notify('no answer is being generated')
  end
  stream.stop(conversation.stream)
  conversation.stream = nil
  conversation.transcript:finish_answer(nil, { 'Stopped. The model does not remember this question.' })
end

---Asks the last question again and replaces its answer.
function M.regenerate()
  local conversation = visible_conversation()
  if not conversation or not conversation.last_params then
    return notify('no question has been asked')
  elseif conversation.stream then
    return notify(still_generating)
  end
  conversation.transcript:restart_answer()
  -- The server does not know a question that was stopped, so such a question is sent again.
  local params = conversation.last_params
  if conversation.last_is_saved and conversation.id then
    local again = { conversation = conversation.id, regenerate = true }
    params = vim.tbl_extend('force', again, conversation.next_params)
  end
  request(conversation, params)
end

local function code_block_at_cursor()
  local conversation = current_conversation()
  local lines = conversation and conversation.transcript:code_block_at(vim.api.nvim_win_get_cursor(0)[1])
  if conversation and not lines then
    notify('there is no code block under the cursor')
  end
  return lines
end

---Inserts the code block under the cursor below the cursor of the window that the user came from.
function M.insert()
  local lines = code_block_at_cursor()
  local target = lines
    and window.find_previous(function(buffer)
      return conversations[buffer] == nil and vim.bo[buffer].buftype == ''
    end)
  if not lines then
    return
  elseif not target or not vim.bo[vim.api.nvim_win_get_buf(target)].modifiable then
    return notify('there is no window with a modifiable buffer')
  end
  vim.api.nvim_set_current_win(target)
  vim.api.nvim_put(lines, 'l', true, true)
end

---Yanks the code block under the cursor into the selected register.
function M.yank()
  local lines = code_block_at_cursor()
  if lines then
    vim.fn.setreg(vim.v.register, lines, 'l')
    notify(('%d lines yanked'):format(#lines), vim.log.levels.INFO)
  end
end

local function request_or_notify(client, method, params, on_result)
  client:request(method, params, function(problem, result)
    if problem then
      notify(problem.message, vim.log.levels.ERROR)
    else
      on_result(result)
    end
  end)
end

-- Opens a saved conversation, given as the result of `foretype/conversation`.
local function resume(client, saved)
  local conversation = new(client)
  local page = conversation.transcript
  conversation.id, conversation.last_is_saved = saved.conversation, true
  conversation.last_params = { conversation = saved.conversation, regenerate = true }
  for _, turn in ipairs(saved.turns or {}) do
    page:start_answer(turn.question)
    conversation.saved_turns[#page.questions] = #page.questions
    local answer = { places = turn.places, complete = true, notes = {} }
    page:finish_answer(turn.text, remarks_of(conversation, answer))
  end
  return conversation
end

-- The conversation of the current buffer and the number of the question at the cursor. Notifies the user and returns
-- nil if there is no such question or an answer is being generated.
local function question_at_cursor()
  local conversation = current_conversation()
  if not conversation then
    return
  elseif conversation.stream then
    return notify(still_generating)
  end
  local number = conversation.transcript:question_at(vim.api.nvim_win_get_cursor(0)[1])
  if not number then
    return notify('no question has been asked')
  end
  return conversation, number
end

---Makes the question at the cursor editable. The server keeps the conversation unchanged until the question is sent.
function M.edit()
  local conversation, number = question_at_cursor()
  if not conversation then
    return
  end
  conversation.transcript:edit_question(number)
  conversation.next_params = {
    at = saved_turns_before(conversation, number),
    branch = conversation.next_params.branch,
  }
  for at in pairs(conversation.saved_turns) do
    conversation.saved_turns[at] = at < number and conversation.saved_turns[at] or nil
  end
  conversation.last_params, conversation.last_is_saved = nil, false
end

---Opens a copy of the conversation up to the question at the cursor. The server saves the copy when a question is sent
---there.
function M.branch()
  local conversation, number = question_at_cursor()
  local count = conversation and saved_turns_before(conversation, number + 1)
  if not conversation then
    return
  elseif not conversation.id or count == 0 then
    return notify('there is no answered question to copy yet')
  end
  request_or_notify(conversation.client, 'foretype/conversation', { conversation = conversation.id }, function(saved)
    saved.turns = vim.list_slice(saved.turns, 1, count)
    resume(conversation.client, saved).next_params = { at = count, branch = true }
  end)
end

---Lets the user select one of the saved conversations of this folder, and opens it.
function M.choose()
  local client = get_client(0) or vim.lsp.get_clients({ name = 'foretype' })[1]
  if not client then
    return notify('no server is running: ' .. require('foretype').status().text)
  end
  request_or_notify(client, 'foretype/conversations', vim.empty_dict(), function(list)
    if #list == 0 then
      return notify('no conversations are saved for this folder', vim.log.levels.INFO)
    end
    vim.ui.select(list, {
      prompt = 'Conversations',
      format_item = function(item)
        return ('%s  %s'):format(os.date('%Y-%m-%d %H:%M', item.began), item.title)
      end,
    }, function(item)
      if item then
        request_or_notify(client, 'foretype/conversation', { conversation = item.conversation }, function(saved)
          resume(client, saved)
        end)
      end
    end)
  end)
end

return M
