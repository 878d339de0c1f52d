/* The C face of the document engine: one notebook document (nteract's schema 5) on the Automerge crate.
 *
 * Rules that hold for every call:
 * - A document is used by one thread at a time; it may move between threads.
 * - Text is UTF-8 as pointer and length, never terminated. Lengths and indices inside a cell's source count Unicode
 *   code points.
 * - Nothing allocated on one side is freed by the other, except lam_buffer, which lam_buffer_free() releases. What a
 *   sink receives is valid until it returns. Sinks are called on the caller's thread, must not throw, and must not
 *   call back into the same document.
 * - Each call returns a lam_status. `error`, where given, may be NULL; on failure it receives one sentence.
 * - A panic inside the engine is caught and returned as LAM_PANIC. The document is then poisoned: every later call on
 *   it returns LAM_POISONED, and the caller rebuilds it from bytes it kept.
 *
 * JSON in and out: an integer that fits i64 or u64 is kept as an integer, any other number as a double (so -0, 1e400,
 * integers past 64 bits and the spelling of a number are not kept); of repeated keys the last wins; the order of keys
 * is not kept. Whoever needs the text as it was keeps it beside the document. */
#ifndef LECTERN_AUTOMERGE_H
#define LECTERN_AUTOMERGE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lam_doc lam_doc;
typedef struct lam_sync lam_sync;

typedef struct lam_slice {
  const uint8_t *data;
  uint64_t size;
} lam_slice;

/* Owned by this library; release with lam_buffer_free(). Zero-initialise before the first use. */
typedef struct lam_buffer {
  uint8_t *data;
  uint64_t size;
  uint64_t capacity;
} lam_buffer;

typedef struct lam_hash {
  uint8_t bytes[32];
} lam_hash;

typedef int32_t lam_status;
enum {
  LAM_OK = 0,
  LAM_MALFORMED = 1,          /* bytes or JSON that do not decode */
  LAM_TOO_LARGE = 2,          /* a bound of lam_limits was passed */
  LAM_MISSING_DEPENDENCY = 3, /* a change builds on one that is neither here nor in the batch */
  LAM_NOT_FOUND = 4,          /* no such cell, or no such heads */
  LAM_OUT_OF_RANGE = 5,       /* an index past the end of a source */
  LAM_INVALID = 6,            /* the call itself was wrong: no open transaction, an unknown field */
  LAM_ENGINE = 7,             /* the engine refused; the document is poisoned */
  LAM_PANIC = 8,              /* the engine failed; the document is poisoned */
  LAM_POISONED = 9
};

typedef struct lam_limits {
  uint64_t max_chunk_bytes;
  uint64_t max_inflated_bytes;
  uint64_t max_ops;
} lam_limits;

/* One cell. The JSON members are objects; execution_count is JSON text kept as a string by the schema. */
typedef struct lam_cell {
  lam_slice id;
  lam_slice cell_type;
  lam_slice position;
  lam_slice source;
  lam_slice execution_count;
  lam_slice metadata;
  lam_slice resolved_assets;
  lam_slice attachments;
} lam_cell;

enum {
  LAM_PATCH_CELL_PUT = 1,         /* cell: a cell that is new, or replaced as a whole */
  LAM_PATCH_CELL_REMOVED = 2,     /* cell_id */
  LAM_PATCH_SPLICE = 3,           /* cell_id, index, delete_count, text */
  LAM_PATCH_SOURCE = 4,           /* cell_id, text: the whole source, where a splice cannot say it */
  LAM_PATCH_FIELD = 5,            /* cell_id, key ("position", "cell_type", "execution_count"), text */
  LAM_PATCH_METADATA = 6,         /* cell_id (size 0: the notebook), key, text = JSON; data NULL: key removed */
  LAM_PATCH_METADATA_ALL = 7,     /* cell_id (size 0: the notebook), text = JSON of the whole object */
  LAM_PATCH_RESYNC = 8            /* the document's roots changed: take a new snapshot */
};

/* Splices come in the order in which they apply; all others follow them and say the final state. */
typedef struct lam_patch {
  uint32_t kind;
  uint32_t reserved;
  lam_slice cell_id;
  lam_slice key;
  lam_slice text;
  uint64_t index;
  uint64_t delete_count;
  const lam_cell *cell;
} lam_patch;

