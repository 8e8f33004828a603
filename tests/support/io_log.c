#include "io_log.h"

#include "store_model.h"

static char *copy_text(const char *text)
{
    if (!text)
        return NULL;
    char *copy = strdup(text);
    REQUIRE(copy, "no memory");
    return copy;
}

static void record(void *context, enum io_call call, const char *path, const char *path2, const void *data,
    size_t size, uint64_t offset)
{
    struct io_log *log = context;
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 256;
        log->entries = realloc(log->entries, log->capacity * sizeof(*log->entries));
        REQUIRE(log->entries, "no memory");
    }
    struct io_log_entry *entry = &log->entries[log->count++];
    *entry = (struct io_log_entry){call, copy_text(path), copy_text(path2), NULL, size, offset};
    if (call == IO_CALL_WRITE) {
        entry->data = malloc(size);
        REQUIRE(entry->data, "no memory");
        memcpy(entry->data, data, size);
    }
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
}

struct io *io_log_open(struct io_log *log, struct io *inner)
{
    *log = (struct io_log){.lock = PTHREAD_MUTEX_INITIALIZER};
    struct io *io = NULL;
    struct io_fault_plan plan = {.record = record, .context = log};
    REQUIRE(io_open_fault(inner, &plan, &io) == 0, "no memory");
    return io;
}

uint64_t io_log_count(void *context)
{
    struct io_log *log = context;
    REQUIRE(pthread_mutex_lock(&log->lock) == 0, "lock");
    uint64_t count = log->count;
    REQUIRE(pthread_mutex_unlock(&log->lock) == 0, "lock");
    return count;
}

void io_log_free(struct io_log *log)
{
    for (uint64_t i = 0; i < log->count; i++) {
        free(log->entries[i].path);
        free(log->entries[i].path2);
        free(log->entries[i].data);
    }
    free(log->entries);
    *log = (struct io_log){.lock = PTHREAD_MUTEX_INITIALIZER};
}
