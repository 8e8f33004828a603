/* An io for tests around another one: counts calls, makes chosen ones fail or fall short, and records the
 * rest. */
#ifndef CONNECTORDB_IO_FAULT_H
#define CONNECTORDB_IO_FAULT_H

#include "io.h"

#include <stddef.h>
#include <stdint.h>

enum io_call {
    IO_CALL_OPEN,
    IO_CALL_WRITE,
    IO_CALL_SYNC,
    IO_CALL_SYNC_DIRECTORY,
    IO_CALL_TRUNCATE,
    IO_CALL_RENAME,
    IO_CALL_UNLINK,
    IO_CALL_MAKE_DIRECTORY
};

struct io_fault_plan {
    uint64_t fail_at;    /* 1 = the first counted call fails; 0 = never */
    uint64_t fail_count; /* how many calls in a row fail from there on; 0 = all later ones */
    int code;       /* errno to fail with; 0 = make writes short (half, at least 1 byte) instead of failing */
    unsigned calls; /* bit mask of 1u << enum io_call that are counted and may fail */
    /* Called after each successful call, in order, under the fault io's lock (may be NULL): the recorder.
     * path: what the file was opened as. data, size: of a write, what was taken of it. offset: of a write; of
     * a truncate the new size; of an open its flags; of a sync how many calls had been recorded when it was
     * issued, so that a test sees which writes were complete by then. */
    void (*record)(void *context, enum io_call call, const char *path, const char *path2, const void *data,
        size_t size, uint64_t offset);
    void *context;
};

/* Wraps `inner` (owned from now on). The plan may be changed with io_fault_set at any time; counting starts
 * anew. */
int io_open_fault(struct io *inner, const struct io_fault_plan *plan, struct io **ret_io);
void io_fault_set(struct io *io, const struct io_fault_plan *plan);
/* Calls counted since the plan was set. */
uint64_t io_fault_calls(struct io *io);

#endif
