-- A conversation as a Markdown buffer: sections of questions and answers, the last of which the user writes. Reads and
-- edits the buffer; requests are in conversation.lua.

local M = {}

local namespace = vim.api.nvim_create_namespace('foretype-transcript')
local question_heading, answer_heading = '## You', '## Foretype'
local count = 0

---@class foretype.Transcript
---@field buffer integer
---@field question integer    Extmark at the heading of the question that is being written.
---@field questions integer[]  Extmarks at the headings of the questions that were sent.
---@field answer? integer     Extmark at the heading of the last answer.
---@field hint string
local Transcript = {}
Transcript.__index = Transcript

---@param hint string  List of keys, shown at the heading of the question.
---@return foretype.Transcript
function M.new(hint)
  count = count + 1
  local buffer = vim.api.nvim_create_buf(true, false)
  vim.api.nvim_buf_set_name(buffer, 'foretype://conversation/' .. count)
  vim.bo[buffer].buftype = 'nofile'
  vim.bo[buffer].swapfile = false
  local self = setmetatable({ buffer = buffer, hint = hint, questions = {} }, Transcript)
  self:change(function()
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { question_heading, '', '' })
  end)
  self:mark_question(0)
  return self
end

-- Changes the buffer outside the undo history, which is for what the user types.
function Transcript:change(edit)
  local options = vim.bo[self.buffer]
  local levels, modifiable = options.undolevels, options.modifiable
  options.undolevels, options.modifiable = -1, true
  edit()
  options.undolevels, options.modifiable = levels, modifiable
  options.modified = false
end

function Transcript:mark(row, id, text)
  return vim.api.nvim_buf_set_extmark(self.buffer, namespace, row, 0, {
    id = id,
    right_gravity = false,
    virt_text = text and { { text, 'Comment' } } or nil,
    virt_text_pos = 'eol',
  })
end

function Transcript:mark_question(row)
  self.question = self:mark(row, self.question, self.hint)
end

function Transcript:row_of(mark)
  return vim.api.nvim_buf_get_extmark_by_id(self.buffer, namespace, mark, {})[1]
end

---Row of the last question's heading, counted from 0.
function Transcript:question_row()
  return self:row_of(self.question)
end

---Text below the last heading.
---@return string
function Transcript:question_text()
  local lines = vim.api.nvim_buf_get_lines(self.buffer, self:question_row() + 1, -1, false)
  return vim.trim(table.concat(lines, '\n'))
end

-- Windows whose cursor is in the last line. They scroll with the answer; the others stay where they are.
local function windows_at_end(buffer)
  local last = vim.api.nvim_buf_line_count(buffer)
  return vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] >= last
  end, vim.fn.win_findbuf(buffer))
end

local function scroll_to_end(windows, buffer)
  local last = vim.api.nvim_buf_line_count(buffer)
  for _, window in ipairs(windows) do
    vim.api.nvim_win_set_cursor(window, { last, #vim.api.nvim_buf_get_lines(buffer, last - 1, last, false)[1] })
  end
end

---Appends text to the buffer.
---@param text string
function Transcript:append(text)
  if not vim.api.nvim_buf_is_valid(self.buffer) then
    return
  end
  local windows = windows_at_end(self.buffer)
  self:change(function()
    local row = vim.api.nvim_buf_line_count(self.buffer) - 1
    local col = #vim.api.nvim_buf_get_lines(self.buffer, row, row + 1, false)[1]
    vim.api.nvim_buf_set_text(self.buffer, row, col, row, col, vim.split(text, '\n', { plain = true }))
  end)
  scroll_to_end(windows, self.buffer)
end

-- Replaces all lines from a row on.
function Transcript:replace_from(row, lines)
  local windows = vim.fn.win_findbuf(self.buffer)
  self:change(function()
    vim.api.nvim_buf_set_lines(self.buffer, row, -1, false, lines)
  end)
  scroll_to_end(windows, self.buffer)
end

---Fixes the question and starts its answer. The buffer is not modifiable until the answer is finished.
---@param question string
function Transcript:start_answer(question)
  local row = self:question_row()
  local lines = vim.list_extend({ question_heading, '' }, vim.split(question, '\n', { plain = true }))
  self:replace_from(row, vim.list_extend(lines, { '', answer_heading, '', '' }))
  self.answer = self:mark(row + #lines - 3, self.answer)
  vim.api.nvim_buf_del_extmark(self.buffer, namespace, self.question)
  self.questions[#self.questions + 1] = self:mark(row)
  vim.bo[self.buffer].modifiable = false
end

---Number of the question that was sent at a row or above it.
---@param row integer  Counted from 1.
---@return integer?
function Transcript:question_at(row)
  for number = #self.questions, 1, -1 do
    if self:row_of(self.questions[number]) < row then
      return number
    end
  end
end

---Makes a question editable and removes everything after it.
---@param number integer
function Transcript:edit_question(number)
  local row = self:row_of(self.questions[number])
  local lines = vim.api.nvim_buf_get_lines(self.buffer, row, -1, false)
  local last = vim.fn.index(lines, answer_heading)
  self:replace_from(row, vim.list_slice(lines, 1, last > 2 and last - 1 or #lines))
  for at = number, #self.questions do
    vim.api.nvim_buf_del_extmark(self.buffer, namespace, self.questions[at])
    self.questions[at] = nil
  end
  self.answer = nil
  self:mark_question(row)
  vim.bo[self.buffer].modifiable = true
end

---Removes the last answer and starts another one.
---@return boolean started false if there is no answer
function Transcript:restart_answer()
  if not self.answer then
    return false
  end
  self:replace_from(self:row_of(self.answer), { answer_heading, '', '' })
  self:mark(vim.api.nvim_buf_line_count(self.buffer) - 3, self.answer)
  vim.api.nvim_buf_del_extmark(self.buffer, namespace, self.question)
  vim.bo[self.buffer].modifiable = false
  return true
end

---Finishes the answer, and adds remarks below it and the heading of the next question.
---@param text? string  The complete answer, which replaces the streamed text.
---@param remarks string[]
function Transcript:finish_answer(text, remarks)
  if not vim.api.nvim_buf_is_valid(self.buffer) then
    return
  end
  if text then
    local lines = vim.split(vim.trim(text), '\n', { plain = true })
    self:replace_from(self:row_of(self.answer), vim.list_extend({ answer_heading, '' }, lines))
  end
  local quoted = vim.iter(remarks):map(function(remark)
    return '\n> ' .. remark:gsub('\n', ' ') .. '\n'
  end)
  self:append('\n' .. quoted:join('') .. '\n')
  local row = vim.api.nvim_buf_line_count(self.buffer) - 1
  self:append(question_heading .. '\n\n')
  self:mark_question(row)
  vim.bo[self.buffer].modifiable = true
end

---Lines of the closed code block at a row.
---@param row integer  Counted from 1.
---@return string[]?
function Transcript:code_block_at(row)
  local lines = vim.api.nvim_buf_get_lines(self.buffer, 0, -1, false)
  local opened, fence
  for at, line in ipairs(lines) do
    local mark = line:match('^%s*(```+)')
    if mark and not opened then
      opened, fence = at, mark
    elseif mark and #mark >= #fence and line:match('^%s*`+%s*$') then
      if row >= opened and row <= at then
        return vim.list_slice(lines, opened + 1, at - 1)
      end
      opened = nil
    end
  end
end

return M
