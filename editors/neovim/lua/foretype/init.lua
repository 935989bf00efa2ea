-- Public functions of the plugin, for the user's configuration.

local M = {}

---Sets options. Optional: the defaults work without it.
---@param options? foretype.Options
function M.setup(options)
  require('foretype.config').set(options or {})
  if require('foretype.typing').active then
    require('foretype.typing').stop()
    require('foretype.keys').apply()
    require('foretype.client').reconfigure()
    require('foretype.client').attach_all()
  end
end

---Accepts the suggestion.
---@return boolean accepted false if there is no suggestion
function M.accept()
  return require('foretype.suggestion').accept('all')
end

---Accepts the next word of the suggestion.
---@return boolean accepted false if there is no suggestion
function M.accept_word()
  return require('foretype.suggestion').accept('word')
end

---Accepts the rest of the suggestion's line; at the end of a line, the next line.
---@return boolean accepted false if there is no suggestion
function M.accept_line()
  return require('foretype.suggestion').accept('line')
end

---Shows the next alternative; requests a suggestion if there is none.
function M.next()
  require('foretype.typing').cycle(1)
end

---Shows the previous alternative; requests a suggestion if there is none.
function M.prev()
  require('foretype.typing').cycle(-1)
end

---Dismisses the suggestion.
---@return boolean dismissed false if there is no suggestion
function M.dismiss()
  require('foretype.request').cancel()
  return require('foretype.suggestion').dismiss()
end

---Requests a suggestion now, whatever the option `trigger` is.
function M.trigger()
  require('foretype.typing').trigger()
end

---Returns true if a suggestion is on the screen.
---@return boolean
function M.visible()
  return require('foretype.suggestion').visible()
end

---Status of Foretype for the current buffer.
---@return foretype.Status
function M.status()
  return require('foretype.status').get()
end

-- Texts after the name in a status line.
---@type table<foretype.State, string>
local status_suffixes = {
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

---Short text for a status line.
---@return string
function M.statusline()
  return 'Foretype' .. status_suffixes[M.status().state]
end

---@alias foretype.Scope 'all'|'buffer'|'filetype'

local function set_enabled(on, scope)
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
    require('foretype.typing').stop()
  end
  require('foretype.status').refresh()
end

---@param scope? foretype.Scope
function M.enable(scope)
  set_enabled(true, scope or 'all')
end

---@param scope? foretype.Scope
function M.disable(scope)
  set_enabled(false, scope or 'all')
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
  set_enabled(not on, scope or 'all')
end

return M