typedef void (*lam_patch_sink)(void *context, const lam_patch *patch);
typedef void (*lam_cell_sink)(void *context, const lam_cell *cell);
typedef void (*lam_chunk_sink)(void *context, const lam_hash *hash, lam_slice bytes);

/* What a raw change says about itself. */
typedef struct lam_change_info {
  lam_hash hash;
  lam_slice actor;
  lam_slice message;
  const lam_hash *deps;
  uint64_t dep_count;
  uint64_t seq;
  uint64_t start_op;
  uint64_t op_count;
} lam_change_info;
typedef void (*lam_info_sink)(void *context, const lam_change_info *info);

void lam_buffer_free(lam_buffer *buffer);

/* ---- life ---------------------------------------------------------------------------------------------------- */

/* A document that holds the frozen first change and nothing else. NULL only when the engine failed. */
lam_doc *lam_new(lam_buffer *error);
/* NULL unless `bytes` is a saved document that contains the frozen first change. */
lam_doc *lam_load(lam_slice bytes, lam_buffer *error);
/* A document of widget models (nteract's comms schema) that holds its own frozen first change and nothing else. Calls
 * about cells and metadata find nothing in it. */
lam_doc *lam_models_new(lam_buffer *error);
void lam_free(lam_doc *doc);
/* The hash of the frozen first change. */
void lam_genesis_hash(lam_hash *out);

lam_status lam_save(lam_doc *doc, lam_buffer *out, lam_buffer *error);
/* `out` receives 32 bytes per head, sorted. */
lam_status lam_heads(lam_doc *doc, lam_buffer *out, lam_buffer *error);
/* How many operations the history has, at least: the highest number one of them has. */
uint64_t lam_operations(lam_doc *doc);
/* LAM_OK when the history has the change, LAM_NOT_FOUND when not. */
lam_status lam_contains(lam_doc *doc, const lam_hash *hash);
/* Changes that a holder of `heads` lacks, in order. LAM_NOT_FOUND when a head is not in this history. */
lam_status lam_changes_since(lam_doc *doc, const lam_hash *heads, uint64_t count, lam_chunk_sink sink, void *context,
                             lam_buffer *error);

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Every cell, ordered by (position, id). Reads every source: not for a hot path. */
lam_status lam_snapshot(lam_doc *doc, lam_cell_sink sink, void *context, lam_buffer *error);
/* The notebook's own metadata as a JSON object. */
lam_status lam_notebook_metadata(lam_doc *doc, lam_buffer *out, lam_buffer *error);
/* The same as it was at these heads. LAM_NOT_FOUND when one is not in this history. Walks every source. */
lam_status lam_snapshot_at(lam_doc *doc, const lam_hash *heads, uint64_t count, lam_cell_sink sink, void *context,
                           lam_buffer *error);
/* Who wrote in a line of a source last: a group and an actor. */
typedef void (*lam_blame_sink)(void *context, uint64_t group, lam_slice actor);
/* Tells the lines of a cell's source in order. A group is a list of heads; the groups lie one after the other in
 * `heads`. A change belongs to the first group whose heads lead to it, or to number `groups` when none does; heads that
 * are not in this history lead nowhere. Walks the whole history. LAM_NOT_FOUND when there is no such cell. */
lam_status lam_blame(lam_doc *doc, lam_slice cell_id, const lam_hash *heads, const uint64_t *counts, uint64_t groups,
                     lam_blame_sink sink, void *context, lam_buffer *error);
/* How the document would say this JSON text. LAM_MALFORMED when it is not JSON or nests past 64 levels. */
lam_status lam_normalize_json(lam_slice json, lam_buffer *out, lam_buffer *error);

/* ---- changes of others --------------------------------------------------------------------------------------- */

/* Decodes one raw change chunk without any document, within `limits`, before anything grows by what it claims. */
lam_status lam_inspect(lam_slice chunk, const lam_limits *limits, lam_info_sink sink, void *context,
                       lam_buffer *error);
/* How many operations a chunk would make, by what its columns say: found without making them, in time and memory that
 * `limits` bound. LAM_TOO_LARGE past them. What passes may still not decode. */
lam_status lam_scan(lam_slice chunk, const lam_limits *limits, uint64_t *operations, lam_buffer *error);

