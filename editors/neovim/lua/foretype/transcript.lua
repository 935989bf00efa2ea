-- A conversation as a Markdown buffer: sections for questions and answers, the last of which is written by the user. Knows
-- how to write and read it, nothing of where the text comes from.

local M = {}

local space = vim.api.nvim_create_namespace('foretype-transcript')
local asked, answered = '## You', '## Foretype'
local number = 0

---@class foretype.Transcript
---@field buffer integer
---@field question integer  The mark at the heading of the question that is being written.
---@field questions integer[]  The marks at the headings of those that were asked.
---@field answer? integer   The mark at the heading of the last answer.
---@field hint string
local Transcript = {}
Transcript.__index = Transcript

---@param hint string  What the keys do, shown beside the heading of the question.
---@return foretype.Transcript
function M.new(hint)
  number = number + 1
  local buffer = vim.api.nvim_create_buf(true, false)
  vim.api.nvim_buf_set_name(buffer, 'foretype://conversation/' .. number)
  vim.bo[buffer].buftype = 'nofile'
  vim.bo[buffer].swapfile = false
  local self = setmetatable({ buffer = buffer, hint = hint, questions = {} }, Transcript)
  self:change(function()
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { asked, '', '' })
  end)
  self:mark_question(0)
  return self
end

-- What is written here is no step of undo: `u` is for what the user types.
function Transcript:change(work)
  local options = vim.bo[self.buffer]
  local levels, modifiable = options.undolevels, options.modifiable
  options.undolevels, options.modifiable = -1, true
  work()
  options.undolevels, options.modifiable = levels, modifiable
  options.modified = false
end

function Transcript:mark(row, id, text)
  return vim.api.nvim_buf_set_extmark(self.buffer, space, row, 0, {
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
  return vim.api.nvim_buf_get_extmark_by_id(self.buffer, space, mark, {})[1]
end

---Where the last question begins, counted from 0.
function Transcript:question_row()
  return self:row_of(self.question)
end

---What the user has written below the last heading.
---@return string
function Transcript:written()
  local lines = vim.api.nvim_buf_get_lines(self.buffer, self:question_row() + 1, -1, false)
  return vim.trim(table.concat(lines, '\n'))
end

-- Whoever looks at the end goes on looking there; whoever reads above is left alone.
local function following(buffer)
  local last = vim.api.nvim_buf_line_count(buffer)
  return vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] >= last
  end, vim.fn.win_findbuf(buffer))
end

local function to_the_end(windows, buffer)
  local last = vim.api.nvim_buf_line_count(buffer)
  for _, window in ipairs(windows) do
    vim.api.nvim_win_set_cursor(window, { last, #vim.api.nvim_buf_get_lines(buffer, last - 1, last, false)[1] })
  end
end

---Adds text at the end.
---@param text string
function Transcript:append(text)
  if not vim.api.nvim_buf_is_valid(self.buffer) then
    return
  end
  local windows = following(self.buffer)
  self:change(function()
    local row = vim.api.nvim_buf_line_count(self.buffer) - 1
    local col = #vim.api.nvim_buf_get_lines(self.buffer, row, row + 1, false)[1]
    vim.api.nvim_buf_set_text(self.buffer, row, col, row, col, vim.split(text, '\n', { plain = true }))
  end)
  to_the_end(windows, self.buffer)
end

-- Puts lines in place of all from a row on.
function Transcript:rewrite(row, lines)
  local windows = vim.fn.win_findbuf(self.buffer)
  self:change(function()
    vim.api.nvim_buf_set_lines(self.buffer, row, -1, false, lines)
  end)
  to_the_end(windows, self.buffer)
end

---The question is asked as it stands here: an answer begins, and nothing else can be written.
---@param question string
function Transcript:begin_answer(question)
  local row = self:question_row()
  local lines = vim.list_extend({ asked, '' }, vim.split(question, '\n', { plain = true }))
  self:rewrite(row, vim.list_extend(lines, { '', answered, '', '' }))
  self.answer = self:mark(row + #lines - 3, self.answer)
  vim.api.nvim_buf_del_extmark(self.buffer, space, self.question)
  self.questions[#self.questions + 1] = self:mark(row)
  vim.bo[self.buffer].modifiable = false
end

---The number of the question that was asked at a row, or above it.
---@param row integer  From 1.
---@return integer?
function Transcript:question_at(row)
  for number = #self.questions, 1, -1 do
    if self:row_of(self.questions[number]) < row then
      return number
    end
  end
end

---A question is written anew, in place of itself and of what followed.
---@param number integer
function Transcript:edit(number)
  local row = self:row_of(self.questions[number])
  local lines = vim.api.nvim_buf_get_lines(self.buffer, row, -1, false)
  local last = vim.fn.index(lines, answered)
  self:rewrite(row, vim.list_slice(lines, 1, last > 2 and last - 1 or #lines))
  for at = number, #self.questions do
    vim.api.nvim_buf_del_extmark(self.buffer, space, self.questions[at])
    self.questions[at] = nil
  end
  self.answer = nil
  self:mark_question(row)
  vim.bo[self.buffer].modifiable = true
end

---The last answer goes, for another one.
---@return boolean whether there is one
function Transcript:begin_again()
  if not self.answer then
    return false
  end
  self:rewrite(self:row_of(self.answer), { answered, '', '' })
  self:mark(vim.api.nvim_buf_line_count(self.buffer) - 3, self.answer)
  vim.api.nvim_buf_del_extmark(self.buffer, space, self.question)
  vim.bo[self.buffer].modifiable = false
  return true
end

---The answer is as long as it gets: its text, remarks below it, and room for the next question.
---@param text? string  All of the answer, if it came whole.
---@param remarks string[]
function Transcript:end_answer(text, remarks)
  if not vim.api.nvim_buf_is_valid(self.buffer) then
    return
  end
  if text then
    self:rewrite(self:row_of(self.answer), vim.list_extend({ answered, '' }, vim.split(vim.trim(text), '\n', { plain = true })))
  end
  local below = vim.iter(remarks):map(function(remark)
    return '\n> ' .. remark:gsub('\n', ' ') .. '\n'
  end)
  self:append('\n' .. below:join('') .. '\n')
  local row = vim.api.nvim_buf_line_count(self.buffer) - 1
  self:append(asked .. '\n\n')
  self:mark_question(row)
  vim.bo[self.buffer].modifiable = true
end

---The lines of the block of code at a row, if there is one and it is complete.
---@param row integer  From 1.
---@return string[]?
function Transcript:block_at(row)
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
