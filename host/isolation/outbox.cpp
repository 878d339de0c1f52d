#include "isolation/outbox.hpp"

#include <algorithm>

#include "plugin/call.hpp"
#include "plugin/checking.hpp"

namespace lectern::isolation {

namespace {

/// Runs `body` on the outbox of the call that lent the sink; a plugin that kept it is told so.
template <class Body>
lectern_status lent(void* ctx, const char* where, Body&& body) noexcept {
  auto* out = static_cast<Outbox*>(plugin::Lent::borrowed(ctx, where));
  if (out == nullptr) return LECTERN_CONFLICT;
  try {
    return body(*out);
  } catch (...) {
    return LECTERN_INTERNAL;
  }
}

lectern_status on_cells(void* ctx, const lectern_cell* cells, std::uint32_t stride, std::uint32_t n) noexcept {
  return lent(ctx, "lectern_notebook_builder.cells", [&](Outbox& out) {
    if (cells == nullptr || stride < sizeof(lectern_cell)) {
      out.records.number(Record::bad_cells);
      out.records.number(stride);
      return out.next();
    }
    const char* at = reinterpret_cast<const char*>(cells);
    for (std::uint32_t i = 0; i < n && out.said == LECTERN_OK; ++i, at += stride) {
      const auto cell = plugin::read_struct(reinterpret_cast<const lectern_cell*>(at));
      out.records.number(Record::cells);
      out.records.number(cell.changed);
      out.records.number(cell.execution_count);
      for (const lectern_str text :
           {cell.id, cell.cell_type, cell.source, cell.metadata, cell.attachments, cell.outputs, cell.original})
        out.records.text(text, out.shared);
      (void)out.next();
    }
    return out.said;
  });
}
lectern_status on_notebook(void* ctx, const lectern_notebook* raw) noexcept {
  return lent(ctx, "lectern_notebook_builder.notebook", [&](Outbox& out) {
    const auto notebook = plugin::read_struct(raw);
    out.records.number(Record::notebook);
    out.records.number<std::uint8_t>(raw != nullptr ? 1 : 0);
    out.records.number(notebook.changed);
    for (const lectern_str text : {notebook.metadata, notebook.original, notebook.language})
      out.records.text(text, out.shared);
    return out.next();
  });
}
lectern_status on_notice(void* ctx, lectern_str text) noexcept {
  return lent(ctx, "lectern_notebook_builder.notice", [&](Outbox& out) {
    out.records.number(Record::notice);
    out.records.text(text);
    return out.next();
  });
}
lectern_status on_bytes(void* ctx, lectern_str bytes) noexcept {
  return lent(ctx, "lectern_sink.write", [&](Outbox& out) {
    out.records.number(Record::bytes);
    out.records.text(bytes);
    return out.next();
  });
}
lectern_status on_effect(void* ctx, const lectern_effect* raw) noexcept {
  return lent(ctx, "lectern_policy_out.effect", [&](Outbox& out) {
    const auto effect = plugin::read_struct(raw);
    out.records.number(Record::effect);
    out.records.number<std::uint8_t>(raw != nullptr ? 1 : 0);
    for (const std::uint32_t value : {effect.struct_size, effect.kind, effect.caps, effect.verdict})
      out.records.number(value);
    for (const std::uint64_t value : {effect.target, effect.request, effect.timer}) out.records.number(value);
    out.records.number(effect.at_ms);
    out.records.text(effect.text);
    return out.next();
  });
}
lectern_status on_state(void* ctx, lectern_str state) noexcept {
  return lent(ctx, "lectern_policy_out.state", [&](Outbox& out) {
    out.records.number(Record::state);
    out.records.text(state);
    return out.next();
  });
}
lectern_status presence_entry(void* ctx, const char* where, Record kind, lectern_str origin, lectern_str what,
                              std::size_t most) noexcept {
  return lent(ctx, where, [&](Outbox& out) {
    origin.n = std::min<std::uint64_t>(origin.n, most_presence_origin);
    what.n = std::min<std::uint64_t>(what.n, most);
    out.records.number(kind);
    out.records.text(origin);
    out.records.text(what);
    return out.next();
  });
}
lectern_status on_found(void* ctx, lectern_str origin, lectern_str record) noexcept {
  return presence_entry(ctx, "lectern_presence_sink.record", Record::found, origin, record, most_presence_record);
}
lectern_status on_rejected(void* ctx, lectern_str origin, lectern_str reason) noexcept {
  return presence_entry(ctx, "lectern_presence_sink.rejected", Record::rejected, origin, reason, most_presence_origin);
}

}  // namespace

const lectern_notebook_builder builder_to_host{
    sizeof(lectern_notebook_builder), 0, nullptr, &on_cells, &on_notebook, &on_notice};
const lectern_sink bytes_to_host{sizeof(lectern_sink), 0, nullptr, &on_bytes};
const lectern_presence_sink records_to_host{sizeof(lectern_presence_sink), 0, nullptr, &on_found, &on_rejected};
lectern_policy_out effects_to_host(lectern_error& error) {
  return {sizeof(lectern_policy_out), 0, nullptr, &on_effect, &on_state, &error};
}

}  // namespace lectern::isolation
