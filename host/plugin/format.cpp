#include "plugin/format.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/large_buffer.hpp"
#include "base/text.hpp"
#include "lectern/abi/draft/format.h"
#include "plugin/call.hpp"
#include "plugin/checking.hpp"

namespace lectern::plugin {

namespace {

/// Takes what read() finds. Text inside the file is kept by reference, all other is copied into blocks.
class Builder {
 public:
  Builder(ReadNotebook& to, const FormatLimits& limits, const std::function<bool()>& is_text)
      : to_(to), limits_(limits), file_(*to.bytes), is_text_(is_text) {}

  lectern_status cells(const lectern_cell* cells, std::uint32_t stride, std::uint32_t n) {
    if (cells == nullptr || stride < sizeof(lectern_cell))
      return garbled("a batch of cells with stride " + std::to_string(stride));
    if (done_) return garbled("cells after the notebook");
    const char* at = reinterpret_cast<const char*>(cells);
    for (std::uint32_t i = 0; i < n; ++i, at += stride) {
      if (const auto status = cell(read_struct(reinterpret_cast<const lectern_cell*>(at))); status != LECTERN_OK)
        return status;
    }
    return LECTERN_OK;
  }

  lectern_status notebook(const lectern_notebook* raw) {
    if (raw == nullptr || done_) return garbled("a second notebook, or none");
    const lectern_notebook notebook = read_struct(raw);
    done_ = true;
    to_.changed = notebook.changed;
    const bool ok = take(notebook.metadata, to_.metadata) && take(notebook.original, to_.original) &&
                    take(notebook.language, to_.language);
    return ok ? LECTERN_OK : garbled("notebook metadata that is not UTF-8");
  }

  lectern_status notice(lectern_str said) {
    if (!sane(said, 64u << 10)) return garbled("a notice without text");
    if (to_.notices.size() < 100) to_.notices.push_back(text::label(view(said), 1000));
    return LECTERN_OK;
  }

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] const std::string& garbage() const { return garbage_; }
  [[nodiscard]] const std::string& over() const { return over_; }

 private:
  lectern_status garbled(std::string what) {
    garbage_ = "handed over " + std::move(what);
    return LECTERN_INVALID;
  }
  lectern_status too_large(std::string what) {
    over_ = std::move(what);
    return LECTERN_TOO_LARGE;
  }

  lectern_status cell(const lectern_cell& from) {
    const std::string which = "cell " + std::to_string(to_.cells.size() + 1);
    if (to_.cells.size() >= limits_.max_cells)
      return too_large("more than " + std::to_string(limits_.max_cells) + " cells (max_cells)");
    if (from.source.n > limits_.max_source_bytes)
      return too_large(which + " has a source of " + std::to_string(from.source.n) + " bytes, " +
                       std::to_string(limits_.max_source_bytes) + " are allowed (max_source_bytes)");
    FormatCell to;
    const bool ok = take(from.id, to.id) && take(from.cell_type, to.cell_type) && take(from.source, to.source) &&
                    take(from.metadata, to.metadata) && take(from.attachments, to.attachments) &&
                    take(from.outputs, to.outputs) && take(from.original, to.original);
    if (!ok) return garbled(which + " with text that is not UTF-8");
    if (to.id.empty() || to.id.size() > 256 || !ids_.insert(to.id).second)
      return garbled(which + " with the id \"" + text::label(to.id, 64) + "\", which is empty, too long or taken");
    if (to.cell_type != "code" && to.cell_type != "markdown" && to.cell_type != "raw")
      return garbled(which + " of type \"" + text::label(to.cell_type, 32) + "\"");
    to.execution_count = from.execution_count < 0 ? -1 : from.execution_count;
    to.changed = from.changed;
    to_.cells.push_back(to);
    return LECTERN_OK;
  }