/* Changes that were read and belong to no document yet. */
typedef struct lam_changes lam_changes;
/* lam_inspect() for each of `chunks` in order, and keeps what it read in `out`. On an error the sink has heard of those
 * before the bad one, and `out` is not set. */
lam_status lam_changes_read(const lam_slice *chunks, uint64_t count, const lam_limits *limits, lam_info_sink sink,
                            void *context, lam_changes **out, lam_buffer *error);
void lam_changes_free(lam_changes *changes);

/* Applies what was read, all or none, and leaves `changes` empty; known ones are skipped. `missing` (may be NULL)
 * receives the hashes that LAM_MISSING_DEPENDENCY is about. LAM_MALFORMED leaves the document as it was: a sequence
 * number that repeats or skips, operation ids that were used before or lie too far ahead. With `verify` (for strangers)
 * a change that the document would not give back as it came poisons it with LAM_ENGINE: a document that holds such a
 * change saves bytes that do not load. Without `patches` it is faster. */
lam_status lam_apply(lam_doc *doc, lam_changes *changes, int32_t verify, lam_chunk_sink missing,
                     lam_patch_sink patches, void *context, lam_buffer *error);

/* ---- own edits ----------------------------------------------------------------------------------------------- */

/* Opens a transaction under `actor` (its bytes). With `count` heads the edits see and build on the document at
 * those heads, and lam_commit() merges them with everything since. */
lam_status lam_begin(lam_doc *doc, lam_slice actor, const lam_hash *heads, uint64_t count, lam_buffer *error);
lam_status lam_create_cell(lam_doc *doc, const lam_cell *cell, lam_buffer *error);
lam_status lam_delete_cell(lam_doc *doc, lam_slice cell_id, lam_buffer *error);
/* key: "position", "cell_type" or "execution_count". */
lam_status lam_set_field(lam_doc *doc, lam_slice cell_id, lam_slice key, lam_slice value, lam_buffer *error);
lam_status lam_splice_source(lam_doc *doc, lam_slice cell_id, uint64_t index, uint64_t delete_count, lam_slice insert,
                             lam_buffer *error);
/* Sets the value at a path of object keys below the metadata of a cell (size 0: of the notebook), creating objects
 * on the way. value.data NULL removes the key. */
lam_status lam_set_metadata(lam_doc *doc, lam_slice cell_id, const lam_slice *path, uint64_t path_count,
                            lam_slice value, lam_buffer *error);
/* The same below `comms` of a models document; the first key of the path is a model's id. */
lam_status lam_set_model(lam_doc *doc, const lam_slice *path, uint64_t path_count, lam_slice value, lam_buffer *error);
/* Ends the transaction. `chunk` receives the raw change once, or never when nothing was edited. `patches` may be
 * NULL for a caller that knows what it did. */
lam_status lam_commit(lam_doc *doc, lam_slice message, lam_chunk_sink chunk, lam_patch_sink patches, void *context,
                      lam_buffer *error);
lam_status lam_rollback(lam_doc *doc);

/* ---- sync ---------------------------------------------------------------------------------------------------- */

lam_sync *lam_sync_new(void);
void lam_sync_free(lam_sync *sync);
/* `out` stays empty when there is nothing to say. `held`: changes that came on this conversation and cannot be applied
 * yet; the peer is asked for `missing`, what they build on and neither they nor the document have. */
lam_status lam_sync_generate(lam_doc *doc, lam_sync *sync, const lam_hash *held, uint64_t held_count,
                             const lam_hash *missing, uint64_t missing_count, lam_buffer *out, lam_buffer *error);
/* The raw changes inside a sync message, without any document. Only messages of version 1 are accepted: we never
 * announce the second, so that nobody sends whole documents. The sink's hash is NULL. */
lam_status lam_sync_changes(lam_slice message, const lam_limits *limits, lam_chunk_sink sink, void *context,
                            lam_buffer *error);
/* Takes what the message says about its sender. Changes in it that the document does not have are left out: apply
 * them first. */
lam_status lam_sync_receive(lam_doc *doc, lam_sync *sync, lam_slice message, const lam_limits *limits,
                            lam_buffer *error);

#ifdef __cplusplus
}
#endif
#endif
