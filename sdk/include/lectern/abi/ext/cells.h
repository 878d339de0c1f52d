/* Extension "cells/1", offered by a runtime whose kernels run cells by themselves, because what these depend on has changed:
 * another cell ran, or somebody moved a widget. Such a kernel is told which cell a run is of, and tells of runs that nobody
 * asked for; to clients they are runs like any other.
 */
#ifndef LECTERN_ABI_EXT_CELLS_H
#define LECTERN_ABI_EXT_CELLS_H

#include "lectern/abi/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LECTERN_EXT_CELLS "cells/1"

/* A kind of lectern_runtime_event, beside those of draft/runtime.h. The kernel is about to run the cell `name` by itself:
 * one that was run here by request, and is not forgotten. `execution` is a number that the plugin chooses: LECTERN_RUN_OWN and
 * another one, used once in the life of the kernel. Clients see the cell wait. Then come, under that number, STARTED, its
 * outputs, FINISHED, as of a run that was asked for; aborted, without STARTED, when it does not run after all. Several may be
 * announced before the first of them is finished. What is told under a number that was not announced so is dropped, and an
 * announcement is when it names no such cell, or a cell that waits or runs by request just now. */
enum { LECTERN_RUN_AGAIN = 13 };
#define LECTERN_RUN_OWN 0x8000000000000000ull

/* OWNERSHIP: the plugin's, constant, valid until deinit returns. */
typedef struct lectern_cells {
  uint32_t struct_size;
  uint32_t reserved;
  /* [any] (kernel) Called in place of lectern_runtime.execute when the run is of a cell: `cell` is its id. What ran under that id
   * before counts no more. A restart of the kernel forgets all cells. OWNERSHIP: `cell` and `code` are the host's; copy them
   * before returning. FAILURE: it does not run and no FINISHED comes. */
  lectern_status (*execute)(void *self, uint64_t kernel, uint64_t execution, lectern_str cell, lectern_str code, uint32_t flags) LECTERN_NOEXCEPT;
  /* [any] (kernel) The cell was deleted, or is no longer one of code: what ran under its id counts no more. One that never ran
   * is no failure. OWNERSHIP: as of execute. FAILURE: the kernel goes on as if the cell were there. */
  lectern_status (*forget)(void *self, uint64_t kernel, lectern_str cell) LECTERN_NOEXCEPT;
} lectern_cells;

#ifdef __cplusplus
}
#endif
#endif
