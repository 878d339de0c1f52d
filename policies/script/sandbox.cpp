#include "sandbox.hpp"

#include <lectern/sdk/failure.hpp>

#include <cstdlib>
#include <exception>
#include <new>

namespace script {
namespace {

using lectern::sdk::Failure;

constexpr int batch = 1000;  // instructions between two looks at the budget

/// "turns.lua:7: …" → 7
std::uint64_t line_in(std::string_view message) {
  const auto colon = message.find(':');
  std::uint64_t line = 0;
  if (colon == std::string_view::npos) return 0;
  for (auto at = colon + 1; at < message.size() && message[at] >= '0' && message[at] <= '9'; ++at) {
    line = line * 10 + static_cast<std::uint64_t>(message[at] - '0');
  }
  return line;
}

/// Without this, an error outside of run() would end the process.
int no_protection(lua_State* lua) {
  (void)lua;
  throw Failure(LECTERN_INTERNAL, "Lua failed outside of a protected call");
}

struct Call {
  const std::function<void(lua_State*)>* body;
  std::exception_ptr problem;
};

// Lua is its C++ build here: its errors are exceptions, so destructors run. But it swallows exceptions that are not its
// own, so ours are carried around it.
int protected_body(lua_State* lua) {
  auto* call = static_cast<Call*>(lua_touserdata(lua, 1));
  lua_settop(lua, 0);
  try {
    (*call->body)(lua);
    return 0;
  } catch (const std::exception&) {
    call->problem = std::current_exception();
  }
  return luaL_error(lua, "a failure of the host");
}

int append_to(lua_State*, const void* bytes, std::size_t size, void* text) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), size);
  return 0;
}

}  // namespace

void* Sandbox::allocate(void* budget, void* block, std::size_t old_size, std::size_t new_size) {
  auto& used = *static_cast<Budget*>(budget);
  const std::size_t before = block == nullptr ? 0 : old_size;  // without a block, old_size is a type
  if (new_size == 0) {
    std::free(block);  // NOLINT(*-no-malloc): Lua asks for realloc
    used.live -= before;
    return nullptr;
  }
  if (new_size > before) {
    const auto more = new_size - before;
    if (more > max_memory - used.live || more > max_allocated - used.allocated) return nullptr;
  }
  void* made = std::realloc(block, new_size);  // NOLINT(*-no-malloc)
  if (made == nullptr) return new_size <= before ? block : nullptr;
  if (new_size > before) used.allocated += new_size - before;
  used.live = used.live - before + new_size;
  return made;
}

Sandbox::Budget& Sandbox::budget_of(lua_State* lua) {
  return **static_cast<Budget**>(lua_getextraspace(lua));
}

void charge(lua_State* lua, std::size_t work) {
  auto& used = Sandbox::budget_of(lua).used;
  if (work < max_instructions && used + static_cast<int>(work) <= max_instructions) {
    used += static_cast<int>(work);
    return;
  }
  used = max_instructions + 1;
  luaL_where(lua, 0);
  if (*lua_tostring(lua, -1) == '\0') luaL_where(lua, 1);  // a function of ours was running: its caller has a line
  lua_pushliteral(lua, "stopped after too many steps: is there a loop that does not end?");
  lua_concat(lua, 2);
  lua_error(lua);
}

bool may_log(lua_State* lua) {
  return ++Sandbox::budget_of(lua).log_lines <= max_log_lines;
}

void Sandbox::count(lua_State* lua, lua_Debug*) {
  charge(lua, batch);
}

Sandbox::Sandbox() : lua_(lua_newstate(&allocate, &budget_)) {
  if (lua_ == nullptr) throw std::bad_alloc();
  lua_atpanic(lua_, &no_protection);
  *static_cast<Budget**>(lua_getextraspace(lua_)) = &budget_;
  try {
    run(&open_library);
  } catch (...) {
    lua_close(lua_);
    throw;
  }
  lua_sethook(lua_, &count, LUA_MASKCOUNT, batch);
}

Sandbox::~Sandbox() {
  lua_close(lua_);
}

void Sandbox::run(const std::function<void(lua_State*)>& body) {
  Call call{&body, nullptr};
  lua_settop(lua_, 0);
  lua_pushcfunction(lua_, &protected_body);
  lua_pushlightuserdata(lua_, &call);
  const int status = lua_pcall(lua_, 1, 0, 0);
  if (call.problem) std::rethrow_exception(call.problem);
  if (status == LUA_OK) return;
  if (status == LUA_ERRMEM) {
    throw Failure(LECTERN_TOO_LARGE, "the script needs too much memory",
                  "A decision may use " + std::to_string(max_memory >> 20) + " MiB at a time and " +
                      std::to_string(max_allocated >> 20) + " MiB altogether.");
  }
  std::string message = "an error that is no text";
  if (lua_type(lua_, -1) == LUA_TSTRING) {
    std::size_t n = 0;
    const char* text = lua_tolstring(lua_, -1, &n);
    message.assign(text, n);
  }
  const auto line = line_in(message);
  throw Failure(LECTERN_INVALID, std::move(message)).at(line, 0);
}

// The chunk waits in the registry, under an address nobody else has.
void Sandbox::compile(std::string_view source, const std::string& name) {
  run([&](lua_State* lua) {
    if (luaL_loadbufferx(lua, source.data(), source.size(), ("=" + name).c_str(), "t") != LUA_OK) lua_error(lua);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, this);
  });
}

std::string Sandbox::dump() {
  std::string made;
  run([&](lua_State* lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, this);
    lua_dump(lua, &append_to, &made, 0);  // with its lines: messages name them
  });
  return made;
}

void Sandbox::load(std::string_view dumped) {
  run([&](lua_State* lua) {
    if (luaL_loadbufferx(lua, dumped.data(), dumped.size(), "=script", "b") != LUA_OK) lua_error(lua);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, this);
  });
}

void Sandbox::start() {
  run([&](lua_State* lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, this);
    lua_call(lua, 0, 0);
  });
}

bool Sandbox::defines(const char* name) {
  bool found = false;
  run([&](lua_State* lua) {
    lua_pushglobaltable(lua);
    lua_pushstring(lua, name);
    found = lua_rawget(lua, -2) == LUA_TFUNCTION;
  });
  return found;
}

}  // namespace script
