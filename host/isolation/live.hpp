// The child's side of a Line: a transport or a runtime, its one object, and two threads to call it on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "isolation/outbox.hpp"
#include "lectern/abi/draft/runtime.h"
#include "lectern/abi/draft/transport.h"
#include "lectern/abi/ext/cells.h"
#include "plugin/checking.hpp"
#include "plugin/generation.hpp"

namespace lectern::isolation {

class Live {
 public:
  /// `news` is called on the quick thread, which is the one that calls call().
  Live(const Socket& socket, plugin::Generation& generation, std::function<std::string()> news);
  ~Live();
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  /// True for the kinds a Line talks to.
  static bool speaks(plugin::Kind kind) { return kind == plugin::Kind::transport || kind == plugin::Kind::runtime; }
  /// The constants of the interface, for `ready`.
  void announce(Packer& to);
  /// One call, answered by itself: at once, or later when it is of the slow lane.
  void call(std::string payload);

 private:
  class Slow;
  struct Answer {
    lectern_error error;
    Packer records;
  };
  void make(std::string_view payload, bool slow);
  lectern_status transport(Op op, Unpacker& from, Answer& to);
  lectern_status runtime(Op op, Unpacker& from, Answer& to);
  lectern_status open(Unpacker& from, Answer& to);
  lectern_status receive(Unpacker& from, Answer& to);
  lectern_status encode(Unpacker& from, Answer& to);
  lectern_status comm(Unpacker& from);
  lectern_status create_runtime(Unpacker& from, Answer& to);
  void tell(std::uint64_t kernel, const lectern_runtime_event* raw);
  static void on_event(void* ctx, std::uint64_t kernel, const lectern_runtime_event* event) noexcept;

  const Socket& socket_;
  plugin::Generation& generation_;
  const std::function<std::string()> news_;
  lectern_transport transport_{};
  lectern_runtime runtime_{};
  lectern_cells cells_{};  // all null when the runtime does not offer it
  void* self_ = nullptr;
  std::set<std::uint64_t> connections_, encodings_;
  std::atomic<bool> started_{false};  // a kernel was: before, there is nothing to tell
  std::unique_ptr<plugin::Loan<lectern_runtime_out>> out_;
  std::unique_ptr<Slow> slow_;
};

}  // namespace lectern::isolation
