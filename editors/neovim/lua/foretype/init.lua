-- Foretype: ghost text from a GPT on your own machine. This is what a configuration calls; the rest is in the modules beside.

local M = {}

---Sets options. Optional: everything works without.
---@param options? foretype.Options
function M.setup(options)
  require('foretype.config').set(options or {})
  if require('foretype.typing').active then
    require('foretype.typing').left()
    require('foretype.keys').apply()
    require('foretype.client').reconfigure()
    require('foretype.client').attach_all()
  end
end

---Takes the suggestion.
---@return boolean whether there was one
function M.accept()
  return require('foretype.suggestion').accept('all')
end

---Takes the next word of it.
---@return boolean whether there was one
function M.accept_word()
  return require('foretype.suggestion').accept('word')
end

---Takes the rest of its line; at the end of a line, the next one.
---@return boolean whether there was one
function M.accept_line()
  return require('foretype.suggestion').accept('line')
end

---Shows the next alternative; without a suggestion, suggests.
function M.next()
  require('foretype.typing').cycle(1)
end

---Shows the previous alternative; without a suggestion, suggests.
function M.prev()
  require('foretype.typing').cycle(-1)
end

---Takes the suggestion away.
---@return boolean whether there was one
function M.dismiss()
  require('foretype.request').cancel()
  return require('foretype.suggestion').dismiss()
end

---Suggests now, whatever the option trigger says.
function M.trigger()
  require('foretype.typing').trigger()
end

---Whether there is a suggestion on the screen.
---@return boolean
function M.visible()
  return require('foretype.suggestion').visible()
end

---How Foretype is for the current buffer.
---@return foretype.Status
function M.status()
  return require('foretype.status').of()
end

-- What a status line says of each state; ready needs no words.
local words = {
  starting = ' …',
  loading = ' …',
  ready = '',
  busy = ' ·',
  inactive = '',
  disabled = ' off',
  excluded = ' off here',
  notConnected = ' !',
  error = ' !',
}

---A few letters for a status line.
---@return string
function M.statusline()
  return 'Foretype' .. words[M.status().state]
end

---@alias foretype.Scope 'all'|'buffer'|'filetype'

local function switch(on, scope)
  local enabled = require('foretype.enabled')
  if scope == 'buffer' then
    enabled.set_buffer(vim.api.nvim_get_current_buf(), on)
  elseif scope == 'filetype' then
    enabled.set_filetype(vim.bo.filetype, on)
  else
    enabled.set_everywhere(on)
  end
  if on then
    require('foretype.client').attach_all()
  else
    require('foretype.typing').left()
  end
  require('foretype.status').changed()
end

---@param scope? foretype.Scope
function M.enable(scope)
  switch(true, scope or 'all')
end

---@param scope? foretype.Scope
function M.disable(scope)
  switch(false, scope or 'all')
end

---@param scope? foretype.Scope
function M.toggle(scope)
  local enabled = require('foretype.enabled')
  local on = enabled.everywhere()
  if scope == 'buffer' then
    on = enabled.buffer(0)
  elseif scope == 'filetype' then
    on = enabled.filetype(vim.bo.filetype)
  end
  switch(not on, scope or 'all')
end

return M
