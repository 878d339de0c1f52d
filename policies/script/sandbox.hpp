// A Lua interpreter for one decision: fresh, so that nothing is remembered; with little to call, so that the same room
// gives the same answer; and cut off when it takes too much.
#pragma once

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace script {

/// What one decision may use. Fixed numbers instead of a clock: a script that fits, fits on every machine.
constexpr int max_instructions = 500'000;
constexpr std::size_t max_memory = 8u << 20;       // at any one time
constexpr std::size_t max_allocated = 128u << 20;  // altogether: building and dropping long texts costs time too
constexpr int max_log_lines = 20;

class Sandbox {
 public:
  /// Throws a Failure when there is no memory.
  Sandbox();
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// Runs `body` where Lua's errors may be raised: outside of it, an error of Lua would end the process. What goes
  /// wrong, limits included, is thrown as a Failure with Lua's words, which begin with "<script>:<line>:".
  void run(const std::function<void(lua_State*)>& body);

  /// Compiles source text (never bytecode), named `name` in messages.
  void compile(std::string_view source, const std::string& name);
  /// What compile() made, to be loaded by another sandbox without compiling again.
  std::string dump();
  void load(std::string_view dumped);
  /// Runs what was compiled or loaded: its globals are there then.
  void start();

  /// True when the script defines the global function `name`.
  bool defines(const char* name);

 private:
  struct Budget {
    std::size_t live = 0, allocated = 0;
    int used = 0;  // instructions, or what is worth as many
    int log_lines = 0;
  };
  static void* allocate(void* budget, void* block, std::size_t old_size, std::size_t new_size);
  static void count(lua_State* lua, lua_Debug* where);
  static Budget& budget_of(lua_State* lua);
  friend void charge(lua_State* lua, std::size_t work);
  friend bool may_log(lua_State* lua);

  Budget budget_;
  lua_State* lua_;
};

/// Inside run(): counts work that a function of ours does as if it were instructions of the script.
void charge(lua_State* lua, std::size_t work);
/// Inside run(): false once the script has logged enough in this decision.
bool may_log(lua_State* lua);
/// Inside run(): makes the globals that a script finds (library.cpp).
void open_library(lua_State* lua);

}  // namespace script
