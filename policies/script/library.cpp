// The globals of a script. A list of what there is, not of what is taken away; and whatever would let the same room
// have two answers (clocks, chance, addresses, the order of a hash table) is left out or replaced.
#include <lua5.4/lualib.h>
#include <lectern/sdk/plugin.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "sandbox.hpp"

namespace script {
namespace {

const char* const base_names[] = {"assert", "error", "ipairs", "select", "tonumber", "type"};
const char* const string_names[] = {"byte", "char", "len", "lower", "reverse", "sub", "upper"};
const char* const table_names[] = {"concat", "insert", "remove", "sort", "unpack"};
const char* const math_names[] = {"abs",        "ceil", "floor", "fmod", "huge",      "max",  "maxinteger", "min",
                                  "mininteger", "modf", "pi",    "sqrt", "tointeger", "type", "ult"};

/// Calls the C function in its first upvalue, after counting what it is about to walk over: time spent in C functions
/// is seen by no hook.
int charged(lua_State* lua) {
  const int type = lua_type(lua, 1);
  const std::size_t n = type == LUA_TTABLE || type == LUA_TSTRING ? lua_rawlen(lua, 1) : 0;
  charge(lua,
         1 + (type == LUA_TSTRING ? n / 16 : n * static_cast<std::size_t>(lua_tointeger(lua, lua_upvalueindex(2)))));
  return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

/// `names` of the library at the top become members of the table below it.
template <std::size_t N>
void take(lua_State* lua, const char* const (&names)[N]) {
  for (const char* name : names) {
    lua_getfield(lua, -1, name);
    if (lua_CFunction function = lua_tocfunction(lua, -1)) {
      lua_pop(lua, 1);
      lua_pushcfunction(lua, function);
      lua_pushinteger(lua, std::strcmp(name, "sort") == 0 ? 20 : 1);
      lua_pushcclosure(lua, &charged, 2);
    }
    lua_setfield(lua, -3, name);
  }
  lua_pop(lua, 1);
}

void set(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

/// Reading a name that is not there. Its table's name is the first upvalue.
int unknown_name(lua_State* lua) {
  const char* table = lua_tostring(lua, lua_upvalueindex(1));
  const char* name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
  static const char* const kept_away[] = {
      "collectgarbage", "coroutine", "debug",   "dofile",       "getmetatable", "io",       "load",
      "loadfile",       "next",      "os",      "package",      "pcall",        "rawequal", "rawget",
      "rawlen",         "rawset",    "require", "setmetatable", "utf8",         "warn",     "xpcall"};
  const bool library = *table != '\0';
  const bool kept = library || std::any_of(std::begin(kept_away), std::end(kept_away),
                                           [&](const char* one) { return std::strcmp(one, name) == 0; });
  return luaL_error(lua, kept ? "'%s%s' is not offered to policies" : "'%s%s' has no value", table, name);
}

/// The table at the top complains of names it does not have.
void make_strict(lua_State* lua, const char* prefix) {
  lua_createtable(lua, 0, 1);
  lua_pushstring(lua, prefix);
  lua_pushcclosure(lua, &unknown_name, 1);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

/// As Lua's, but tables and functions have no address.
void push_shown(lua_State* lua, int at) {
  switch (lua_type(lua, at)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
      luaL_tolstring(lua, at, nullptr);
      return;
    default:
      lua_pushstring(lua, luaL_typename(lua, at));
  }
}

int to_string(lua_State* lua) {
  luaL_checkany(lua, 1);
  push_shown(lua, 1);
  return 1;
}

/// string.format without addresses.
int format(lua_State* lua) {
  std::size_t n = 0;
  const char* how = luaL_checklstring(lua, 1, &n);
  charge(lua, 1 + n / 16);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    if (how[i] != '%') continue;
    std::size_t end = i + 1;
    while (end + 1 < n && std::strchr("0123456789.-+ #", how[end]) != nullptr) ++end;
    if (how[end] == 'p') return luaL_error(lua, "'%%p' is not offered to policies");
    i = end;
  }
  for (int i = 2; i <= lua_gettop(lua); ++i) {
    const int type = lua_type(lua, i);
    if (type == LUA_TSTRING) charge(lua, lua_rawlen(lua, i) / 16);
    if (type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA) {
      push_shown(lua, i);
      lua_replace(lua, i);
    }
  }
  return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

int repeated(lua_State* lua) {
  std::size_t n = 0, between = 0;
  const char* text = luaL_checklstring(lua, 1, &n);
  const lua_Integer times = luaL_checkinteger(lua, 2);
  const char* separator = luaL_optlstring(lua, 3, "", &between);
  luaL_Buffer buffer;
  luaL_buffinit(lua, &buffer);
  for (lua_Integer i = 0; i < times; ++i) {
    charge(lua, 1 + (n + between) / 16);
    if (i != 0) luaL_addlstring(&buffer, separator, between);
    luaL_addlstring(&buffer, text, n);
  }
  luaL_pushresult(&buffer);
  return 1;
}

/// Plain text instead of patterns: a pattern can take longer than anybody waits, in one step.
int contains(lua_State* lua) {
  std::size_t n = 0, m = 0;
  const char* text = luaL_checklstring(lua, 1, &n);
  const char* part = luaL_checklstring(lua, 2, &m);
  charge(lua, 1 + n / 4);
  lua_pushboolean(lua, ::memmem(text, n, part, m) != nullptr);
  return 1;
}

int starts_with(lua_State* lua) {
  std::size_t n = 0, m = 0;
  const char* text = luaL_checklstring(lua, 1, &n);
  const char* part = luaL_checklstring(lua, 2, &m);
  lua_pushboolean(lua, m <= n && std::memcmp(text, part, m) == 0);
  return 1;
}

int ends_with(lua_State* lua) {
  std::size_t n = 0, m = 0;
  const char* text = luaL_checklstring(lua, 1, &n);
  const char* part = luaL_checklstring(lua, 2, &m);
  lua_pushboolean(lua, m <= n && std::memcmp(text + (n - m), part, m) == 0);
  return 1;
}

int next_pair(lua_State* lua) {
  lua_Integer at = lua_tointeger(lua, lua_upvalueindex(3));
  while (true) {
    lua_rawgeti(lua, lua_upvalueindex(2), ++at);
    if (lua_isnil(lua, -1)) return 1;
    lua_pushvalue(lua, -1);
    if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNIL) break;
    lua_pop(lua, 2);  // removed meanwhile
  }
  lua_pushinteger(lua, at);
  lua_replace(lua, lua_upvalueindex(3));
  return 2;
}

/// A key of a table, so that keys can be ordered.
struct Key {
  bool text;
  double number;
  const char* bytes;
  std::size_t n;
  lua_Integer place;  // among the keys as they came
};

bool before(const Key& a, const Key& b) {
  if (a.text != b.text) return b.text;
  if (!a.text) return a.number < b.number;
  const int order = std::memcmp(a.bytes, b.bytes, std::min(a.n, b.n));
  return order != 0 ? order < 0 : a.n < b.n;
}

/// pairs() in the order of the keys, numbers first: Lua's own order differs from one interpreter to the next.
int sorted_pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 1);
  lua_newtable(lua);  // the keys as they come: that keeps their texts alive
  std::vector<Key> keys;
  lua_pushnil(lua);
  while (lua_next(lua, 1) != 0) {
    lua_pop(lua, 1);
    charge(lua, 8);
    Key key{lua_type(lua, -1) == LUA_TSTRING, 0, nullptr, 0, static_cast<lua_Integer>(keys.size()) + 1};
    if (key.text) {
      key.bytes = lua_tolstring(lua, -1, &key.n);
    } else if (lua_type(lua, -1) == LUA_TNUMBER) {
      key.number = lua_tonumber(lua, -1);
    } else {
      return luaL_error(lua, "pairs: a key is a %s; only numbers and texts have an order", luaL_typename(lua, -1));
    }
    keys.push_back(key);
    lua_pushvalue(lua, -1);
    lua_rawseti(lua, 2, key.place);
  }
  std::sort(keys.begin(), keys.end(), before);
  lua_pushvalue(lua, 1);
  lua_createtable(lua, static_cast<int>(keys.size()), 0);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    lua_rawgeti(lua, 2, keys[i].place);
    lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
  }
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, &next_pair, 3);
  return 1;
}

