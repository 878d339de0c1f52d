#include "document/notebook_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <thread>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "document/atomic_file.hpp"
#include "document/content_sum.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

Fingerprint fingerprint_of(std::string_view bytes, std::int64_t mtime_ns) {
  return {sum_of(bytes), bytes.size(), mtime_ns};
}

std::string known_extensions(const Formats& formats) {
  std::string names;
  for (const auto& format : formats) {
    for (const auto& extension : format->extensions()) names += (names.empty() ? "" : ", ") + extension;
  }
  return names.empty() ? "none: no format plugin is loaded" : names;
}

tl::unexpected<Error> unknown_format(const std::string& path, const Formats& formats) {
  return fail(415, "unknown_format", "No format plugin reads " + path + ".",
              "Known extensions: " + known_extensions(formats) + ".");
}

bool ends_with_extension(std::string_view path, std::string_view extension) {
  if (path.size() <= extension.size()) return false;
  const auto end = path.substr(path.size() - extension.size());
  return std::equal(end.begin(), end.end(), extension.begin(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
  });
}

plugin::FormatPtr surest(const std::string& path, std::string_view bytes, const Formats& formats) {
  plugin::FormatPtr best;
  int sure = 0;
  for (const auto& format : formats) {
    const int how = format->probe(path, bytes.substr(0, 4096));
    if (how > sure) {
      sure = how;
      best = format;
    }
  }
  return best;
}

bool writable(const std::string& path) {
  return may_write(folder_of(path)) && may_write(path);
}

}  // namespace

Result<plugin::FormatPtr> format_for_path(const std::string& path, const Formats& formats) {
  for (const auto& format : formats) {
    for (const auto& extension : format->extensions()) {
      if (ends_with_extension(path, extension)) return format;
    }
  }
  return unknown_format(path, formats);
}

bool looks_like_notebook(const std::string& path, const Formats& formats) {
  if (!format_for_path(path, formats)) return false;
  const auto file = open_no_links(path, O_RDONLY | O_NONBLOCK);
  std::string head(4096, '\0');
  const auto size = file ? ::read(file->get(), head.data(), head.size()) : -1;
  if (size < 0) return false;
  head.resize(static_cast<std::size_t>(size));
  return std::any_of(formats.begin(), formats.end(),
                     [&](const plugin::FormatPtr& format) { return format->probe(path, head) >= 50; });
}

Result<std::optional<FileNow>> file_now(const std::string& path) {
  ContentSum sum;
  const auto state = read_in_pieces(
      path, [&] { sum.begin(); }, [&](std::string_view piece) { sum.update(piece); });
  if (!state && state.error().code == "not_found") return std::nullopt;
  if (!state) return fail(state.error());
  return FileNow{*state, {sum.hex(), state->size, state->mtime_ns}};
}

Result<Fingerprint> fingerprint(const std::string& path) {
  LECTERN_TRY(const auto now, file_now(path));
  return now ? now->print : Fingerprint{};
}

namespace {

// Formats and the host name a limit by the word of the interface; people set it by ours.
Error naming_the_setting(Error error) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {{"max_bytes", "max-notebook-bytes"},
                                                                            {"max_cells", "max-notebook-cells"},
                                                                            {"max_depth", "max-notebook-depth"},
                                                                            {"max_source_bytes", "max-cell-bytes"}};
  for (const auto& [limit, setting] : names) {
    if (error.details.find(limit) == std::string::npos && error.message.find(limit) == std::string::npos) continue;
    error.hint = "Raise the setting " + std::string(setting) + ", or make the notebook smaller.";
  }
  return error;
}

}  // namespace

Status check_nesting(const LoadedNotebook& notebook, std::uint32_t most) {
  const auto check = [&](std::string_view json, const std::string& where) -> Status {
    std::uint32_t depth = 0;
    bool text = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
      const char c = json[i];
      if (text) {
        if (c == '\\') ++i;
        text = c != '"';
      } else if (c == '"') {
        text = true;
      } else if (c == ']' || c == '}') {
        --depth;
      } else if ((c == '[' || c == '{') && ++depth > most) {
        return fail(422, "malformed", where + " is nested deeper than " + std::to_string(most) + " levels",
                    "A document keeps metadata no deeper than that.");
      }
    }
    return {};
  };
  LECTERN_CHECK(check(notebook.metadata, "the notebook's metadata"));
  for (std::size_t i = 0; i < notebook.cells.size(); ++i) {
    const auto where = "cells[" + std::to_string(i) + "]";
    LECTERN_CHECK(check(notebook.cells[i].metadata, where + ".metadata"));
    LECTERN_CHECK(check(notebook.cells[i].attachments, where + ".attachments"));
  }
  return {};
}

Result<std::shared_ptr<const LoadedNotebook>> load(const std::string& path, const Formats& formats,
                                                   const FileLimits& limits) {
  auto whole = read_whole(path, limits.max_bytes);
  if (!whole) return fail(naming_the_setting(std::move(whole).error()));
  auto& file = *whole;
  const plugin::FormatPtr format = surest(path, file.bytes, formats);
  if (format == nullptr) return unknown_format(path, formats);
  const auto bytes = std::make_shared<const std::string>(std::move(file.bytes));
  // Hashing takes as long as parsing: side by side they cost one of the two. What parsing waits for comes first.
  Fingerprint print;
  std::promise<bool> is_text;
  std::thread hashing([&] {
    is_text.set_value(text::valid_utf8(*bytes));
    print = fingerprint_of(*bytes, file.state.mtime_ns);
  });
  plugin::FormatLimits format_limits;
  format_limits.max_bytes = limits.max_bytes;
  format_limits.max_cells = limits.max_cells;
  format_limits.max_source_bytes = limits.max_source_bytes;
  format_limits.max_depth = limits.max_depth;
  auto read = format->read(bytes, format_limits, [&] { return is_text.get_future().get(); });
  hashing.join();
  if (!read) {
    Error error = naming_the_setting(std::move(read).error());
    error.message = path + ": " + error.message;
    return fail(std::move(error));
  }
  auto loaded = std::make_shared<LoadedNotebook>();
  static_cast<plugin::ReadNotebook&>(*loaded) = std::move(*read);
  loaded->format = format;
  loaded->fingerprint = std::move(print);
  if (file.settled) loaded->read_in = file.state;
  loaded->writable = writable(path);
  return std::shared_ptr<const LoadedNotebook>(std::move(loaded));
}

std::string to_json(const Fingerprint& print) {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("sum", print.sum)
      .member("size", std::uint64_t{print.size})
      .member("mtime_ns", std::int64_t{print.mtime_ns})
      .end_object();
  return out;
}

std::optional<Fingerprint> fingerprint_from_json(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return std::nullopt;
  const auto* sum = value->find("sum");
  const auto* size = value->find("size");
  const auto* mtime = value->find("mtime_ns");
  if (sum == nullptr || sum->as_string() == nullptr || size == nullptr || !size->as_uint()) return std::nullopt;
  return Fingerprint{*sum->as_string(), *size->as_uint(), mtime == nullptr ? 0 : mtime->as_int().value_or(0)};
}

}  // namespace lectern::document
