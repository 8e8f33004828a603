/* What a workload did to the file system, in order, with the moments of its acknowledgements in between: calls of the
 * engine (through a fault io), of SQLite (through a VFS), and marks. */
#ifndef CONNECTORDB_CRASH_LOG_H
#define CONNECTORDB_CRASH_LOG_H

#include "io.h"
#include "test.h"

#include <pthread.h>

enum crash_kind {
    CRASH_OPEN, CRASH_WRITE, CRASH_TRUNCATE, CRASH_SYNC, CRASH_SYNC_DIRECTORY, CRASH_RENAME, CRASH_UNLINK,
    CRASH_MAKE_DIRECTORY, CRASH_MARK,
};

struct crash_entry {
    enum crash_kind kind;
    char *path, *path2; /* below the root; "" = the root itself */
    uint8_t *data;      /* of a write */
    size_t size;
    uint64_t offset;    /* of a write; a truncate's new size; an open's flags; a sync's number of entries it covers */
};

struct crash_log {
    pthread_mutex_t lock; /* of everything below */
    const char *root;     /* of the recorded directory */
    const char *lying;    /* syncs of paths with this in them are not recorded: as if the device lied; NULL = none */
    bool lying_directories; /* the same for syncs of directories */
    struct crash_entry *entries;
    uint64_t count, capacity;
    uint64_t *calls;      /* which entry the n-th successful call of the fault io is */
    uint64_t call_count, call_capacity;
};

/* An empty log of what happens below `root` (borrowed). */
void crash_log_init(struct crash_log *log, const char *root);
void crash_log_free(struct crash_log *log);
/* An io over the plain one that records, and fails as `plan` says (its recorder is set here). */
struct io *crash_log_open_io(struct crash_log *log, struct io_fault_plan plan);
/* Changes the plan of failures. */
void crash_log_set_plan(struct crash_log *log, struct io *io, struct io_fault_plan plan);
/* Notes a moment; returns the number of entries up to and with it. */
uint64_t crash_log_mark(struct crash_log *log);
uint64_t crash_log_count(struct crash_log *log);
/* A hash of all entries: equal for equal runs. */
uint64_t crash_log_hash(const struct crash_log *log);

/* SQLite's default VFS records into this log from now on, for files opened from now on; NULL = no more. */
void crash_log_record_sqlite(struct crash_log *log);

#endif
