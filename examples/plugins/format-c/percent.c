/* A notebook format in plain C. A file *.percent is text; a line "%%" begins a code cell, "%% markdown" and "%% raw" the
 * others. What comes before the first such line is kept as it is. The file has no place for outputs and metadata, so they
 * are not kept. A source line that would itself begin a cell is written with a backslash before it.
 *
 * All functions are pure and may run on several threads at once. Texts that lie in the file are handed over as they lie:
 * the host keeps the file's bytes, so nothing is copied. */
#include <lectern/abi/draft/format.h>
#include <lectern/abi/entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }

static const lectern_str code = TEXT("code"), markdown = TEXT("markdown"), raw = TEXT("raw"), line_end = TEXT("\n");

static int same(lectern_str a, lectern_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, (size_t)a.n) == 0);
}

/* The first line of `text`, its end included. */
static lectern_str first_line(lectern_str text) {
  const char *end = text.n == 0 ? NULL : memchr(text.p, '\n', (size_t)text.n);
  if (end != NULL) text.n = (uint64_t)(end - text.p) + 1;
  return text;
}

static lectern_str without(lectern_str text, uint64_t n) {
  if (n != 0) text.p += n;
  text.n -= n;
  return text;
}

/* The type of the cell that the line begins, or null. */
static const lectern_str *cell_type(lectern_str line) {
  while (line.n != 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' ')) --line.n;
  if (line.n < 2 || line.p[0] != '%' || line.p[1] != '%') return NULL;
  if (line.n == 2) return &code;
  if (line.p[2] != ' ') return NULL;
  line = without(line, 3);
  if (same(line, markdown)) return &markdown;
  if (same(line, raw)) return &raw;
  return same(line, code) ? &code : NULL;
}

/* True for a line that begins a cell once its leading backslashes are off. */
static int needs_backslash(lectern_str line) {
  while (line.n != 0 && line.p[0] == '\\') line = without(line, 1);
  return cell_type(line) != NULL;
}

static int32_t probe(lectern_str path, lectern_str head) {
  static const lectern_str ending = TEXT(".percent");
  if (path.n < ending.n || memcmp(path.p + path.n - ending.n, ending.p, (size_t)ending.n) != 0) return 0;
  return head.n == 0 || cell_type(first_line(head)) != NULL ? 90 : 50;
}

static lectern_status too_large(lectern_error *error, const char *what, uint64_t limit) {
  if (error != NULL && error->struct_size >= sizeof *error) {
    snprintf(error->message, sizeof error->message, "the notebook has %s than %llu", what, (unsigned long long)limit);
  }
  return LECTERN_TOO_LARGE;
}

/* A copy of `source` without the backslashes that writing put there; its length in `n`. Null without memory. */
static char *unescaped(lectern_str source, uint64_t *n) {
  char *copy = malloc((size_t)source.n + 1);
  *n = 0;
  while (copy != NULL && source.n != 0) {
    const lectern_str line = first_line(source);
    const uint64_t skip = line.p[0] == '\\' && needs_backslash(line) ? 1 : 0;
    memcpy(copy + *n, line.p + skip, (size_t)(line.n - skip));
    *n += line.n - skip;
    source = without(source, line.n);
  }
  return copy;
}

/* Hands over the cell that `text` begins with, and says in `used` how long it is. */
static lectern_status read_cell(lectern_str text, uint64_t number, const lectern_format_limits *limits,
                                const lectern_notebook_builder *out, uint64_t *used, lectern_error *error) {
  const lectern_str heading = first_line(text);
  lectern_str source = without(text, heading.n);
  lectern_str rest = source;
  int plain = 1;
  while (rest.n != 0 && cell_type(first_line(rest)) == NULL) {
    if (needs_backslash(first_line(rest))) plain = 0;
    rest = without(rest, first_line(rest).n);
  }
  *used = text.n - rest.n;
  source.n -= rest.n;
  if (source.n != 0 && source.p[source.n - 1] == '\n') --source.n; /* the one that writing adds */
  if (source.n > limits->max_source_bytes) return too_large(error, "a longer cell", limits->max_source_bytes);

  char id[32]; /* the file has no ids: the place is the name */
  snprintf(id, sizeof id, "cell-%llu", (unsigned long long)number);
  lectern_cell cell;
  memset(&cell, 0, sizeof cell);
  cell.struct_size = sizeof cell;
  cell.id.p = id;
  cell.id.n = strlen(id);
  cell.cell_type = *cell_type(heading);
  cell.source = source;
  cell.metadata.p = "{}";
  cell.metadata.n = 2;
  cell.execution_count = -1;
  cell.original.p = text.p;
  cell.original.n = *used;
  char *copy = NULL;
  if (!plain) {
    copy = unescaped(source, &cell.source.n);
    if (copy == NULL) return LECTERN_INTERNAL;
    cell.source.p = copy;
  }
  const lectern_status status = out->cells(out->ctx, &cell, sizeof cell, 1);
  free(copy); /* the host has copied what does not lie in the file */
  return status;
}

