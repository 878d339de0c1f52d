// A format in use: probe, write a new notebook, read it back, write it unchanged.
#include "allocation.hpp"
#include "lectern/abi/draft/format.h"
#include "use.hpp"

namespace lectern::validate {

namespace {

struct Kept {
  std::string id, type, source, metadata, attachments, outputs, original;
  std::int64_t execution_count = -1;
  std::uint32_t changed = 0;
};

class UsedFormat final : public Use {
 public:
  explicit UsedFormat(const void* interface) : format_(*static_cast<const lectern_format*>(interface)) {
    path_ = "notebook" + (format_.n_extensions == 0 ? std::string() : std::string(view(format_.extensions[0])));
  }

  StepResult create(lectern_error*) override { return {}; }  // a format has no object
  std::string destroy() override { return {}; }
  [[nodiscard]] int steps() const override { return 4; }
  [[nodiscard]] std::string name(int step) const override {
    constexpr const char* names[] = {"write a new notebook", "probe it", "read it", "write it unchanged"};
    return names[step];
  }
  StepResult step(int step) override {
    switch (step) {
      case 0:
        return write_new();
      case 1:
        return probe();
      case 2:
        return read();
      default:
        return write_back();
    }
  }

 private:
  StepResult write(const lectern_notebook& notebook, std::string& to) {
    written_.clear();
    lectern_error error = empty_error();
    const Longer<lectern_notebook> long_notebook(notebook, extra);
    const Longer<lectern_sink> sink(lectern_sink{sizeof(lectern_sink), 0, this, &on_bytes}, extra);
    auto result = call([&] { return may_throw(format_.write)(long_notebook.data(), sink.data(), &error); });
    result.text = written_;
    if (result.status == LECTERN_OK && result.thrown.empty()) to = written_;
    return result;
  }

  StepResult write_new() {
    lectern_cell code{};
    code.struct_size = sizeof code;
    code.changed = LECTERN_CELL_NEW;
    code.id = to_abi("first");
    code.cell_type = to_abi("code");
    code.source = to_abi("x = 1\nprint(x)");
    code.metadata = to_abi("{}");
    code.execution_count = -1;
    lectern_cell text = code;
    text.id = to_abi("second");
    text.cell_type = to_abi("markdown");
    text.source = to_abi("# A title");
    const Longer<lectern_cell> cells({code, text}, extra);
    lectern_notebook notebook{};
    notebook.struct_size = sizeof notebook;
    notebook.changed = LECTERN_NOTEBOOK_NEW;
    notebook.cell_stride = cells.stride();
    notebook.n_cells = 2;
    notebook.cells = cells.data();
    notebook.metadata = to_abi("{}");
    notebook.language = to_abi("python");
    return write(notebook, file_);
  }

  StepResult probe() {
    int sure = 0;
    auto result = call([&] {
      sure = may_throw(format_.probe)(to_abi(path_), to_abi(std::string_view(file_).substr(0, 4096)));
      return lectern_status{LECTERN_OK};
    });
    result.text = std::to_string(sure);
    return result;
  }

  StepResult read() {
    cells_.clear();
    std::string text;
    const lectern_format_limits limits{sizeof(lectern_format_limits), 128, 1u << 20, 1000, 1u << 20};
    const Longer<lectern_format_limits> long_limits(limits, extra);
    const lectern_notebook_builder builder{
        sizeof(lectern_notebook_builder), 0, this, &on_cells, &on_notebook, &on_notice};
    const Longer<lectern_notebook_builder> long_builder(builder, extra);
    lectern_error error = empty_error();
    auto result =
        call([&] { return may_throw(format_.read)(to_abi(file_), long_limits.data(), long_builder.data(), &error); });
    for (const Kept& cell : cells_) result.text += cell.id + "," + cell.type + "," + cell.source + ";";
    result.text += around_;
    return result;
  }

  StepResult write_back() {
    std::vector<lectern_cell> flat;
    for (const Kept& kept : cells_) {
      lectern_cell cell{};
      cell.struct_size = sizeof cell;
      cell.changed = kept.changed;
      cell.id = to_abi(kept.id);
      cell.cell_type = to_abi(kept.type);
      cell.source = to_abi(kept.source);
      cell.metadata = to_abi(kept.metadata);
      cell.attachments = to_abi(kept.attachments);
      cell.outputs = to_abi(kept.outputs);
      cell.execution_count = kept.execution_count;
      cell.original = to_abi(kept.original);
      flat.push_back(cell);
    }
    const Longer<lectern_cell> cells(flat, extra);
    lectern_notebook notebook{};
    notebook.struct_size = sizeof notebook;
    notebook.changed = changed_;
    notebook.cell_stride = cells.stride();
    notebook.n_cells = static_cast<std::uint32_t>(flat.size());
    notebook.cells = cells.data();
    notebook.metadata = to_abi(metadata_);
    notebook.original = to_abi(around_);
    notebook.language = to_abi(language_);
    std::string unused;
    return write(notebook, unused);
  }

  static lectern_status on_bytes(void* ctx, lectern_str bytes) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedFormat*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.written_ += view(bytes);
    return LECTERN_OK;
  }
  static lectern_status on_cells(void* ctx, const lectern_cell* cells, std::uint32_t stride, std::uint32_t n) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedFormat*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    const char* at = reinterpret_cast<const char*>(cells);
    for (std::uint32_t i = 0; i < n; ++i, at += stride) {
      const auto& cell = *reinterpret_cast<const lectern_cell*>(at);
      to.cells_.push_back({std::string(view(cell.id)), std::string(view(cell.cell_type)),
                           std::string(view(cell.source)), std::string(view(cell.metadata)),
                           std::string(view(cell.attachments)), std::string(view(cell.outputs)),
                           std::string(view(cell.original)), cell.execution_count, cell.changed});
    }
    return LECTERN_OK;
  }
  static lectern_status on_notebook(void* ctx, const lectern_notebook* notebook) noexcept {
    const Unlimited unlimited;
    auto& to = *static_cast<UsedFormat*>(ctx);
    if (const auto status = to.sinks.take(); status != LECTERN_OK) return status;
    to.changed_ = notebook->changed;
    to.metadata_ = view(notebook->metadata);
    to.around_ = view(notebook->original);
    to.language_ = view(notebook->language);
    return LECTERN_OK;
  }
  static lectern_status on_notice(void* ctx, lectern_str) noexcept {
    return static_cast<UsedFormat*>(ctx)->sinks.take();
  }

  lectern_format format_;
  std::string path_, file_, written_, metadata_, around_, language_;
  std::uint32_t changed_ = 0;
  std::vector<Kept> cells_;
};

}  // namespace

std::unique_ptr<Use> use_format(const void* interface) {
  return std::make_unique<UsedFormat>(interface);
}

}  // namespace lectern::validate
