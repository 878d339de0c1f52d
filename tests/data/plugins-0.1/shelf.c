/* A presence backend in plain C, as somebody wrote it for SDK 0.1: a shelf in memory with room for eight records. */
#include "lectern/abi/draft/presence.h"
#include "lectern/abi/entry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) {literal, sizeof(literal) - 1}
#define PLACES 8

struct shelf {
  atomic_flag lock; /* calls may run side by side */
  struct {
    char name[129];
    char *record;
    size_t n;
  } places[PLACES];
};

static void lock(struct shelf *shelf) {
  while (atomic_flag_test_and_set(&shelf->lock)) {
  }
}
static void unlock(struct shelf *shelf) { atomic_flag_clear(&shelf->lock); }

static lectern_status open(lectern_str config, void **self, lectern_error *error) {
  (void)config;
  (void)error;
  struct shelf *shelf = calloc(1, sizeof *shelf);
  if (shelf == 0) return LECTERN_UNAVAILABLE;
  atomic_flag_clear(&shelf->lock);
  *self = shelf;
  return LECTERN_OK;
}
static void close(void *self) {
  struct shelf *shelf = self;
  for (int i = 0; i < PLACES; ++i) free(shelf->places[i].record);
  free(shelf);
}

/* "device/instance"; 0 = too long. */
static int name_of(char *to, lectern_str device, lectern_str instance) {
  if (device.n == 0 || instance.n == 0 || device.n + instance.n > 127) return 0;
  memcpy(to, device.p, device.n);
  to[device.n] = '/';
  memcpy(to + device.n + 1, instance.p, instance.n);
  to[device.n + 1 + instance.n] = 0;
  return 1;
}

static lectern_status put(struct shelf *shelf, const char *name, lectern_str record) {
  char *copy = malloc(record.n + 1);
  if (copy == 0) return LECTERN_UNAVAILABLE;
  if (record.n != 0) memcpy(copy, record.p, record.n);
  lock(shelf);
  int place = -1;
  for (int i = PLACES - 1; i >= 0; --i) {
    if (shelf->places[i].record == 0 && (place < 0 || shelf->places[place].record == 0)) place = i;
    if (shelf->places[i].record != 0 && strcmp(shelf->places[i].name, name) == 0) place = i;
  }
  if (place >= 0) {
    free(shelf->places[place].record);
    strcpy(shelf->places[place].name, name);
    shelf->places[place].record = copy;
    shelf->places[place].n = record.n;
  }
  unlock(shelf);
  if (place < 0) free(copy);
  return place < 0 ? LECTERN_UNAVAILABLE : LECTERN_OK;
}

static lectern_status publish(void *self, lectern_str device, lectern_str instance, lectern_str record, lectern_error *error) {
  char name[129];
  if (!name_of(name, device, instance)) return LECTERN_INVALID;
  const lectern_status status = put(self, name, record);
  if (status != LECTERN_OK && error != 0) strcpy(error->message, "the shelf is full");
  return status;
}

static lectern_status take(void *self, lectern_str device, lectern_str instance, lectern_error *error) {
  (void)error;
  struct shelf *shelf = self;
  char name[129];
  if (!name_of(name, device, instance)) return LECTERN_INVALID;
  lock(shelf);
  for (int i = 0; i < PLACES; ++i) {
    if (shelf->places[i].record == 0 || strcmp(shelf->places[i].name, name) != 0) continue;
    free(shelf->places[i].record);
    shelf->places[i].record = 0;
  }
  unlock(shelf);
  return LECTERN_OK;
}

static lectern_status snapshot(void *self, const lectern_presence_sink *out, lectern_error *error) {
  (void)error;
  struct shelf *shelf = self;
  lectern_status status = LECTERN_OK;
  lock(shelf);
  for (int i = 0; i < PLACES && status == LECTERN_OK; ++i) {
    if (shelf->places[i].record == 0) continue;
    const lectern_str origin = {shelf->places[i].name, strlen(shelf->places[i].name)};
    const lectern_str record = {shelf->places[i].record, shelf->places[i].n};
    status = out->record(out->ctx, origin, record);
  }
  unlock(shelf);
  return status;
}

static lectern_status init(const lectern_host *from, lectern_error *error) {
  (void)from;
  (void)error;
  return LECTERN_OK;
}
static void deinit(void) {}

static const void *get_kind(lectern_str kind) {
  static const lectern_presence presence = {sizeof presence, 0, 5, 100, open, close, publish, take, snapshot};
  return kind.n == strlen(LECTERN_KIND_PRESENCE) && memcmp(kind.p, LECTERN_KIND_PRESENCE, kind.n) == 0 ? &presence : 0;
}

LECTERN_EXPORT const lectern_entry *lectern_plugin_entry(void) {
  static const lectern_entry entry = {sizeof entry, LECTERN_ABI_MAJOR, LECTERN_ABI_MINOR, 0, TEXT("shelf"),
                                      TEXT("0.1.0"), TEXT("cc -std=c11"), init, deinit, get_kind, 0};
  return &entry;
}