  /// A view that lives as long as the notebook. False when the text is garbage.
  bool take(lectern_str from, std::string_view& to) {
    if (!sane(from, limits_.max_bytes * 8)) return false;
    if (from.n == 0) return true;
    const std::string_view shown = view(from);
    const auto start = reinterpret_cast<std::uintptr_t>(shown.data());
    const auto file = reinterpret_cast<std::uintptr_t>(file_.data());
    if (start >= file && start - file <= file_.size() && shown.size() <= file_.size() - (start - file)) {
      to = std::string_view(file_).substr(start - file, shown.size());
      return file_is_text() ? whole_characters(start - file, shown.size()) : text::valid_utf8(to);
    }
    if (!text::valid_utf8(shown)) return false;
    to = copy(shown);
    return true;
  }
  [[nodiscard]] bool file_is_text() {
    if (!file_is_text_) file_is_text_ = is_text_ ? is_text_() : text::valid_utf8(file_);
    return *file_is_text_;
  }
  /// Of a file that is UTF-8, a piece is too unless it cuts a character.
  [[nodiscard]] bool whole_characters(std::size_t at, std::size_t n) const {
    const auto continues = [&](std::size_t i) { return i < file_.size() && (file_[i] & 0xC0) == 0x80; };
    return !continues(at) && !continues(at + n);
  }
  std::string_view copy(std::string_view from) {
    constexpr std::size_t first_block = 4u << 10,
                          largest_block = 256u << 10;  // most notebooks need a few hundred bytes
    char* to = nullptr;
    if (from.size() > largest_block / 4) {
      to = keep(from.size());
    } else {
      if (from.size() > left_) {
        block_ = std::min(std::max({first_block, 2 * block_, from.size()}), largest_block);
        next_ = keep(block_);
        left_ = block_;
      }
      to = next_;
      next_ += from.size();
      left_ -= from.size();
    }
    std::memcpy(to, from.data(), from.size());
    return {to, from.size()};
  }
  char* keep(std::size_t bytes) {
    auto made = std::make_unique_for_overwrite<char[]>(bytes);
    char* at = made.get();
    to_.copies.push_back(std::move(made));
    return at;
  }

  ReadNotebook& to_;
  const FormatLimits& limits_;
  std::string_view file_;
  const std::function<bool()>& is_text_;
  std::optional<bool> file_is_text_;
  bool done_ = false;
  std::string garbage_, over_;
  std::unordered_set<std::string_view> ids_;
  char* next_ = nullptr;
  std::size_t left_ = 0, block_ = 0;  // of the last block: what is free, and what it had
};

template <class Body>
lectern_status caught(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}
/// Runs `body` on what was lent, while it is.
template <class Target, class Body>
lectern_status lent(void* ctx, const char* where, Body&& body) noexcept {
  auto* to = static_cast<Target*>(Lent::borrowed(ctx, where));
  return to == nullptr ? lectern_status{LECTERN_CONFLICT} : caught([&] { return body(*to); });
}
lectern_status on_cells(void* ctx, const lectern_cell* cells, std::uint32_t stride, std::uint32_t n) noexcept {
  return lent<Builder>(ctx, "lectern_notebook_builder.cells", [&](Builder& to) { return to.cells(cells, stride, n); });
}
lectern_status on_notebook(void* ctx, const lectern_notebook* notebook) noexcept {
  return lent<Builder>(ctx, "lectern_notebook_builder.notebook", [&](Builder& to) { return to.notebook(notebook); });
}
lectern_status on_notice(void* ctx, lectern_str said) noexcept {
  return lent<Builder>(ctx, "lectern_notebook_builder.notice", [&](Builder& to) { return to.notice(said); });
}
lectern_status on_bytes(void* ctx, lectern_str bytes) noexcept {
  return lent<std::string>(ctx, "lectern_sink.write", [&](std::string& to) {
    constexpr std::size_t most = 2ull << 30;
    if (!sane(bytes, most - to.size())) return lectern_status{LECTERN_TOO_LARGE};
    to.append(view(bytes));
    return lectern_status{LECTERN_OK};
  });
}

lectern_cell flat(const FormatCell& from) {
  lectern_cell to{};
  to.struct_size = sizeof to;
  to.changed = from.changed;
  to.id = to_abi(from.id);
  to.cell_type = to_abi(from.cell_type);
  to.source = to_abi(from.source);
  to.metadata = to_abi(from.metadata);
  to.attachments = to_abi(from.attachments);
  to.outputs = to_abi(from.outputs);
  to.execution_count = from.execution_count;
  to.original = to_abi(from.original);
  return to;
}

}  // namespace

struct Format::Inner {
  GenerationPtr generation;
  lectern_format abi{};
  std::vector<std::string> extensions;
};

