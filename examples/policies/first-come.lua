-- First come, first served: who has the pen keeps it until giving it back; only an editor who rests is asked. A guest can
-- be kept from editing:
--   lectern policy script --config '{"file":"/etc/lectern/first-come.lua","settings":{"guests":["wall"]}}'

local guests = {}
for _, label in ipairs(settings.guests or {}) do guests[label] = true end

local function may_edit(member)
  return member.may_edit and not guests[member.label]
end

-- Asked for everybody who joins.
function initial_capabilities(room, member)
  if room.holder == 0 and may_edit(member) then return "editor" end
  return "interactor"
end

-- Asked when somebody wants the pen.
function can_take_over_editing(room, asker)
  if not may_edit(asker) then return deny("You may only watch.") end
  if room.holder == 0 then return allow() end
  local editor = find_member(room, room.holder)
  if not editor or editor.lost then return allow() end
  local resting = room.now_ms - math.max(editor.edited_ms, room.since_ms) > 5 * 60000
  if resting then return ask(editor, 10000, asker.label .. " would like to write.") end
  return deny(string.format("Wait until %s is done.", editor.label))
end
