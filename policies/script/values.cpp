#include "values.hpp"

#include <lua5.4/lauxlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "sandbox.hpp"

namespace script {
namespace {

using namespace lectern::sdk;

constexpr int max_depth = 16;
constexpr std::size_t max_json = 60u << 10;  // the host takes 64 KiB of state

void field(lua_State* lua, const char* name, std::string_view text) {
  push(lua, text);
  lua_setfield(lua, -2, name);
}
void field(lua_State* lua, const char* name, const char* text) {
  field(lua, name, std::string_view(text));
}
void field(lua_State* lua, const char* name, std::int64_t number) {
  lua_pushinteger(lua, number);
  lua_setfield(lua, -2, name);
}
/// Ids and epochs: the host counts them up from 1, so they fit.
void field(lua_State* lua, const char* name, std::uint64_t number) {
  field(lua, name, static_cast<std::int64_t>(number));
}
void flag(lua_State* lua, const char* name, bool value) {
  lua_pushboolean(lua, value);
  lua_setfield(lua, -2, name);
}

void push(lua_State* lua, const Request& request) {
  lua_createtable(lua, 0, 7);
  field(lua, "id", request.id);
  field(lua, "from", request.from);
  field(lua, "asked", request.asked);
  field(lua, "if_epoch", request.if_epoch);
  field(lua, "at_ms", request.at_ms);
  field(lua, "deadline_ms", request.deadline_ms);
  field(lua, "reason", request.reason);
}

const char* event_name(std::uint32_t kind) {
  static const char* const names[] = {"",          "installed", "joined",    "left",      "lost",
                                      "returned",  "changed",   "requested", "withdrawn", "answered",
                                      "ask_ended", "released",  "activity",  "timer",     "action"};
  return kind < std::size(names) ? names[kind] : "unknown";
}

void add_number(lua_State* lua, int at, std::string& out) {
  char digits[40];
  if (lua_isinteger(lua, at)) {
    out.append(digits, std::to_chars(digits, digits + sizeof digits, lua_tointeger(lua, at)).ptr);
    return;
  }
  const double value = lua_tonumber(lua, at);
  if (!std::isfinite(value)) luaL_error(lua, "a number that is not finite cannot be kept");
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void add(lua_State* lua, int at, std::string& out, int depth);

void add_list(lua_State* lua, int at, lua_Integer n, std::string& out, int depth) {
  lua_Integer keys = 0;
  lua_pushnil(lua);
  while (lua_next(lua, at) != 0) {
    charge(lua, 1);
    ++keys;
    lua_pop(lua, 1);
  }
  if (keys != n) luaL_error(lua, "a table has both places and names, or places without a value");
  out += '[';
  for (lua_Integer i = 1; i <= n; ++i) {
    if (i != 1) out += ',';
    lua_rawgeti(lua, at, i);
    add(lua, lua_gettop(lua), out, depth + 1);
    lua_pop(lua, 1);
  }
  out += ']';
}

void add_object(lua_State* lua, int at, std::string& out, int depth) {
  std::map<std::string, std::string> members;  // ordered: the same table is always the same text
  lua_pushnil(lua);
  while (lua_next(lua, at) != 0) {
    charge(lua, 8);
    if (lua_type(lua, -2) != LUA_TSTRING)
      luaL_error(lua, "a table has both places and names, or keys that are neither");
    std::size_t n = 0;
    const char* key = lua_tolstring(lua, -2, &n);
    add(lua, lua_gettop(lua), members[std::string(key, n)], depth + 1);
    lua_pop(lua, 1);
  }
  out += '{';
  for (const auto& [name, value] : members) {
    if (out.back() != '{') out += ',';
    out += quote(name);
    out += ':';
    out += value;
  }
  out += '}';
}

void add(lua_State* lua, int at, std::string& out, int depth) {
  if (depth > max_depth) luaL_error(lua, "a table is nested deeper than %d, or holds itself", max_depth);
  if (out.size() > max_json) luaL_error(lua, "more than %d bytes cannot be kept", static_cast<int>(max_json));
  luaL_checkstack(lua, 4, "too deep");
  charge(lua, 4);
  switch (lua_type(lua, at)) {
    case LUA_TNIL:
      out += "null";
      return;
    case LUA_TBOOLEAN:
      out += lua_toboolean(lua, at) != 0 ? "true" : "false";
      return;
    case LUA_TNUMBER:
      return add_number(lua, at, out);
    case LUA_TSTRING: {
      std::size_t n = 0;
      const char* text = lua_tolstring(lua, at, &n);
      out += quote(std::string_view(text, n));
      return;
    }
    case LUA_TTABLE: {
      const auto n = static_cast<lua_Integer>(lua_rawlen(lua, at));
      return n != 0 ? add_list(lua, at, n, out, depth) : add_object(lua, at, out, depth);
    }
    default:
      luaL_error(lua, "a %s cannot be kept", luaL_typename(lua, at));
  }
}

}  // namespace

void push(lua_State* lua, const Json& value) {
  luaL_checkstack(lua, 4, "too deep");
  if (const auto* array = value.as_array()) {
    lua_createtable(lua, static_cast<int>(array->size()), 0);
    for (std::size_t i = 0; i < array->size(); ++i) {
      push(lua, (*array)[i]);
      lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
    }
  } else if (const auto* object = value.as_object()) {
    lua_createtable(lua, 0, static_cast<int>(object->size()));
    for (const auto& [name, member] : *object) {
      push(lua, std::string_view(name));
      push(lua, member);
      lua_rawset(lua, -3);
    }
  } else if (const auto* number = value.as_number()) {
    const bool whole = std::abs(*number) < 9e15 && *number == std::floor(*number);
    if (whole) {
      lua_pushinteger(lua, static_cast<lua_Integer>(*number));
    } else {
      lua_pushnumber(lua, *number);
    }
  } else if (const auto* text = value.as_string()) {
    push(lua, std::string_view(*text));
  } else if (const auto* truth = value.as_bool()) {
    lua_pushboolean(lua, *truth);
  } else {
    lua_pushnil(lua);
  }
}

void push(lua_State* lua, const Member& member) {
  static const char* const presences[] = {"present", "probing", "lost"};
  lua_createtable(lua, 0, 22);
  field(lua, "id", member.id);
  field(lua, "presence", presences[std::min<std::uint32_t>(member.presence, 2)]);
  flag(lua, "lost", member.lost());
  flag(lua, "may_edit", member.may_edit());
  flag(lua, "may_interact", (member.scope & LECTERN_CAP_INTERACT) != 0);
  flag(lua, "can_edit", (member.caps & LECTERN_CAP_EDIT) != 0);
  flag(lua, "can_interact", (member.caps & LECTERN_CAP_INTERACT) != 0);
  flag(lua, "holds_grant", member.holds_grant());
  flag(lua, "view_only", member.view_only());
  flag(lua, "headless", member.headless());
  flag(lua, "agent", (member.flags & LECTERN_MEMBER_AGENT) != 0);
  flag(lua, "dirty", (member.flags & LECTERN_MEMBER_DIRTY) != 0);
  field(lua, "grant", member.grant);
  field(lua, "joined_ms", member.joined_ms);
  field(lua, "seen_ms", member.seen_ms);
  field(lua, "edited_ms", member.edited_ms);
  field(lua, "reserved_until_ms", member.reserved_until_ms);
  field(lua, "scope_until_ms", member.scope_until_ms);
  field(lua, "principal", member.principal);
  field(lua, "label", member.label);
  field(lua, "device", member.device);
}

void push(lua_State* lua, const Room& room) {
  lua_createtable(lua, 0, 7);
  field(lua, "version", room.version);
  field(lua, "epoch", room.epoch);
  field(lua, "holder", room.holder);
  field(lua, "now_ms", room.now_ms);
  field(lua, "since_ms", room.since_ms);
  lua_createtable(lua, static_cast<int>(room.members.size()), 0);
  for (std::size_t i = 0; i < room.members.size(); ++i) {
    push(lua, room.members[i]);
    lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
  }
  lua_setfield(lua, -2, "members");
  lua_createtable(lua, static_cast<int>(room.requests.size()), 0);
  for (std::size_t i = 0; i < room.requests.size(); ++i) {
    push(lua, room.requests[i]);
    lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
  }
  lua_setfield(lua, -2, "requests");
}

void push(lua_State* lua, const Event& event) {
  lua_createtable(lua, 0, 9);
  field(lua, "kind", event_name(event.kind));
  flag(lua, "agrees", event.value == 1);
  field(lua, "seq", event.seq);
  field(lua, "who", event.who);
  field(lua, "target", event.target);
  field(lua, "request", event.request);
  field(lua, "timer", event.timer);
  field(lua, "verb", event.verb);
  field(lua, "json", event.json);
}

std::string to_json(lua_State* lua, int at) {
  std::string out;
  add(lua, lua_absindex(lua, at), out, 0);
  if (out.size() > max_json) luaL_error(lua, "more than %d bytes cannot be kept", static_cast<int>(max_json));
  return out;
}

}  // namespace script
