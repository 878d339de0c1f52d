/* A format in plain C, as somebody wrote it for SDK 0.1: each line of a .lines file is a cell. */
#include "lectern/abi/draft/format.h"
#include "lectern/abi/entry.h"

#include <string.h>

#define TEXT(literal) {literal, sizeof(literal) - 1}

static int32_t probe(lectern_str path, lectern_str head) {
  (void)head;
  return path.n > 6 && memcmp(path.p + path.n - 6, ".lines", 6) == 0 ? 80 : 0;
}

static lectern_status read_lines(lectern_str bytes, const lectern_format_limits *limits, const lectern_notebook_builder *out,
                                 lectern_error *error) {
  (void)limits;
  (void)error;
  uint64_t start = 0;
  char number[24];
  unsigned count = 0;
  for (uint64_t at = 0; at < bytes.n; ++at) {
    if (bytes.p[at] != '\n') continue;
    unsigned digits = 0, left = ++count;
    char reversed[24];
    for (; left != 0; left /= 10) reversed[digits++] = (char)('0' + left % 10);
    for (unsigned i = 0; i < digits; ++i) number[i] = reversed[digits - 1 - i];
    lectern_cell cell;
    memset(&cell, 0, sizeof cell);
    cell.struct_size = sizeof cell;
    cell.id.p = number;
    cell.id.n = digits;
    const lectern_str code = TEXT("code"), empty = TEXT("{}");
    cell.cell_type = code;
    cell.metadata = empty;
    cell.source.p = bytes.p + start;
    cell.source.n = at - start;
    cell.original.p = bytes.p + start;
    cell.original.n = at + 1 - start;
    cell.execution_count = -1;
    const lectern_status status = out->cells(out->ctx, &cell, sizeof cell, 1);
    if (status != LECTERN_OK) return status;
    start = at + 1;
  }
  lectern_notebook notebook;
  memset(&notebook, 0, sizeof notebook);
  notebook.struct_size = sizeof notebook;
  notebook.cell_stride = sizeof(lectern_cell);
  const lectern_str empty = TEXT("{}");
  notebook.metadata = empty;
  return out->notebook(out->ctx, &notebook);
}

static lectern_status write_lines(const lectern_notebook *notebook, const lectern_sink *out, lectern_error *error) {
  (void)error;
  const lectern_str end = TEXT("\n");
  const char *at = (const char *)notebook->cells;
  for (uint32_t i = 0; i < notebook->n_cells; ++i, at += notebook->cell_stride) {
    const lectern_cell *cell = (const lectern_cell *)at;
    lectern_status status = out->write(out->ctx, cell->source);
    if (status == LECTERN_OK) status = out->write(out->ctx, end);
    if (status != LECTERN_OK) return status;
  }
  return LECTERN_OK;
}

static lectern_status init(const lectern_host *host, lectern_error *error) {
  (void)host;
  (void)error;
  return LECTERN_OK;
}
static void deinit(void) {}

static const void *get_kind(lectern_str kind) {
  static const lectern_str extension = TEXT(".lines");
  static const lectern_format format = {sizeof format, 1, &extension, probe, read_lines, write_lines};
  return kind.n == 6 && memcmp(kind.p, LECTERN_KIND_FORMAT, 6) == 0 ? &format : 0;
}

const lectern_entry *lectern_plugin_entry(void) {
  static const lectern_entry entry = {sizeof entry, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, TEXT("lines"),
                                      TEXT("0.1.0"), TEXT("SDK " LECTERN_SDK_VERSION), init, deinit, get_kind, 0};
  return &entry;
}
