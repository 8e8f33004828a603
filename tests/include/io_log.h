/* Records everything that passes through a fault io (io_fault.h), with the bytes. */
#ifndef CONNECTORDB_IO_LOG_H
#define CONNECTORDB_IO_LOG_H

#include "io_fault.h"

#include <pthread.h>

struct io_log_entry {
    enum io_call call;
    char *path, *path2;
    uint8_t *data; /* of a write */
    size_t size;
    uint64_t offset; /* as io_fault_plan.record has it */
};

struct io_log {
    pthread_mutex_t lock; /* of the fields below */
    struct io_log_entry *entries;
    uint64_t count, capacity;
};

/* An io over `inner` (owned) that records into the log from the first call on. */
struct io *io_log_open(struct io_log *log, struct io *inner);
/* Entries so far; takes the log as a void pointer to serve as a clock. */
uint64_t io_log_count(void *log);
void io_log_free(struct io_log *log);

#endif
