// Formats through the proxy.
#include <utility>
#include <vector>

#include "isolation/remote.hpp"
#include "isolation/seats.hpp"

namespace lectern::isolation {

namespace {

constexpr std::size_t most_cells_at_once = 1024;
constexpr int patience_ms = 2000;
constexpr Deadline to_probe{2000, 10'000};

Deadline to_format(std::size_t bytes) {
  const int soft = 10'000 + static_cast<int>(bytes / 10'000);  // 10 s, and a second for each 10 MB
  return {soft, soft * 3};
}

void pack_cell(Packer& to, const lectern_cell& cell) {
  to.number(cell.changed);
  to.number(cell.execution_count);
  for (const lectern_str text :
       {cell.id, cell.cell_type, cell.source, cell.metadata, cell.attachments, cell.outputs, cell.original})
    to.text(text);
}

/// Hands a batch of what a format read to the builder. What makes no sense is a batch the builder refuses.
lectern_status replay_read(std::string_view records, std::string_view file, const lectern_notebook_builder& out) {
  Unpacker from(records);
  std::vector<lectern_cell> cells;
  lectern_status status = LECTERN_OK;
  const auto hand_over = [&] {
    if (cells.empty() || status != LECTERN_OK) return;
    status = out.cells(out.ctx, cells.data(), sizeof(lectern_cell), static_cast<std::uint32_t>(cells.size()));
    cells.clear();
  };
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    switch (from.number<Record>()) {
      case Record::cells: {
        lectern_cell cell{};
        cell.struct_size = sizeof cell;
        cell.changed = from.number<std::uint32_t>();
        cell.execution_count = from.number<std::int64_t>();
        for (lectern_str* text : {&cell.id, &cell.cell_type, &cell.source, &cell.metadata, &cell.attachments,
                                  &cell.outputs, &cell.original})
          *text = from.abi_text(file);
        if (from.ok()) cells.push_back(cell);
        if (cells.size() >= most_cells_at_once) hand_over();
        break;
      }
      case Record::bad_cells:
        hand_over();
        if (status == LECTERN_OK) status = out.cells(out.ctx, nullptr, from.number<std::uint32_t>(), 1);
        break;
      case Record::notebook: {
        hand_over();
        lectern_notebook notebook{};
        notebook.struct_size = sizeof notebook;
        const bool there = from.number<std::uint8_t>() != 0;
        notebook.changed = from.number<std::uint32_t>();
        for (lectern_str* text : {&notebook.metadata, &notebook.original, &notebook.language})
          *text = from.abi_text(file);
        if (from.ok() && status == LECTERN_OK) status = out.notebook(out.ctx, there ? &notebook : nullptr);
        break;
      }
      case Record::notice: {
        hand_over();
        const auto said = from.abi_text();
        if (from.ok() && status == LECTERN_OK) status = out.notice(out.ctx, said);
        break;
      }
      default:
        return out.cells(out.ctx, nullptr, 0, 1);
    }
  }
  hand_over();
  if (!from.ok()) return out.cells(out.ctx, nullptr, 0, 1);
  return status;
}

lectern_status replay_bytes(std::string_view records, const lectern_sink& out) {
  Unpacker from(records);
  lectern_status status = LECTERN_OK;
  while (from.ok() && !from.empty() && status == LECTERN_OK) {
    if (from.number<Record>() != Record::bytes) return LECTERN_INTERNAL;
    const auto bytes = from.abi_text();
    if (from.ok()) status = out.write(out.ctx, bytes);
  }
  return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
}

}  // namespace

std::int32_t Remote::probe(std::string_view path, std::string_view head, lectern_error& error, lectern_status& status) {
  const Turn turn = any_turn();
  Packer to = request(Op::format_probe);
  to.text(path);
  to.text(head);
  const auto awake = turn->wake(patience_ms);
  const auto done = awake ? turn->call(to.bytes(), to_probe) : fail(awake.error());
  if (!done) {
    status = blame(done.error(), error);
    return 0;
  }
  Unpacker from(*done);
  status = unpack_end(from, error);
  return status == LECTERN_OK ? from.number<std::int32_t>() : 0;
}

lectern_status Remote::read(std::string_view bytes, const lectern_format_limits& limits,
                            const lectern_notebook_builder& out, lectern_error& error) {
  const Turn turn = any_turn();
  if (const auto awake = turn->wake(patience_ms); !awake) return blame(awake.error(), error);
  Packer to = request(Op::format_read);
  to.number(limits.max_depth);
  for (const std::uint64_t value : {limits.max_bytes, limits.max_cells, limits.max_source_bytes}) to.number(value);
  lectern_status said = LECTERN_OK;
  const auto replay = [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_read(records, bytes, out);
    return said;
  };
  const auto done = turn->call(to.bytes(), bytes, to_format(bytes.size()), most_from_child, replay);
  return done ? ended(*done, error, replay) : blame(done.error(), error);
}

lectern_status Remote::write(const lectern_notebook& notebook, const lectern_sink& out, lectern_error& error) {
  const Turn turn = any_turn();
  if (const auto awake = turn->wake(patience_ms); !awake) return blame(awake.error(), error);
  Packer to = request(Op::format_write);
  to.number(notebook.changed);
  for (const lectern_str text : {notebook.metadata, notebook.original, notebook.language}) to.text(text);
  to.number(notebook.n_cells);
  for (std::uint32_t i = 0; i < notebook.n_cells; ++i) pack_cell(to, notebook.cells[i]);
  lectern_status said = LECTERN_OK;
  const auto replay = [&](std::string_view records) {
    if (said == LECTERN_OK) said = replay_bytes(records, out);
    return said;
  };
  const auto done = turn->call(to.bytes(), {}, to_format(to.size()), most_from_child, replay);
  return done ? ended(*done, error, replay) : blame(done.error(), error);
}

}  // namespace lectern::isolation
