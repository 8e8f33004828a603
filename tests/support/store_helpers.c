#include "store_helpers.h"

#include "bytes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- directories ---- */

char *test_directory_create_fast(void)
{
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
        REQUIRE(setenv("TMPDIR", "/dev/shm", 0) == 0, "%s", strerror(errno));
    return test_directory_create();
}

static void copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    REQUIRE(in >= 0 && out >= 0, "copying %s to %s: %s", from, to, strerror(errno));
    enum { CHUNK_BYTES = 256 << 10 };
    uint8_t *chunk = malloc(CHUNK_BYTES);
    REQUIRE(chunk, "no memory");
    ssize_t size;
    while ((size = read(in, chunk, CHUNK_BYTES)) > 0)
        REQUIRE(write(out, chunk, (size_t)size) == size, "writing %s: %s", to, strerror(errno));
    REQUIRE(size == 0, "reading %s: %s", from, strerror(errno));
    free(chunk);
    (void)close(in);
    (void)close(out);
}

static char *path_of(const char *directory, const char *name)
{
    char *path;
    REQUIRE(asprintf(&path, "%s/%s", directory, name) > 0, "no memory");
    return path;
}

/* Calls visit for each entry of the directory, by name. */
static void each_entry(
    const char *directory, void (*visit)(void *context, const char *name, const char *path), void *context)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    REQUIRE(count >= 0, "%s: %s", directory, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0) {
            char *path = path_of(directory, entries[i]->d_name);
            visit(context, entries[i]->d_name, path);
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
}

static void copy_entry(void *context, const char *name, const char *path)
{
    char *to = path_of(context, name);
    struct stat status;
    REQUIRE(lstat(path, &status) == 0, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode)) {
        REQUIRE(mkdir(to, 0700) == 0, "%s: %s", to, strerror(errno));
        test_directory_copy(path, to);
    } else {
        copy_file(path, to);
    }
    free(to);
}

void test_directory_copy(const char *from, const char *to)
{
    char *target = strdup(to);
    REQUIRE(target, "no memory");
    each_entry(from, copy_entry, target);
    free(target);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}

static void hash_entry(void *context, const char *name, const char *path)
{
    uint64_t *hash = context;
    struct stat status;
    REQUIRE(lstat(path, &status) == 0, "%s: %s", path, strerror(errno));
    *hash = hash_bytes(*hash, name, strlen(name) + 1);
    *hash = hash_bytes(*hash, &status.st_mode, sizeof(status.st_mode));
    *hash = hash_bytes(*hash, &status.st_mtim, sizeof(status.st_mtim));
    if (S_ISDIR(status.st_mode)) {
        each_entry(path, hash_entry, hash);
        return;
    }
    size_t size;
    char *data = test_file_read(path, &size);
    *hash = hash_bytes(*hash, &size, sizeof(size));
    *hash = hash_bytes(*hash, data, size);
    free(data);
}

uint64_t test_directory_hash(const char *directory)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    each_entry(directory, hash_entry, &hash);
    return hash;
}

/* ---- stores ---- */

void test_store_create(const char *directory)
{
    struct error error = {0};
    int r = store_create(directory, NULL, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
}

struct store *test_store_open(const char *directory, const struct store_options *options)
{
    struct error error = {0};
    struct store *store = NULL;
    int r = store_open(directory, options, &store, &error);
    REQUIRE(r == 0 && store, "%d: %s", r, error.message);
    return store;
}

void test_store_close(struct store *store)
{
    struct error error = {0};
    int r = store_close(store, &error);
    REQUIRE(r == 0, "%d: %s", r, error.message);
}

static void print_finding(void *context, const char *message)
{
    (void)context;
    fprintf(stderr, "finding: %s\n", message);
}

void test_store_check(const char *directory)
{
    struct error error = {0};
    int r = store_check(directory, print_finding, NULL, &error);
    REQUIRE(r == 0, "%d in %s: %s", r, directory, error.message);
}

void test_range_equal(struct store_snapshot *snapshot, uint64_t series_id, const struct points *points,
    uint64_t length, uint64_t from, uint64_t to)
{
    char what[96];
    (void)snprintf(what, sizeof(what), "series %llu [%llu, %llu) of %llu", (unsigned long long)series_id,
        (unsigned long long)from, (unsigned long long)to, (unsigned long long)length);
    struct error error = {0};
    struct store_cursor *cursor = NULL;
    int r = store_cursor_open(snapshot, series_id, from, to, false, &cursor, &error);
    REQUIRE(r == 0, "%s: %d: %s", what, r, error.message);
    uint64_t end = to < length ? to : length, at = from;
    for (;;) {
        const struct batch *batch = NULL;
        r = store_cursor_next(cursor, &batch, &error);
        REQUIRE(r == 0, "%s at %llu: %d: %s", what, (unsigned long long)at, r, error.message);
        if (!batch)
            break;
        REQUIRE(batch->count > 0 && batch->count <= 4096, "%s: %u points in one batch", what, batch->count);
        REQUIRE(at + batch->count <= end, "%s: points beyond the end", what);
        points_check_batch(points, at, batch, what);
        at += batch->count;
    }
    REQUIRE(at == end || from >= end, "%s ended at %llu", what, (unsigned long long)at);
    store_cursor_close(cursor);
}

void test_series_equal(
    struct store_snapshot *snapshot, uint64_t series_id, const struct points *points, uint64_t length)
{
    struct error error = {0};
    struct store_series series;
    int r = store_snapshot_series(snapshot, series_id, &series, &error);
    unsigned long long id = series_id;
    REQUIRE(r == 0, "series %llu: %d: %s", id, r, error.message);
    REQUIRE(series.length == length, "series %llu has %llu points, not %llu", id,
        (unsigned long long)series.length, (unsigned long long)length);
    double first = length > 0 ? points->times[0] : 0, last = length > 0 ? points->times[length - 1] : 0;
    REQUIRE(double_bits(series.time_first) == double_bits(first), "series %llu: first time %.17g, not %.17g",
        id, series.time_first, first);
    REQUIRE(double_bits(series.time_last) == double_bits(last), "series %llu: last time %.17g, not %.17g", id,
        series.time_last, last);
    uint64_t bytes = points_logical_bytes(points, length);
    REQUIRE(series.logical_bytes == bytes, "series %llu: %llu logical bytes, not %llu", id,
        (unsigned long long)series.logical_bytes, (unsigned long long)bytes);
    test_range_equal(snapshot, series_id, points, length, 0, UINT64_MAX);
}

int test_series_read(
    struct store_snapshot *snapshot, uint64_t series_id, struct points *points, struct error *ret_error)
{
    struct store_cursor *cursor = NULL;
    int r = store_cursor_open(snapshot, series_id, 0, UINT64_MAX, false, &cursor, ret_error);
    while (r == 0) {
        const struct batch *batch = NULL;
        r = store_cursor_next(cursor, &batch, ret_error);
        if (r < 0 || !batch)
            break;
        points_from_batch(points, batch);
    }
    store_cursor_close(cursor);
    return r;
}
