/* Notebook format: how a file becomes a notebook and back. Pure functions of bytes. DRAFT.
 *
 * What a file holds and the notebook does not must survive: `read` hands over, with each cell and with the notebook, the
 * original text; `write` gets it back with flags that say what changed, and rewrites only that.
 */
#ifndef LECTERN_ABI_FORMAT_H
#define LECTERN_ABI_FORMAT_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  LECTERN_CELL_SOURCE_CHANGED = 1,
  LECTERN_CELL_METADATA_CHANGED = 2,
  LECTERN_CELL_OUTPUTS_CHANGED = 4, /* outputs or execution_count */
  LECTERN_CELL_TYPE_CHANGED = 8,
  LECTERN_CELL_ID_CHANGED = 16,
  LECTERN_CELL_NEW = 32             /* `original` is empty: write all of it */
};
typedef struct lectern_cell {
  uint32_t struct_size, changed;   /* LECTERN_CELL_*; read leaves it 0, or sets what it had to invent (ID_CHANGED) */
  lectern_str id;                  /* unique in the notebook; read invents a stable one where the file has none */
  lectern_str cell_type;           /* "code", "markdown", "raw" */
  lectern_str source;
  lectern_str metadata;            /* JSON object text, byte for byte as in the file */
  lectern_str attachments;         /* JSON object text; empty = none */
  lectern_str outputs;             /* JSON array text of nbformat outputs, byte for byte; empty = none */
  int64_t execution_count;         /* -1 = null */
  lectern_str original;            /* the format's own text of this cell, opaque to the host, at most the file's size */
} lectern_cell;

/* `changed` of a notebook. */
enum { LECTERN_NOTEBOOK_METADATA_CHANGED = 1, LECTERN_NOTEBOOK_NEW = 2 };
typedef struct lectern_notebook {
  uint32_t struct_size, changed;
  uint32_t cell_stride, n_cells;
  const lectern_cell *cells;
  lectern_str metadata; /* JSON object text, byte for byte */
  lectern_str original; /* the format's own text of what is around the cells; opaque */
  lectern_str language; /* as the metadata tell; may be empty */
} lectern_notebook;

/* Receives what read finds: any number of cells() batches in order, then notebook() once (its cells are empty), notice()
 * for what a person should know ("upgraded from nbformat 3"). OWNERSHIP: the host's; valid during the call; it copies -
 * except text that lies inside the `bytes` given to read, which it keeps by reference: pass that through where you can. */
typedef struct lectern_notebook_builder {
  uint32_t struct_size, reserved;
  void *ctx;
  /* [call] The next `n` cells, in order; `stride` is the size of one. FAILURE: a cell makes no sense, or a limit is
   * passed: stop, and return that status. */
  lectern_status (*cells)(void *ctx, const lectern_cell *cells, uint32_t stride, uint32_t n) LECTERN_NOEXCEPT;
  /* [call] What is around the cells; once, after them. FAILURE: as of cells. */
  lectern_status (*notebook)(void *ctx, const lectern_notebook *notebook) LECTERN_NOEXCEPT;
  /* [call] A line for people, at most 1000 bytes. FAILURE: as of cells. */
  lectern_status (*notice)(void *ctx, lectern_str text) LECTERN_NOEXCEPT;
} lectern_notebook_builder;

/* What read must not exceed. */
typedef struct lectern_format_limits {
  uint32_t struct_size, max_depth;
  uint64_t max_bytes, max_cells, max_source_bytes;
} lectern_format_limits;

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. A format has no objects. */
typedef struct lectern_format {
  uint32_t struct_size, n_extensions;
  const lectern_str *extensions; /* ".ipynb"; the first is the one for new files */
  /* [worker] (initialised) 0..100: how sure the plugin is that it reads this. `head` is at most the first 4096 bytes. */
  int32_t (*probe)(lectern_str path, lectern_str head) LECTERN_NOEXCEPT;
  /* [worker] (initialised) Hands over what the file holds. OWNERSHIP: `bytes` stays valid and unchanged for as long as
   * the host keeps what was read, so text in it needs no copy. FAILURE: nothing of what was handed over is used;
   * LECTERN_INVALID with line and column when malformed, LECTERN_TOO_LARGE naming the limit. */
  lectern_status (*read)(lectern_str bytes, const lectern_format_limits *limits, const lectern_notebook_builder *out,
                         lectern_error *error) LECTERN_NOEXCEPT;
  /* [worker] (initialised) Writes the whole file. Unchanged parts come out byte for byte as they were read. FAILURE: the
   * file is left as it was; nothing of what was written is used. */
  lectern_status (*write)(const lectern_notebook *notebook, const lectern_sink *out, lectern_error *error) LECTERN_NOEXCEPT;
} lectern_format;

#ifdef __cplusplus
}
#endif
#endif
