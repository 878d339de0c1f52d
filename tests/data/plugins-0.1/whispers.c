/* A transport in plain C, as somebody wrote it for SDK 0.1: a line of text is the name of a command and its JSON. */
#include "lectern/abi/draft/transport.h"
#include "lectern/abi/entry.h"

#include <string.h>

#define TEXT(literal) {literal, sizeof(literal) - 1}

static int object;

static lectern_status create(lectern_str config, void **self, lectern_error *error) {
  (void)config;
  (void)error;
  *self = &object;
  return LECTERN_OK;
}
static void destroy(void *self) { (void)self; }

static lectern_status open(void *self, uint64_t connection, uint32_t binding, lectern_str query, uint64_t *encoding,
                           lectern_error *error) {
  (void)self;
  (void)connection;
  (void)binding;
  (void)query;
  (void)error;
  *encoding = 1;
  return LECTERN_OK;
}

static lectern_status receive(void *self, uint64_t connection, uint32_t frame_kind, lectern_str bytes,
                              const lectern_inbound_sink *out, lectern_error *error) {
  (void)self;
  (void)connection;
  const char *space = bytes.n == 0 ? 0 : memchr(bytes.p, ' ', bytes.n);
  if (frame_kind != LECTERN_FRAME_TEXT || space == 0) {
    if (error != 0) strcpy(error->message, "a line is a name, a space and JSON");
    return LECTERN_INVALID;
  }
  static const lectern_str id = TEXT("1");
  lectern_inbound message;
  memset(&message, 0, sizeof message);
  message.struct_size = sizeof message;
  message.kind = LECTERN_IN_COMMAND;
  message.id = id;
  message.name.p = bytes.p;
  message.name.n = (uint64_t)(space - bytes.p);
  message.body.p = space + 1;
  message.body.n = bytes.n - message.name.n - 1;
  return out->message(out->ctx, &message);
}

static lectern_status encode(void *self, uint64_t encoding, const lectern_outbound *message, const lectern_frame_sink *out) {
  (void)self;
  (void)encoding;
  if (message->kind != LECTERN_OUT_EVENT) return LECTERN_OK;
  const lectern_status sent = out->frame(out->ctx, LECTERN_FRAME_TEXT, message->op);
  return sent != LECTERN_OK ? sent : out->frame(out->ctx, LECTERN_FRAME_TEXT, message->data);
}
static void close(void *self, uint64_t connection) {
  (void)self;
  (void)connection;
}

static lectern_status init(const lectern_host *from, lectern_error *error) {
  (void)from;
  (void)error;
  return LECTERN_OK;
}
static void deinit(void) {}

static const void *get_kind(lectern_str kind) {
  static const lectern_binding bindings[] = {
      {sizeof(lectern_binding), LECTERN_CARRIER_WS_MESSAGE, TEXT("connect"), TEXT("whisper.v1")}};
  static const lectern_transport transport = {sizeof transport, 1, bindings, create, destroy, open, receive, encode, close};
  return kind.n == strlen(LECTERN_KIND_TRANSPORT) && memcmp(kind.p, LECTERN_KIND_TRANSPORT, kind.n) == 0 ? &transport : 0;
}

LECTERN_EXPORT const lectern_entry *lectern_plugin_entry(void) {
  static const lectern_entry entry = {sizeof entry, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, TEXT("whispers"),
                                      TEXT("0.1.0"), TEXT("cc -std=c11"), init, deinit, get_kind, 0};
  return &entry;
}