/// One line in the host's log.
int print(lua_State* lua) {
  const int n = lua_gettop(lua);
  std::string line;
  for (int i = 1; i <= n; ++i) {
    push_shown(lua, i);
    std::size_t size = 0;
    const char* text = lua_tolstring(lua, -1, &size);
    if (i != 1) line += '\t';
    line.append(text, std::min<std::size_t>(size, 1000));
    lua_pop(lua, 1);
  }
  charge(lua, 100);
  if (may_log(lua)) lectern::sdk::log_info(std::string_view(line).substr(0, 1000));
  return 0;
}

/// allow() and deny(reason) and ask(member, timeout_ms, text): what can_take_over_editing and unanswered return.
int decision(lua_State* lua, const char* verdict) {
  lua_createtable(lua, 0, 4);
  lua_pushstring(lua, verdict);
  lua_setfield(lua, -2, "verdict");
  return 1;
}
int allow(lua_State* lua) {
  return decision(lua, "allow");
}
int deny(lua_State* lua) {
  luaL_checkstring(lua, 1);
  decision(lua, "deny");
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, "text");
  return 1;
}
int ask(lua_State* lua) {
  if (lua_istable(lua, 1)) {
    lua_getfield(lua, 1, "id");
    lua_replace(lua, 1);
  }
  luaL_checkinteger(lua, 1);
  luaL_checkinteger(lua, 2);
  luaL_checkstring(lua, 3);
  decision(lua, "ask");
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, "member");
  lua_pushvalue(lua, 2);
  lua_setfield(lua, -2, "timeout_ms");
  lua_pushvalue(lua, 3);
  lua_setfield(lua, -2, "text");
  return 1;
}

