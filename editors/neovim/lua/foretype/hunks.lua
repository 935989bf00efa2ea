-- Hunks of whole lines: made from the edits of the protocol, and applied to a text in any combination. Works on lists
-- of lines, not on buffers.

local M = {}

---@class foretype.Hunk
---@field first integer   First removed line, counted from 0.
---@field last integer    Line after the last removed one.
---@field lines string[]  Lines that replace them.

-- A hunk without the lines that both sides have in common at the start and end.
local function trimmed_hunk(first, old, new)
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

local function hunk_from_edit(lines, edit, encoding)
  local from, to = edit.range.start, edit.range['end']
  -- A position after the last line end is in no line.
  local head, tail = lines[from.line + 1] or '', lines[to.line + 1] or ''
  head = head:sub(1, vim.str_byteindex(head, encoding, from.character, false))
  tail = tail:sub(vim.str_byteindex(tail, encoding, to.character, false) + 1)
  local text = edit.newText:gsub('\r\n', '\n')
  local old = vim.list_slice(lines, from.line + 1, to.line + 1)
  return trimmed_hunk(from.line, old, vim.split(head .. text .. tail, '\n', { plain = true }))
end

---Makes hunks from edits.
---@param lines string[]  The text that the edits are for.
---@param edits { range: lsp.Range, newText: string }[]  In the order of the text.
---@param encoding string
---@return foretype.Hunk[]
function M.from_edits(lines, edits, encoding)
  local hunks = vim.tbl_map(function(edit)
    return hunk_from_edit(lines, edit, encoding)
  end, edits)
  return vim.tbl_filter(function(hunk)
    return hunk.last > hunk.first or #hunk.lines > 0
  end, hunks)
end

---Number of lines by which the applied hunks before a hunk have moved it.
---@param hunks foretype.Hunk[]
---@param applied table<integer, boolean>  By number of the hunk.
---@param number integer
---@return integer
function M.offset(hunks, applied, number)
  local offset = 0
  for at = 1, number - 1 do
    if applied[at] then
      offset = offset + #hunks[at].lines - (hunks[at].last - hunks[at].first)
    end
  end
  return offset
end

---Text with some of the hunks applied.
---@param lines string[]
---@param hunks foretype.Hunk[]
---@param applied table<integer, boolean>  By number of the hunk.
---@return string[]
function M.apply(lines, hunks, applied)
  local text, from = {}, 1
  for number, hunk in ipairs(hunks) do
    if applied[number] then
      vim.list_extend(text, lines, from, hunk.first)
      vim.list_extend(text, hunk.lines)
      from = hunk.last + 1
    end
  end
  return vim.list_extend(text, lines, from)
end

return M
