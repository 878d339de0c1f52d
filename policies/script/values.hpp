// Rooms, events and JSON as Lua tables and back. All of it inside Sandbox::run().
#pragma once

#include <lua5.4/lua.h>
#include <lectern/sdk/json.hpp>
#include <lectern/sdk/policy.hpp>

#include <string>

namespace script {

/// Pushes one value.
void push(lua_State* lua, const lectern::sdk::Json& value);
void push(lua_State* lua, const lectern::sdk::Member& member);
void push(lua_State* lua, const lectern::sdk::Room& room);
void push(lua_State* lua, const lectern::sdk::Event& event);
inline void push(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}

/// The value at `at` as JSON text; raises an error of Lua's that says what cannot be written. Tables with the keys 1..n
/// are lists, those with texts as keys are objects, their keys in order.
std::string to_json(lua_State* lua, int at);

}  // namespace script
