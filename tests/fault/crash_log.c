#include "crash_log.h"

#include "checksum.h"
#include "store_helpers.h"

void crash_log_init(struct crash_log *log, const char *root)
{
    *log = (struct crash_log){.lock = PTHREAD_MUTEX_INITIALIZER, .root = root};
}

void crash_log_free(struct crash_log *log)
{
    for (uint64_t i = 0; i < log->count; i++) {
        free(log->entries[i].path);
        free(log->entries[i].path2);
        free(log->entries[i].data);
    }
    free(log->entries);
}

void crash_log_record(struct crash_log *log)
{
    crash_calls_record(log);
    crash_sqlite_record(log);
}

static void take(struct crash_log *log)
{
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
}

static void leave(struct crash_log *log)
{
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
}

/* ---- failures ---- */

void crash_log_fail(struct crash_log *log, struct crash_failures failures)
{
    take(log);
    log->failures = failures;
    leave(log);
}

bool crash_log_refuses(struct crash_log *log, enum crash_kind kind, const char *path)
{
    if (!log || !crash_log_concerns(log, path))
        return false;
    take(log);
    struct crash_failures *failures = &log->failures;
    bool refuses = false;
    if (failures->count > 0 && (failures->kinds & 1u << kind)) {
        if (failures->from > 1)
            failures->from--;
        else
            refuses = failures->count-- > 0;
    }
    leave(log);
    return refuses;
}

/* ---- adding ---- */

bool crash_log_concerns(const struct crash_log *log, const char *path)
{
    size_t root = strlen(log->root);
    return strncmp(path, log->root, root) == 0 && (path[root] == '/' || path[root] == '\0');
}

static char *below_root(const struct crash_log *log, const char *path)
{
    if (!path)
        return NULL;
    REQUIRE(crash_log_concerns(log, path), "%s is outside of %s", path, log->root);
    path += strlen(log->root);
    char *copy = strdup(*path == '/' ? path + 1 : path);
    REQUIRE(copy, "no memory");
    return copy;
}

static void add_locked(struct crash_log *log, enum crash_kind kind, const char *path, const char *path2,
    const void *data, size_t size, uint64_t offset)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 1024;
        log->entries = realloc(log->entries, log->capacity * sizeof(*log->entries));
        REQUIRE(log->entries, "no memory");
    }
    struct crash_entry *entry = &log->entries[log->count++];
    *entry = (struct crash_entry){.kind = kind,
        .path = below_root(log, path),
        .path2 = below_root(log, path2),
        .size = size,
        .offset = offset};
    if (kind == CRASH_WRITE) {
        entry->data = malloc(size);
        REQUIRE(entry->data, "no memory");
        memcpy(entry->data, data, size);
    }
}

static bool is_lie(const struct crash_log *log, enum crash_kind kind, const char *path)
{
    if (kind == CRASH_SYNC_DIRECTORY)
        return log->lying_directories;
    return (kind == CRASH_SYNC || kind == CRASH_SYNC_ALL) && log->lying && strstr(path, log->lying);
}

void crash_log_add(struct crash_log *log, enum crash_kind kind, const char *path, const char *path2,
    const void *data, size_t size, uint64_t offset)
{
    if (!log || !crash_log_concerns(log, path) || is_lie(log, kind, path))
        return;
    take(log);
    add_locked(log, kind, path, path2, data, size, offset);
    leave(log);
}

uint64_t crash_log_mark(struct crash_log *log)
{
    take(log);
    add_locked(log, CRASH_MARK, NULL, NULL, NULL, 0, 0);
    uint64_t count = log->count;
    leave(log);
    return count;
}

uint64_t crash_log_count(struct crash_log *log)
{
    take(log);
    uint64_t count = log->count;
    leave(log);
    return count;
}

uint64_t crash_log_hash(const struct crash_log *log)
{
    uint64_t hash = 0;
    for (uint64_t i = 0; i < log->count; i++) {
        const struct crash_entry *entry = &log->entries[i];
        uint64_t numbers[] = {hash, entry->kind, entry->size, entry->offset};
        hash = checksum(numbers, sizeof(numbers), 0);
        if (entry->path)
            hash = checksum(entry->path, strlen(entry->path), hash);
        if (entry->path2)
            hash = checksum(entry->path2, strlen(entry->path2), hash);
        if (entry->data)
            hash = checksum(entry->data, entry->size, hash);
    }
    return hash;
}
