-- Changes of a text that can be made one by one: from the protocol's ranges to whole lines, and back to a text with some of
-- them made. Pure: knows nothing of buffers.

local M = {}

---@class foretype.Hunk
---@field first integer   The first line that goes, from 0.
---@field last integer    The line behind the last that goes.
---@field lines string[]  What stands there afterwards.

-- Takes away what both begin and end with.
local function trimmed(first, old, new)
  while #old > 0 and #new > 0 and old[#old] == new[#new] do
    old[#old], new[#new] = nil, nil
  end
  while #old > 0 and #new > 0 and old[1] == new[1] do
    table.remove(old, 1)
    table.remove(new, 1)
    first = first + 1
  end
  return { first = first, last = first + #old, lines = new }
end

local function whole(lines, change, encoding)
  local from, to = change.range.start, change.range['end']
  -- The place behind the last line end is in no line.
  local head, tail = lines[from.line + 1] or '', lines[to.line + 1] or ''
  head = head:sub(1, vim.str_byteindex(head, encoding, from.character, false))
  tail = tail:sub(vim.str_byteindex(tail, encoding, to.character, false) + 1)
  local text = change.newText:gsub('\r\n', '\n')
  local old = vim.list_slice(lines, from.line + 1, to.line + 1)
  return trimmed(from.line, old, vim.split(head .. text .. tail, '\n', { plain = true }))
end

---@param lines string[]  The text that they are for.
---@param changes { range: lsp.Range, newText: string }[]  In the order of the text.
---@param encoding string
---@return foretype.Hunk[]
function M.of(lines, changes, encoding)
  local hunks = vim.tbl_map(function(change)
    return whole(lines, change, encoding)
  end, changes)
  return vim.tbl_filter(function(hunk)
    return hunk.last > hunk.first or #hunk.lines > 0
  end, hunks)
end

---How far a hunk's lines have moved by those made before it.
---@param hunks foretype.Hunk[]
---@param made table<integer, boolean>
---@param number integer
---@return integer
function M.offset(hunks, made, number)
  local offset = 0
  for at = 1, number - 1 do
    if made[at] then
      offset = offset + #hunks[at].lines - (hunks[at].last - hunks[at].first)
    end
  end
  return offset
end

---The text with some of them made.
---@param lines string[]
---@param hunks foretype.Hunk[]
---@param made table<integer, boolean>
---@return string[]
function M.applied(lines, hunks, made)
  local text, from = {}, 1
  for number, hunk in ipairs(hunks) do
    if made[number] then
      vim.list_extend(text, lines, from, hunk.first)
      vim.list_extend(text, hunk.lines)
      from = hunk.last + 1
    end
  end
  return vim.list_extend(text, lines, from)
end

return M