Format::Format(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
Format::~Format() = default;

Result<std::shared_ptr<Format>> Format::create(GenerationPtr generation) {
  auto inner = std::make_unique<Inner>();
  inner->abi = read_struct(static_cast<const lectern_format*>(generation->interface()));
  inner->generation = std::move(generation);
  for (std::uint32_t i = 0; i < inner->abi.n_extensions; ++i)
    inner->extensions.emplace_back(view(inner->abi.extensions[i]));
  inner->generation->activate();
  return std::shared_ptr<Format>(new Format(std::move(inner)));
}

int Format::probe(std::string_view path, std::string_view head) const {
  lectern_error error = empty_error();
  std::int32_t sure = 0;
  (void)guarded(*inner_->generation, "look at a file", error, [&] {
    if (auto* remote = inner_->generation->remote()) {
      lectern_status status = LECTERN_OK;
      sure = remote->probe(path, head.substr(0, 4096), error, status);
      return status;
    }
    sure = may_throw(inner_->abi.probe)(to_abi(path), to_abi(head.substr(0, 4096)));
    return lectern_status{LECTERN_OK};
  });
  return std::clamp<int>(sure, 0, 100);
}

Result<ReadNotebook> Format::read(std::shared_ptr<const std::string> bytes, const FormatLimits& limits,
                                  const std::function<bool()>& is_text) const {
  Generation& generation = *inner_->generation;
  if (bytes->size() > limits.max_bytes) {
    return fail(413, "too_large",
                "the file has " + std::to_string(bytes->size()) + " bytes, " + std::to_string(limits.max_bytes) +
                    " are allowed",
                "Clear large outputs, or raise the limit in the configuration.");
  }
  ReadNotebook notebook;
  notebook.bytes = std::move(bytes);
  Builder builder(notebook, limits, is_text);
  const Loan<lectern_notebook_builder> loan(
      generation.checker(), &builder,
      {sizeof(lectern_notebook_builder), 0, nullptr, &on_cells, &on_notebook, &on_notice});
  const lectern_notebook_builder& out = *loan.get();
  const lectern_format_limits bounds{sizeof(lectern_format_limits), limits.max_depth, limits.max_bytes,
                                     limits.max_cells, limits.max_source_bytes};
  lectern_error error = empty_error();
  const auto status = guarded(generation, "read the file", error, [&] {
    if (auto* remote = generation.remote()) return remote->read(*notebook.bytes, bounds, out, error);
    return may_throw(inner_->abi.read)(to_abi(*notebook.bytes), &bounds, &out, &error);
  });
  if (!builder.over().empty())
    return fail(413, "too_large", "the notebook is too large: " + builder.over(),
                "Split the notebook, or raise the limit in the configuration.");
  std::string garbage = builder.garbage();
  if (garbage.empty() && status == LECTERN_OK && !builder.done()) garbage = "ended without handing over the notebook";
  if (!garbage.empty()) {
    generation.count_failure("read the file: " + garbage);
    return fail(500, "format_failed", generation.id() + " could not read the file: it " + garbage,
                "This is a fault of the format plugin.");
  }
  if (status == LECTERN_INTERNAL) {
    Error failed = call_error(generation, "read the file", status, error, 422, "malformed");
    failed.code = "format_failed";
    return fail(std::move(failed));
  }
  if (status != LECTERN_OK) return fail(call_error(generation, "read the file", status, error, 422, "malformed"));
  return notebook;
}

Result<std::string> Format::write(const WriteNotebook& notebook) const {
  std::vector<lectern_cell> cells;
  cells.reserve(notebook.cells.size());
  std::size_t expected = notebook.original.size() + 4096;
  for (const FormatCell& cell : notebook.cells) {
    cells.push_back(flat(cell));
    expected += cell.changed == 0 ? cell.original.size()
                                  : cell.source.size() + cell.outputs.size() + cell.metadata.size() + 256;
  }
  lectern_notebook flat_notebook{};
  flat_notebook.struct_size = sizeof flat_notebook;
  flat_notebook.changed = notebook.changed;
  flat_notebook.cell_stride = sizeof(lectern_cell);
  flat_notebook.n_cells = static_cast<std::uint32_t>(cells.size());
  flat_notebook.cells = cells.data();
  flat_notebook.metadata = to_abi(notebook.metadata);
  flat_notebook.original = to_abi(notebook.original);
  flat_notebook.language = to_abi(notebook.language);
  std::string file;
  reserve_large(file, expected);
  const Loan<lectern_sink> loan(inner_->generation->checker(), &file, {sizeof(lectern_sink), 0, nullptr, &on_bytes});
  const lectern_sink& sink = *loan.get();
  lectern_error error = empty_error();
  const auto status = guarded(*inner_->generation, "write the file", error, [&] {
    if (auto* remote = inner_->generation->remote()) return remote->write(flat_notebook, sink, error);
    return may_throw(inner_->abi.write)(&flat_notebook, &sink, &error);
  });
  if (status == LECTERN_OK) return file;
  Error failed = call_error(*inner_->generation, "write the file", status, error, 422, "unwritable");
  if (failed.status == 500) failed.code = "format_failed";
  return fail(std::move(failed));
}

const std::string& Format::id() const {
  return inner_->generation->id();
}
const std::vector<std::string>& Format::extensions() const {
  return inner_->extensions;
}
const GenerationPtr& Format::generation() const {
  return inner_->generation;
}

}  // namespace lectern::plugin
