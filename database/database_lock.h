/* The LOCK of a database directory: an open file description lock on the file of that name, so that closing another descriptor of
 * the file does not lose it, and asking does not take it. The file has the pid of who
 * has it, or was killed while it had it; 0 = nobody. Private. */
#ifndef CONNECTORDB_DATABASE_LOCK_H
#define CONNECTORDB_DATABASE_LOCK_H

#include "error.h"

#include <sys/types.h>

enum {
    LOCK_RECORD_BYTES = 11, /* always as many, so that writing another pid needs no space on the disk */
    LOCK_WAIT_MS_MAX = 5000,
    LOCK_PAUSE_MS = 10,
};

/* A killed process keeps its locks until the kernel has taken its memory down, which takes a while when that was much: how often to
 * pause for a holder that is gone or ending. */
struct lock_patience {
    unsigned pauses_max;
    void (*pause)(void *context);
    void *context;
};
/* LOCK_WAIT_MS_MAX in all. */
extern const struct lock_patience lock_patience_default;

/* 0; -EBUSY at once when a live process, or one that did not write its pid, holds it; -ETIMEDOUT when its holder is gone or ending and
 * still did not let go (something it started may hold it). Never takes it from anybody. */
int lock_take(const char *path, const struct lock_patience *patience, int *ret_lock, struct error *ret_error);
/* The same without taking it or changing the file. */
int lock_await(const char *path, const struct lock_patience *patience, struct error *ret_error);

/* What the file holds; pid 0: nobody. */
void lock_record(pid_t pid, char to[LOCK_RECORD_BYTES + 1]);

#endif
