// What crosses between a host and a lectern-plugin-host: frames of a u32 LE length, a type byte and a payload, and how
// values lie in a payload. Both ends are of the same build, so there is no version; the child's side is never believed.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "lectern/abi/base.h"

namespace lectern::isolation {

enum class FrameType : std::uint8_t {
  hello = 1,  // host: what to load, under which limits
  call,       // host: one call
  ack,        // host: what the sinks said to a batch of records
  ping,       // host
  ready,      // child: loaded; the constants of its interface
  refused,    // child: not loaded, with the Error
  records,    // child: what the plugin wrote so far; waits for an ack
  done,       // child: the call has ended; the last records
  pong,       // child
  done_slow,  // child: a call of the slow lane has ended
  event,      // child: what a runtime tells, at any time
};

/// Which of a child's two threads makes a call. One that may wait (starting a kernel) holds up none that may not.
enum class Lane : std::uint8_t { quick, slow };

enum class Op : std::uint8_t {
  format_probe = 1,
  format_read,
  format_write,
  policy_create,
  policy_destroy,
  policy_reduce,
  presence_open,
  presence_close,
  presence_publish,
  presence_remove,
  presence_snapshot,
  health,
  // of kinds that a Line talks to; the first byte behind it is the Lane
  transport_create,
  transport_destroy,
  transport_open,
  transport_receive,
  transport_encode,
  transport_close,
  runtime_create,
  runtime_destroy,
  runtime_kernels,
  runtime_start,
  runtime_execute,
  runtime_interrupt,
  runtime_restart,
  runtime_shutdown,
  runtime_input,
  runtime_request,
  runtime_comm,
  runtime_forget_cell
};

enum class Record : std::uint8_t {
  cells = 1,
  bad_cells,
  notebook,
  notice,
  bytes,
  effect,
  state,
  found,
  rejected,
  message,
  frame
};

constexpr std::size_t frame_head = 5;
/// The most one frame of the child may hold when a notebook crosses: a cell's text in full. Read as it comes, never
/// allocated on its word.
constexpr std::uint32_t most_from_child = 768u << 20;
/// The same where no notebook crosses.
constexpr std::uint32_t most_small = 4u << 20;
/// Of one event of a runtime; a longer one is dropped by the child, which says so.
constexpr std::uint32_t most_event = 128u << 20;
constexpr std::uint32_t most_to_child = 0xFFFF'0000u;
/// A text the plugin hands over that is longer crosses as its length alone; every receiver's limit is lower.
constexpr std::uint64_t most_text = 640u << 20;
/// Of a presence record and of where it was found this much crosses: enough for the host to see that it is too much.
constexpr std::size_t most_presence_record = (1u << 20) + 1, most_presence_origin = 4096;
/// Records are sent on when they are this many bytes, so a plugin hears of a full sink a batch later, never not at all.
constexpr std::size_t batch_bytes = 256u << 10;

class Packer {
 public:
  template <class T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view from) {
    number<std::uint64_t>(from.size());
    out_.append(from);
  }
  /// A text as the interface has it: garbage stays garbage (a length without bytes), and what lies inside `shared`
  /// (which both sides have) goes as its place there.
  void text(lectern_str from, std::string_view shared = {}) {
    const auto at = reinterpret_cast<std::uintptr_t>(from.p) - reinterpret_cast<std::uintptr_t>(shared.data());
    if (from.n != 0 && (from.p == nullptr || from.n > most_text)) {
      number(Text::garbage);
      number(from.n);
    } else if (from.n != 0 && !shared.empty() && at <= shared.size() && from.n <= shared.size() - at) {
      number(Text::shared);
      number<std::uint64_t>(at);
      number(from.n);
    } else {
      number(Text::here);
      text(std::string_view(from.n == 0 ? "" : from.p, static_cast<std::size_t>(from.n)));
    }
  }
  [[nodiscard]] std::string& bytes() { return out_; }
  [[nodiscard]] std::size_t size() const { return out_.size(); }

 private:
  friend class Unpacker;
  enum class Text : std::uint8_t { here = 0, shared = 1, garbage = 2 };
  std::string out_;
};

/// Reads what a Packer wrote. Past the end, or over a lie, everything is zero and ok() false.
class Unpacker {
 public:
  explicit Unpacker(std::string_view from) : left_(from) {}
  template <class T>
  T number() {
    T value{};
    if (left_.size() < sizeof value) {
      lie();
      return T{};
    }
    std::memcpy(&value, left_.data(), sizeof value);
    left_.remove_prefix(sizeof value);
    return value;
  }
  /// Zeros when there are not as many.
  void bytes(void* to, std::size_t size) {
    if (size == 0) return;  // `to` may be null then, which memset and memcpy are never given
    std::memset(to, 0, size);
    if (left_.size() < size) return lie();
    std::memcpy(to, left_.data(), size);
    left_.remove_prefix(size);
  }
  std::string_view text() {
    const auto n = number<std::uint64_t>();
    if (n > left_.size()) {
      lie();
      return {};
    }
    const auto shown = left_.substr(0, static_cast<std::size_t>(n));
    left_.remove_prefix(shown.size());
    return shown;
  }
  lectern_str abi_text(std::string_view shared = {}) {
    const auto how = number<Packer::Text>();
    if (how == Packer::Text::garbage) return {nullptr, number<std::uint64_t>()};
    if (how == Packer::Text::shared) {
      const auto at = number<std::uint64_t>();
      const auto n = number<std::uint64_t>();
      if (at <= shared.size() && n <= shared.size() - at) return {shared.data() + at, n};
      lie();
      return {};
    }
    if (how != Packer::Text::here) lie();
    const auto shown = text();
    return {shown.data(), shown.size()};
  }
  /// A text written as a string_view, in the interface's shape.
  lectern_str abi_view() {
    const auto shown = text();
    return {shown.data(), shown.size()};
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool empty() const { return left_.empty(); }
  [[nodiscard]] std::string_view rest() const { return left_; }

 private:
  void lie() {
    ok_ = false;
    left_ = {};
  }
  std::string_view left_;
  bool ok_ = true;
};

/// How a call ended, in a `done` frame behind the news.
inline void pack_end(Packer& to, lectern_status status, const lectern_error& error) {
  to.number(status);
  if (status == LECTERN_OK) return;
  to.number(error.line);
  to.number(error.column);
  to.text(std::string_view(error.code, sizeof error.code));
  to.text(std::string_view(error.message, sizeof error.message));
  to.text(std::string_view(error.hint, sizeof error.hint));
}
inline lectern_status unpack_end(Unpacker& from, lectern_error& error) {
  const auto status = from.number<lectern_status>();
  if (status == LECTERN_OK) return status;
  error.line = from.number<std::uint64_t>();
  error.column = from.number<std::uint64_t>();
  const auto take = [&](char* to, std::size_t size) {
    const auto text = from.text();
    std::memset(to, 0, size);
    if (text.size() == size) std::memcpy(to, text.data(), size);
  };
  take(error.code, sizeof error.code);
  take(error.message, sizeof error.message);
  take(error.hint, sizeof error.hint);
  return status;
}

}  // namespace lectern::isolation
