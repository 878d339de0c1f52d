#include "plugin/call.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::plugin {

namespace {

// The plugin filled it in: it may have forgotten the end, or the encoding.
template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return text::label(std::string_view(field, ::strnlen(field, N)), N);
}

bool is_code(std::string_view code) {
  return !code.empty() && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::pair<int, std::string_view> mapped(lectern_status status, int invalid_status, std::string_view invalid_code) {
  switch (status) {
    case LECTERN_INVALID:
      return {invalid_status, invalid_code};
    case LECTERN_NOT_FOUND:
      return {404, "not_found"};
    case LECTERN_UNSUPPORTED:
      return {415, "unsupported"};
    case LECTERN_TOO_LARGE:
      return {413, "too_large"};
    case LECTERN_UNAVAILABLE:
      return {503, "unavailable"};
    case LECTERN_CONFLICT:
      return {409, "conflict"};
    default:
      return {500, "plugin_failed"};
  }
}

}  // namespace

lectern_error empty_error() {
  lectern_error error{};
  error.struct_size = sizeof error;
  return error;
}

Error call_error(const Generation& generation, std::string_view doing, lectern_status status,
                 const lectern_error& error, int invalid_status, std::string_view invalid_code) {
  const auto [http, fallback] = mapped(status, invalid_status, invalid_code);
  Error made;
  made.status = http;
  const std::string code = text_of(error.code);
  made.code = is_code(code) ? code : std::string(fallback);
  const std::string said = text_of(error.message);
  made.message = generation.id() + " could not " + std::string(doing) + (said.empty() ? "" : ": " + said);
  made.hint = text_of(error.hint);
  if (http == 500 && made.hint.empty())
    made.hint = "This is a fault of the plugin " + generation.id() + "; its author will want the log.";
  if (error.line != 0) {
    json::Writer(made.details).begin_object().member("line", error.line).member("column", error.column).end_object();
  }
  return made;
}

void check_answer(Checker& checker, std::string_view doing, lectern_status status, const lectern_error& error,
                  const char* thrown) noexcept {
  if (!checker.watches() || (thrown == nullptr && status == LECTERN_OK)) return;
  try {
    const auto broken = [&](const std::string& what) { checker.broken(Side::plugin, "[call]", doing, what); };
    if (thrown != nullptr) return broken(std::string(thrown) + ": every function is noexcept");
    if (status < LECTERN_OK || status > LECTERN_INTERNAL)
      broken("returned " + std::to_string(status) + ", which is no lectern_status");
    const auto look = [&](const auto& field, const char* name) {
      const std::string_view whole(field, sizeof field);
      const auto end = whole.find('\0');
      if (end == std::string_view::npos) broken("left lectern_error." + std::string(name) + " without an end");
      checker.check_utf8(whole.substr(0, end), doing, name);
    };
    look(error.code, "code");
    look(error.message, "message");
    look(error.hint, "hint");
  } catch (...) {  // out of memory for a report
  }
}

std::recursive_mutex& control_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

}  // namespace lectern::plugin
