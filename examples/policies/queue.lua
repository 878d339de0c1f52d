-- A waiting line: who asks while somebody writes is put in line, and gets the pen when it is given back, in the order of
-- asking. A turn lasts at most settings.minutes (10) while somebody waits.

state_schema = "queue/1" -- names the shape of the state: { waiting = { member ids } }

local turn_ms = (settings.minutes or 10) * 60000
local TURN = 1 -- the number of our one timer

local function place_of(line, id)
  for i, other in ipairs(line) do
    if other == id then return i end
  end
end

-- Those of the line who are still here and may write.
local function present(line, room)
  local still = {}
  for _, id in ipairs(line) do
    local member = find_member(room, id)
    if member and member.may_edit and not member.lost and id ~= room.holder then table.insert(still, id) end
  end
  return still
end

local function pass_on(line, room, out)
  local nobody_writes = room.holder == 0
  local turn_over = room.since_ms + turn_ms <= room.now_ms
  if #line > 0 and (nobody_writes or turn_over) then
    local first = table.remove(line, 1)
    out.grant(first)
    out.notice(first, "It is your turn.")
    out.timer(TURN, #line > 0 and room.now_ms + turn_ms or 0)
  elseif #line > 0 then
    out.timer(TURN, room.since_ms + turn_ms)
  end
end

function reduce(state, room, event, out)
  local line = present(state.waiting or {}, room)
  local who = find_member(room, event.who)

  if event.kind == "installed" then
    local editor = room.holder
    for _, member in ipairs(room.members) do
      if member.holds_grant and member.id ~= editor then out.vacate(member) end
    end
    for _, request in ipairs(room.requests) do out.deny(request, "The rules have just changed. Please ask again.") end
  elseif event.kind == "joined" and who then
    if room.holder == 0 and #line == 0 and who.may_edit then
      out.grant(who)
    else
      out.set_caps(who, "interactor")
    end
  elseif event.kind == "requested" and who then
    if not who.may_edit then
      out.deny(event.request, "You may only watch.")
    elseif room.holder == 0 and #line == 0 then
      out.allow(event.request)
    else
      if not place_of(line, who.id) then table.insert(line, who.id) end
      out.deny(event.request, "You are number " .. place_of(line, who.id) .. " in line.")
      pass_on(line, room, out)
    end
  else -- somebody left, came back or gave the pen back, or a turn is over
    pass_on(line, room, out)
  end

  out.show({ waiting = #line })
  return { waiting = line }
end
