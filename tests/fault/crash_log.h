/* What a workload did to the file system, in order, with the moments of its acknowledgements in between: the
 * calls of the whole program (crash_calls.c stands between it and libc), of SQLite (crash_sqlite.c, a VFS),
 * and marks. */
#ifndef CONNECTORDB_CRASH_LOG_H
#define CONNECTORDB_CRASH_LOG_H

#include "test.h"

#include <pthread.h>

enum crash_kind {
    CRASH_OPEN,
    CRASH_WRITE,
    CRASH_TRUNCATE,
    CRASH_SYNC,
    CRASH_SYNC_DIRECTORY,
    CRASH_SYNC_ALL,
    CRASH_RENAME,
    CRASH_LINK,
    CRASH_UNLINK,
    CRASH_REMOVE_DIRECTORY,
    CRASH_MAKE_DIRECTORY,
    CRASH_MARK,
};

/* What needs space; what of it makes names. */
enum {
    CRASH_CALLS_OF_NAMES =
        1u << CRASH_OPEN | 1u << CRASH_RENAME | 1u << CRASH_LINK | 1u << CRASH_MAKE_DIRECTORY,
    CRASH_CALLS_OF_SPACE = CRASH_CALLS_OF_NAMES | 1u << CRASH_WRITE | 1u << CRASH_TRUNCATE,
};

struct crash_entry {
    enum crash_kind kind;
    char *path, *path2; /* below the root; "" = the root itself. Of a file: what it was opened as */
    uint8_t *data;      /* of a write */
    size_t size;
    uint64_t
        offset; /* of a write; a truncate's new size; an open's flags; a sync's number of entries it covers */
};

/* Which calls fail with ENOSPC: of these kinds the from-th from now on (1 = the next) and so many in all. */
struct crash_failures {
    uint64_t from, count;
    unsigned kinds; /* bit mask of 1u << enum crash_kind */
};

struct crash_log {
    pthread_mutex_t lock; /* of everything below */
    const char *root;     /* of the recorded directory; what happens elsewhere is not recorded */
    const char
        *lying; /* syncs of paths with this in them are not recorded: as if the device lied; NULL = none */
    bool lying_directories; /* the same for syncs of directories */
    struct crash_entry *entries;
    uint64_t count, capacity;
    struct crash_failures failures;
};

/* An empty log of what happens below `root` (borrowed; absolute). */
void crash_log_init(struct crash_log *log, const char *root);
void crash_log_free(struct crash_log *log);
/* From now on calls go into this log, those of SQLite for files opened from now on; NULL = no more. While
 * nothing else runs. */
void crash_log_record(struct crash_log *log);
void crash_log_fail(struct crash_log *log, struct crash_failures failures);
/* Notes a moment; returns the number of entries up to and with it. */
uint64_t crash_log_mark(struct crash_log *log);
uint64_t crash_log_count(struct crash_log *log);
/* A hash of all entries: equal for equal runs. */
uint64_t crash_log_hash(const struct crash_log *log);

/* ---- for who records; log may be NULL: nothing is recorded ---- */
/* Whether this path is one of the log's. */
bool crash_log_concerns(const struct crash_log *log, const char *path);
/* Before a call: true = fail it. */
bool crash_log_refuses(struct crash_log *log, enum crash_kind kind, const char *path);
/* After a call that succeeded. */
void crash_log_add(struct crash_log *log, enum crash_kind kind, const char *path, const char *path2,
    const void *data, size_t size, uint64_t offset);
void crash_calls_record(struct crash_log *log);
void crash_sqlite_record(struct crash_log *log);

#endif