/* How many bytes at the beginning are whole UTF-8 sequences: all texts that cross to the host are UTF-8. */
static uint64_t utf8_part(lectern_str text) {
  uint64_t at = 0;
  while (at < text.n) {
    const unsigned char *c = (const unsigned char *)text.p + at;
    const unsigned n = *c < 0x80 ? 1 : *c < 0xC2 ? 0 : *c < 0xE0 ? 2 : *c < 0xF0 ? 3 : *c < 0xF5 ? 4 : 0;
    uint32_t point = *c & (0x7Fu >> n);
    if (n == 0 || n > text.n - at) return at;
    for (unsigned i = 1; i < n; ++i) {
      if ((c[i] & 0xC0) != 0x80) return at;
      point = (point << 6) | (c[i] & 0x3Fu);
    }
    if ((n == 3 && (point < 0x800 || (point >= 0xD800 && point < 0xE000))) ||
        (n == 4 && (point < 0x10000 || point > 0x10FFFF))) {
      return at;
    }
    at += n;
  }
  return at;
}

static lectern_status not_utf8(lectern_str good, lectern_error *error) {
  if (error == NULL || error->struct_size < sizeof *error) return LECTERN_INVALID;
  strcpy(error->message, "the file is not UTF-8");
  error->line = 1;
  for (uint64_t i = 0; i < good.n; ++i) error->line += good.p[i] == '\n';
  return LECTERN_INVALID;
}

static lectern_status read_notebook(lectern_str bytes, const lectern_format_limits *limits,
                                    const lectern_notebook_builder *out, lectern_error *error) {
  const lectern_str good = {bytes.p, utf8_part(bytes)};
  if (good.n != bytes.n) return not_utf8(good, error);
  lectern_str rest = bytes;
  while (rest.n != 0 && cell_type(first_line(rest)) == NULL) rest = without(rest, first_line(rest).n);
  lectern_notebook notebook;
  memset(&notebook, 0, sizeof notebook);
  notebook.struct_size = sizeof notebook;
  notebook.cell_stride = sizeof(lectern_cell);
  notebook.metadata.p = "{}";
  notebook.metadata.n = 2;
  notebook.original.p = bytes.p;
  notebook.original.n = bytes.n - rest.n;
  for (uint64_t number = 1; rest.n != 0; ++number) {
    uint64_t used = 0;
    if (number > limits->max_cells) return too_large(error, "more cells", limits->max_cells);
    const lectern_status status = read_cell(rest, number, limits, out, &used, error);
    if (status != LECTERN_OK) return status;
    rest = without(rest, used);
  }
  return out->notebook(out->ctx, &notebook);
}

static lectern_status put(const lectern_sink *out, lectern_str text) {
  return text.n == 0 ? LECTERN_OK : out->write(out->ctx, text);
}

/* Text as it was in the file. Its last line may have no end, which it needs when something follows. */
static lectern_status put_as_read(const lectern_sink *out, lectern_str text, int last) {
  const lectern_status status = put(out, text);
  const int unended = text.n != 0 && text.p[text.n - 1] != '\n';
  return status == LECTERN_OK && unended && !last ? put(out, line_end) : status;
}

static lectern_status write_cell(const lectern_cell *cell, int last, const lectern_sink *out) {
  static const lectern_str backslash = TEXT("\\"), begin = TEXT("%%"), space = TEXT(" ");
  const uint32_t rewrite = LECTERN_CELL_NEW | LECTERN_CELL_SOURCE_CHANGED | LECTERN_CELL_TYPE_CHANGED;
  if ((cell->changed & rewrite) == 0 && cell->original.n != 0) return put_as_read(out, cell->original, last);
  const int is_code = same(cell->cell_type, code);
  lectern_status status = put(out, begin);
  if (status == LECTERN_OK && !is_code) status = put(out, space);
  if (status == LECTERN_OK && !is_code) status = put(out, cell->cell_type);
  if (status == LECTERN_OK) status = put(out, line_end);
  for (lectern_str rest = cell->source; status == LECTERN_OK && rest.n != 0;) {
    const lectern_str line = first_line(rest);
    if (needs_backslash(line)) status = put(out, backslash);
    if (status == LECTERN_OK) status = put(out, line);
    rest = without(rest, line.n);
  }
  return status == LECTERN_OK ? put(out, line_end) : status;
}

static lectern_status write_notebook(const lectern_notebook *notebook, const lectern_sink *out, lectern_error *error) {
  (void)error;
  lectern_status status = put_as_read(out, notebook->original, notebook->n_cells == 0);
  for (uint32_t i = 0; i < notebook->n_cells && status == LECTERN_OK; ++i) {
    const char *at = (const char *)notebook->cells + (size_t)i * notebook->cell_stride;
    status = write_cell((const lectern_cell *)at, i + 1 == notebook->n_cells, out);
  }
  return status;
}

static const lectern_str extensions[] = {TEXT(".percent")};
static const lectern_format format = {sizeof(lectern_format), 1, extensions, probe, read_notebook, write_notebook};

static lectern_status init(const lectern_host *host, lectern_error *error) {
  (void)host;
  (void)error;
  return LECTERN_OK;
}

static void deinit(void) {}

static const void *get_kind(lectern_str kind) {
  static const lectern_str ours = TEXT(LECTERN_KIND_FORMAT);
  return same(kind, ours) ? &format : NULL;
}

static const lectern_entry entry = {sizeof(lectern_entry),
                                    LECTERN_ABI_MAJOR,
                                    LECTERN_ABI_MINOR,
                                    0,
                                    TEXT(LECTERN_PLUGIN_ID),
                                    TEXT(LECTERN_PLUGIN_VERSION),
                                    TEXT("C11"),
                                    init,
                                    deinit,
                                    get_kind,
                                    NULL};

const lectern_entry *lectern_plugin_entry(void) {
  return &entry;
}
