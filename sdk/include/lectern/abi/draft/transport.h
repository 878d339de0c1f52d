/* Transport: how bytes on a connection become session messages and back. A codec: the host owns sockets, authenticates,
 * frames RFC 6455 and HTTP, queues and closes. DRAFT.
 */
#ifndef LECTERN_ABI_TRANSPORT_H
#define LECTERN_ABI_TRANSPORT_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  LECTERN_CARRIER_WS_MESSAGE = 1,  /* whole WebSocket messages, text or binary */
  LECTERN_CARRIER_BYTE_STREAM = 2, /* a stream of bytes, to the client only: the body of an HTTP answer of type `name` */
  LECTERN_CARRIER_HTTP_EXCHANGE = 3 /* a request and its answer; a number kept for it, which no host of 0.1 serves */
};

/* Where a transport is reached. */
typedef struct lectern_binding {
  uint32_t struct_size;
  uint32_t carrier;
  lectern_str route; /* "connect", "events": the last segment below /api/v1/sessions/{id}/ */
  lectern_str name;  /* WebSocket subprotocol ("lectern.v1") or response media type ("text/event-stream") */
} lectern_binding;

/* A message on its way in. The host fills in who sent it: a transport never says who somebody is, but it may carry a
 * client key for the host to check (LECTERN_IN_HELLO). */
enum {
  LECTERN_IN_HELLO = 1,   /* `body` is a client key "id.secret" */
  LECTERN_IN_COMMAND = 2, /* `id`, `name`, `epoch`, `body` (JSON object text), `payload` = its buffers, `sizes` */
  LECTERN_IN_CHANGES = 3, /* raw changes of a document: `id`, `epoch`, `document`, `payload` cut by `sizes`, `flags` */
  LECTERN_IN_SYNC = 4,    /* one sync message of a document: `document`, `payload` */
  LECTERN_IN_MALFORMED = 5 /* not understood, but worth an answer: `id` as far as known, `name` = code ("bad_request"),
                              `body` = what was wrong and where; the sender gets a failed reply, the connection stays */
};
enum { LECTERN_DOCUMENT_NOTEBOOK = 1, LECTERN_DOCUMENT_MODELS = 2 };
enum { LECTERN_IN_FLUSH = 1 }; /* sent under a grant that was just revoked */
typedef struct lectern_inbound {
  uint32_t struct_size, kind, document, flags;
  uint32_t has_epoch, n_sizes;
  uint64_t epoch;
  lectern_str id, name, body, payload;
  const uint64_t *sizes;
} lectern_inbound;

/* A message on its way out. The same one goes to every connection of the same encoding. */
enum {
  LECTERN_OUT_EVENT = 1,    /* `op`, `seq`, `data` (JSON text), buffers in `payload` cut by `sizes` */
  LECTERN_OUT_CHANGES = 2,  /* `document`, `data` = JSON header, `payload` cut by `sizes` */
  LECTERN_OUT_SYNC = 3,     /* `document`, `payload` */
  LECTERN_OUT_DOCUMENT = 4, /* whole save bytes: `data` = JSON header, `payload` */
  LECTERN_OUT_KEEPALIVE = 5 /* nothing to say for 20 s: a comment, or nothing */
};
typedef struct lectern_outbound {
  uint32_t struct_size, kind, document, n_sizes;
  uint32_t has_seq, reserved; /* 0: "seq": null */
  uint64_t seq;
  lectern_str op, data, payload, stream;
  const uint64_t *sizes;
} lectern_outbound;

enum { LECTERN_FRAME_TEXT = 1, LECTERN_FRAME_BINARY = 2 };

typedef struct lectern_inbound_sink { /* OWNERSHIP: the host's, valid during the call; it copies */
  uint32_t struct_size, reserved;
  void *ctx;
  /* [call] One message, in the order of the bytes. FAILURE: the host wants no more: stop, and return that status. */
  lectern_status (*message)(void *ctx, const lectern_inbound *message) LECTERN_NOEXCEPT;
} lectern_inbound_sink;

typedef struct lectern_frame_sink { /* OWNERSHIP: the host's, valid during the call; it copies */
  uint32_t struct_size, reserved;
  void *ctx;
  /* [call] One frame to send; `frame_kind` is LECTERN_FRAME_*. FAILURE: as of message above. */
  lectern_status (*frame)(void *ctx, uint32_t frame_kind, lectern_str bytes) LECTERN_NOEXCEPT;
} lectern_frame_sink;

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_transport {
  uint32_t struct_size, n_bindings;
  const lectern_binding *bindings; /* stride: bindings[0].struct_size */
  /* [control] (initialised) Makes one transport from its JSON settings. OWNERSHIP: `*self` is the plugin's; the host gives it
   * back to destroy, once. FAILURE: there is no object; LECTERN_INVALID for settings, with words that name the wrong one. */
  lectern_status (*create)(lectern_str config, void **self, lectern_error *error) LECTERN_NOEXCEPT;
  /* [any] (object) Frees the object; every connection was closed before. */
  void (*destroy)(void *self) LECTERN_NOEXCEPT;
  /* [reactor] (object) A connection of `binding` came. `query` is the request's query string, decoded to a JSON object of
   * strings. `encoding` receives a number: connections with the same one get the same encoded frames. FAILURE: the
   * connection is refused with the error's words; close is not called for it. */
  lectern_status (*open)(void *self, uint64_t connection, uint32_t binding, lectern_str query, uint64_t *encoding,
                         lectern_error *error) LECTERN_NOEXCEPT;
  /* [reactor] (connection) One frame came (for a byte stream: any number of bytes). A message that is merely unknown is
   * ignored by returning LECTERN_OK without a message; one that deserves an answer is LECTERN_IN_MALFORMED. FAILURE:
   * LECTERN_INVALID, the sender's fault: the connection is closed with 1008 and the error's words. Any other: it is
   * closed with 1011, and the words go to the host's log. */
  lectern_status (*receive)(void *self, uint64_t connection, uint32_t frame_kind, lectern_str bytes,
                            const lectern_inbound_sink *out, lectern_error *error) LECTERN_NOEXCEPT;
  /* [reactor] (object) Encodes for one encoding; pure, so that the host encodes once and shares. No frame = nothing is sent.
   * FAILURE: nothing of it is sent, which those connections do not learn; the host's log does. */
  lectern_status (*encode)(void *self, uint64_t encoding, const lectern_outbound *message,
                           const lectern_frame_sink *out) LECTERN_NOEXCEPT;
  /* [reactor] (connection) The connection is gone; nothing more is called for it. */
  void (*close)(void *self, uint64_t connection) LECTERN_NOEXCEPT;
} lectern_transport;

#ifdef __cplusplus
}
#endif
#endif
