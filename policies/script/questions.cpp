#include "questions.hpp"

#include "values.hpp"

namespace script {
namespace {

using namespace lectern::sdk;

/// Raises an error with the line where the function is defined.
[[noreturn]] void wrong_answer(lua_State* lua, const char* function, const char* expected) {
  lua_Debug where;
  lua_getglobal(lua, function);
  lua_getinfo(lua, ">S", &where);
  luaL_error(lua, "%s:%d: %s must return %s", where.short_src, where.linedefined, function, expected);
  std::abort();  // luaL_error does not return, but is not declared so
}

/// Pushes the function, the room and the member.
void push_question(lua_State* lua, const char* function, const Room& room, const Member& member) {
  lua_getglobal(lua, function);
  // All questions of one decision are about one room, but for who has the pen.
  static const char key = 0;
  lua_rawgetp(lua, LUA_REGISTRYINDEX, &key);
  if (lua_isnil(lua, -1)) {
    lua_pop(lua, 1);
    push(lua, room);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &key);
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(room.holder));
  lua_setfield(lua, -2, "holder");
  push(lua, member);
}

Start start_of(lua_State* lua, const char* function) {
  const std::string_view answer = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
  if (answer == "editor") return Start::editor;
  if (answer == "interactor") return Start::interactor;
  if (answer == "viewer") return Start::viewer;
  wrong_answer(lua, function, R"("editor", "interactor" or "viewer")");
}

std::int64_t number_of(lua_State* lua, const char* name) {
  lua_getfield(lua, -1, name);
  const auto number = lua_tointeger(lua, -1);
  lua_pop(lua, 1);
  return number;
}

Decision decision_of(lua_State* lua, const char* function) {
  const char* const expected = "allow(), deny(reason) or ask(member, timeout_ms, text)";
  if (!lua_istable(lua, -1)) wrong_answer(lua, function, expected);
  lua_getfield(lua, -1, "text");
  const std::string text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
  lua_pop(lua, 1);
  lua_getfield(lua, -1, "verdict");
  const std::string verdict = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
  lua_pop(lua, 1);
  if (verdict == "allow") return Decision::allow();
  if (verdict == "deny") return Decision::deny(text);
  if (verdict != "ask") wrong_answer(lua, function, expected);
  return Decision::ask(static_cast<std::uint64_t>(number_of(lua, "member")), number_of(lua, "timeout_ms"), text);
}

}  // namespace

Start Questions::initial_capabilities(const Room& room, const Member& member) const {
  Start answer = Start::viewer;
  source_().run([&](lua_State* lua) {
    push_question(lua, "initial_capabilities", room, member);
    lua_call(lua, 2, 1);
    answer = start_of(lua, "initial_capabilities");
  });
  return answer;
}

Decision Questions::can_take_over_editing(const Room& room, const Member& asker) const {
  Decision answer;
  source_().run([&](lua_State* lua) {
    push_question(lua, "can_take_over_editing", room, asker);
    lua_call(lua, 2, 1);
    answer = decision_of(lua, "can_take_over_editing");
  });
  return answer;
}

Start Questions::former_editor(const Room& room, const Member& member) const {
  Sandbox& sandbox = source_();
  if (!sandbox.defines("former_editor")) return SimplePolicy::former_editor(room, member);
  Start answer = Start::viewer;
  sandbox.run([&](lua_State* lua) {
    push_question(lua, "former_editor", room, member);
    lua_call(lua, 2, 1);
    answer = start_of(lua, "former_editor");
    if (answer == Start::editor) wrong_answer(lua, "former_editor", R"("interactor" or "viewer")");
  });
  return answer;
}

Decision Questions::unanswered(const Room& room, const Member& asker, std::uint64_t asked) const {
  Sandbox& sandbox = source_();
  if (!sandbox.defines("unanswered")) return SimplePolicy::unanswered(room, asker, asked);
  Decision answer;
  sandbox.run([&](lua_State* lua) {
    push_question(lua, "unanswered", room, asker);
    lua_pushinteger(lua, static_cast<lua_Integer>(asked));
    lua_call(lua, 3, 1);
    answer = decision_of(lua, "unanswered");
  });
  return answer;
}

}  // namespace script
