/* Asks whether a database is locked. */
#ifndef CONNECTORDB_LOCK_STATE_H
#define CONNECTORDB_LOCK_STATE_H

#include "database_lock.h"

#include <errno.h>

/* 1: some process holds the lock of this directory, be it one that is ending; 0; -errno. */
static inline int lock_is_held(const char *path)
{
    const struct lock_patience none = {.pauses_max = 0};
    int r = lock_await(path, &none, NULL);
    return r == -EBUSY || r == -ETIMEDOUT ? 1 : r;
}

#endif