/// find_member(room, id): the member, or nil.
int find_member(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const lua_Integer wanted = luaL_checkinteger(lua, 2);
  lua_getfield(lua, 1, "members");
  luaL_checktype(lua, -1, LUA_TTABLE);
  const auto n = static_cast<lua_Integer>(lua_rawlen(lua, -1));
  charge(lua, 1 + static_cast<std::size_t>(n));
  for (lua_Integer i = 1; i <= n; ++i) {
    lua_rawgeti(lua, -1, i);
    lua_getfield(lua, -1, "id");
    if (lua_tointeger(lua, -1) == wanted) {
      lua_pop(lua, 1);
      return 1;
    }
    lua_pop(lua, 2);
  }
  lua_pushnil(lua);
  return 1;
}

void open_strings(lua_State* lua) {
  lua_newtable(lua);
  lua_pushcfunction(lua, &luaopen_string);
  lua_call(lua, 0, 1);
  lua_getfield(lua, -1, "format");
  const auto original = lua_tocfunction(lua, -1);
  lua_pop(lua, 1);
  take(lua, string_names);
  lua_pushcfunction(lua, original);
  lua_pushcclosure(lua, &format, 1);
  lua_setfield(lua, -2, "format");
  set(lua, "rep", &repeated);
  set(lua, "contains", &contains);
  set(lua, "starts_with", &starts_with);
  set(lua, "ends_with", &ends_with);
  make_strict(lua, "string.");
  // ("x"):upper() finds the same functions: the metatable that texts share came with the library.
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pop(lua, 2);
}

template <std::size_t N>
void open_part(lua_State* lua, lua_CFunction open, const char* const (&names)[N], const char* prefix) {
  lua_newtable(lua);
  lua_pushcfunction(lua, open);
  lua_call(lua, 0, 1);
  take(lua, names);
  make_strict(lua, prefix);
}

}  // namespace

void open_library(lua_State* lua) {
  lua_newtable(lua);
  lua_pushcfunction(lua, &luaopen_base);
  lua_call(lua, 0, 1);
  take(lua, base_names);
  set(lua, "tostring", &to_string);
  set(lua, "pairs", &sorted_pairs);
  set(lua, "print", &print);
  set(lua, "allow", &allow);
  set(lua, "deny", &deny);
  set(lua, "ask", &ask);
  set(lua, "find_member", &find_member);
  open_strings(lua);
  lua_setfield(lua, -2, "string");
  open_part(lua, &luaopen_table, table_names, "table.");
  lua_setfield(lua, -2, "table");
  open_part(lua, &luaopen_math, math_names, "math.");
  lua_setfield(lua, -2, "math");
  make_strict(lua, "");
  // What a chunk is compiled against; what the libraries put there themselves goes with the old table.
  lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

}  // namespace script
