#include "reducer.hpp"

#include <lectern/sdk/json.hpp>

#include <cstring>

#include "values.hpp"

namespace script {
namespace {

using namespace lectern::sdk;

/// What the functions of `out` work on; a light userdata in their first upvalue.
struct Effects {
  const Room& room;
  Outcome& out;
};

Effects& effects(lua_State* lua) {
  return *static_cast<Effects*>(lua_touserdata(lua, lua_upvalueindex(1)));
}

/// An id, given as a number or as a table that has one.
std::uint64_t id(lua_State* lua, int at) {
  if (lua_istable(lua, at)) {
    lua_getfield(lua, at, "id");
    lua_replace(lua, at);
  }
  return static_cast<std::uint64_t>(luaL_checkinteger(lua, at));
}

std::string text(lua_State* lua, int at) {
  std::size_t n = 0;
  const char* bytes = luaL_optlstring(lua, at, "", &n);
  return {bytes, n};
}

/// "interactor" or "viewer", as far as the access of `target` goes. Without a word: interactor.
std::uint32_t caps(lua_State* lua, int at, std::uint64_t target) {
  const char* const names[] = {"viewer", "interactor", nullptr};
  const auto wanted = luaL_checkoption(lua, at, "interactor", names) == 1 ? std::uint32_t{LECTERN_CAP_INTERACT} : 0u;
  const Member* member = effects(lua).room.member(target);
  return member == nullptr ? wanted : wanted & member->scope;
}

int set_caps(lua_State* lua) {
  const auto target = id(lua, 1);
  effects(lua).out.set_caps(target, caps(lua, 2, target));
  return 0;
}
int grant(lua_State* lua) {
  const auto target = id(lua, 1);
  effects(lua).out.grant(target, caps(lua, 2, effects(lua).room.holder));
  return 0;
}
int vacate(lua_State* lua) {
  const auto target = id(lua, 1);
  effects(lua).out.vacate(target, caps(lua, 2, target));
  return 0;
}
int allow(lua_State* lua) {
  const auto request = id(lua, 1);
  effects(lua).out.allow(request, caps(lua, 2, effects(lua).room.holder));
  return 0;
}
int deny(lua_State* lua) {
  const auto request = id(lua, 1);
  effects(lua).out.deny(request, text(lua, 2));
  return 0;
}
int ask(lua_State* lua) {
  const auto request = id(lua, 1), target = id(lua, 2);
  const auto until_ms = luaL_checkinteger(lua, 3);
  effects(lua).out.ask(request, target, until_ms, text(lua, 4));
  return 0;
}
int unask(lua_State* lua) {
  effects(lua).out.unask(id(lua, 1));
  return 0;
}
int timer(lua_State* lua) {
  const auto number = luaL_checkinteger(lua, 1);
  effects(lua).out.timer(static_cast<std::uint64_t>(number), luaL_checkinteger(lua, 2));
  return 0;
}
int notice(lua_State* lua) {
  const auto target = id(lua, 1);
  luaL_checkstring(lua, 2);
  effects(lua).out.notice(target, text(lua, 2));
  return 0;
}
int show(lua_State* lua) {
  std::string json;
  if (!lua_isnoneornil(lua, 1)) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (lua_rawlen(lua, 1) != 0) return luaL_error(lua, "show needs a table with names, not a list");
    json = to_json(lua, 1);
  }
  effects(lua).out.show(std::move(json));
  return 0;
}

void push_out(lua_State* lua, Effects& on) {
  static const luaL_Reg functions[] = {{"set_caps", &set_caps}, {"grant", &grant}, {"vacate", &vacate},
                                       {"allow", &allow},       {"deny", &deny},   {"ask", &ask},
                                       {"unask", &unask},       {"timer", &timer}, {"notice", &notice},
                                       {"show", &show},         {nullptr, nullptr}};
  luaL_newlibtable(lua, functions);
  lua_pushlightuserdata(lua, &on);
  luaL_setfuncs(lua, functions, 1);
}

/// The text of the global `state_schema`, which a script need not have.
std::string schema(lua_State* lua) {
  lua_pushglobaltable(lua);
  lua_pushliteral(lua, "state_schema");
  std::string name = lua_rawget(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
  lua_pop(lua, 2);
  return name;
}

void push_state(lua_State* lua, std::string_view state) {
  if (!state.empty()) {
    const auto kept = Json::parse(state);
    const Json* of = kept.find("schema");
    const Json* value = kept.find("state");
    if (of != nullptr && value != nullptr && of->as_string() != nullptr && *of->as_string() == schema(lua)) {
      return push(lua, *value);
    }
  }
  lua_newtable(lua);
}

}  // namespace

void run_reduce(Sandbox& sandbox, std::string_view state, const Room& room, const Event& event, Outcome& out) {
  Effects on{room, out};
  sandbox.run([&](lua_State* lua) {
    lua_getglobal(lua, "reduce");
    push_state(lua, state);
    push(lua, room);
    push(lua, event);
    push_out(lua, on);
    lua_call(lua, 4, 1);
    if (lua_isnil(lua, -1)) return;
    if (!lua_istable(lua, -1)) luaL_error(lua, "reduce must return the new state, a table, or nothing");
    const auto kept = to_json(lua, -1);
    out.state("{\"schema\":" + quote(schema(lua)) + ",\"state\":" + kept + "}");
  });
}

}  // namespace script
