/* Damage to any file of a closed store: bits flipped, bytes overwritten, files cut, lengthened, removed,
 * swapped or taken from an earlier time. Opening or reading then reports an error that names the file, or the
 * damage is harmless: never wrong data, never a crash. Check finds it, and never changes a byte.
 *
 * About TRIALS_OF_A_FILE places of each file are tried; $CONNECTORDB_STRIDE=1 takes every byte. */
#include "store_helpers.h"

#include "journal_file.h"
#include "segment_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERIES = 10, FILES_MAX = 32, TRIALS_OF_A_FILE = 50, JOURNAL_BYTES = 64 << 10 };

static const struct store_options options = {.journal_bytes = JOURNAL_BYTES};

/* An intact, closed store and what it holds. */
struct sample {
    char *directory;
    struct points points[SERIES];
    bool deleted[SERIES];
    char *files[FILES_MAX]; /* names */
    size_t sizes[FILES_MAX];
    size_t file_count;
};

struct damage {
    const char *file; /* name */
    const char *what;
};

/* ---- the intact store ---- */

static void append_random(struct sample *sample, struct store *store, uint64_t series_id, uint64_t count,
    struct test_random *random)
{
    struct points *points = &sample->points[series_id];
    uint64_t first = points->count;
    double time = first > 0 ? points->times[first - 1] : 0;
    for (uint64_t i = 0; i < count; i++) {
        time = random_time_after(time, random);
        points_push_random(
            points, (enum value_profile)(series_id % PROFILE_COUNT), time, series_id % 3 == 0, random);
    }
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, first, count, true, &batch);
    assert_int_equal(store_append(store, series_id, &batch, 0, NULL, NULL), 0);
    batch_free(&batch);
}

static void append_some(
    struct sample *sample, struct store *store, unsigned batches, struct test_random *random)
{
    for (unsigned i = 0; i < batches; i++) {
        uint64_t series_id = 1 + test_random_below(random, SERIES - 2); /* the last one is loaded */
        if (!sample->deleted[series_id])
            append_random(sample, store, series_id, 1 + test_random_below(random, 60), random);
    }
}

static void load_last(struct sample *sample, struct store *store, struct test_random *random)
{
    struct points *points = &sample->points[SERIES - 1];
    for (int i = 0; i < 5000; i++)
        points_push_random(points, PROFILE_DECIMALS, i, false, random);
    struct store_bulk *bulk;
    struct store_bulk_writer *writer;
    struct batch batch;
    batch_init(&batch);
    points_to_batch(points, 0, points->count, true, &batch);
    assert_int_equal(store_bulk_open(store, "load", false, &bulk, NULL), 0);
    assert_int_equal(store_bulk_writer_open(bulk, &writer, NULL), 0);
    assert_int_equal(store_bulk_series(writer, SERIES - 1, 1, NULL), 0);
    assert_int_equal(store_bulk_append(writer, &batch, NULL), 0);
    assert_int_equal(store_bulk_writer_finish(writer, NULL), 0);
    store_bulk_writer_close(writer);
    assert_int_equal(store_bulk_publish(bulk, NULL), 0);
    store_bulk_close(bulk, false);
    batch_free(&batch);
}

static void list_files(struct sample *sample)
{
    struct dirent **entries;
    int count = scandir(sample->directory, &entries, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char *path = test_path(sample->directory, "%s", entries[i]->d_name);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        if (S_ISREG(status.st_mode)) {
            assert_true(sample->file_count < FILES_MAX);
            sample->files[sample->file_count] = strdup(entries[i]->d_name);
            sample->sizes[sample->file_count++] = (size_t)status.st_size;
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
}

static struct sample make_sample(uint64_t seed)
{
    struct sample sample = {.directory = test_directory_create_fast()};
    struct test_random random = {seed};
    test_store_create(sample.directory);
    struct store *store = test_store_open(sample.directory, &options);
    append_some(&sample, store, 20, &random);
    assert_int_equal(store_seal(store, true, NULL), 0);
    append_some(&sample, store, 20, &random);
    assert_int_equal(store_delete_series(store, (uint64_t[]){3}, 1, NULL), 0);
    sample.deleted[3] = true;
    assert_int_equal(store_seal(store, true, NULL), 0);
    load_last(&sample, store, &random);
    append_some(&sample, store, 20, &random);
    test_store_close(store);
    test_store_check(sample.directory);
    list_files(&sample);
    return sample;
}

static void free_sample(struct sample *sample)
{
    for (int i = 0; i < SERIES; i++)
        points_free(&sample->points[i]);
    for (size_t i = 0; i < sample->file_count; i++)
        free(sample->files[i]);
    test_directory_remove(sample->directory);
}

/* ---- judging a damaged copy ---- */

static bool names_file(const char *message, const char *file)
{
    return strstr(message, file) != NULL;
}

static void require_named(const struct damage *damage, int result, const struct error *error)
{
    REQUIRE(result == -EBADMSG || result == -EIO || result == -ENOENT || result == -ENOTSUP, "%s, %s: %d: %s",
        damage->file, damage->what, result, error->message);
    REQUIRE(names_file(error->message, damage->file), "%s, %s: '%s' names another file", damage->file,
        damage->what, error->message);
}

/* Reads one series: all of it right, or (false) an error that names the file. Points before an error are
 * right, too. */
static bool read_series(const struct sample *sample, struct store_snapshot *snapshot, uint64_t series_id,
    const struct damage *damage)
{
    struct error error = {0};
    struct store_series series;
    struct store_cursor *cursor = NULL;
    const struct points *points = &sample->points[series_id];
    uint64_t length = sample->deleted[series_id] ? 0 : points->count, at = 0;
    int r = store_snapshot_series(snapshot, series_id, &series, &error);
    REQUIRE(r < 0 || series.length == length, "%s, %s: series %llu has %llu points", damage->file,
        damage->what, (unsigned long long)series_id, (unsigned long long)series.length);
    if (r == 0)
        r = store_cursor_open(snapshot, series_id, 0, UINT64_MAX, false, &cursor, &error);
    const struct batch *batch = NULL;
    while (r == 0 && (r = store_cursor_next(cursor, &batch, &error)) == 0 && batch) {
        REQUIRE(
            at + batch->count <= length, "%s, %s: more points than there were", damage->file, damage->what);
        points_check_batch(points, at, batch, damage->what);
        at += batch->count;
    }
    store_cursor_close(cursor);
    if (r < 0)
        require_named(damage, r, &error);
    REQUIRE(r < 0 || at == length, "%s, %s: series %llu ends at %llu of %llu", damage->file, damage->what,
        (unsigned long long)series_id, (unsigned long long)at, (unsigned long long)length);
    return r == 0;
}

static bool read_all(const struct sample *sample, struct store *store, const struct damage *damage)
{
    struct store_snapshot *snapshot;
    REQUIRE(store_snapshot_open(store, &snapshot, NULL) == 0, "no snapshot");
    bool whole = true;
    for (uint64_t series_id = 1; series_id < SERIES; series_id++)
        whole &= read_series(sample, snapshot, series_id, damage);
    store_snapshot_close(snapshot);
    return whole;
}

struct findings {
    const struct damage *damage;
    bool named;
};

static void take_finding(void *context, const char *message)
{
    struct findings *findings = context;
    REQUIRE(message[0] != 0, "an empty finding");
    findings->named |= names_file(message, findings->damage->file);
}

/* Whether check finds the damage; it changes nothing. */
static bool check_finds(const char *directory, const struct damage *damage)
{
    struct findings findings = {.damage = damage};
    struct error error = {0};
    uint64_t before = test_directory_hash(directory);
    int r = store_check(directory, take_finding, &findings, &error);
    REQUIRE(test_directory_hash(directory) == before, "%s, %s: check changed something", damage->file,
        damage->what);
    REQUIRE(r >= 0, "%s, %s: check failed: %s", damage->file, damage->what, error.message);
    REQUIRE(r == 0 || findings.named, "%s, %s: check found something, but not in this file", damage->file,
        damage->what);
    return r > 0;
}

/* Whether the store says that something is wrong when it is opened and read. */
static bool store_complains(const struct sample *sample, const char *directory, const struct damage *damage)
{
    struct error error = {0};
    struct store *store = NULL;
    int r = store_open(directory, &options, &store, &error);
    if (r < 0) {
        require_named(damage, r, &error);
        REQUIRE(!store, "an output was written");
        return true;
    }
    bool whole = read_all(sample, store, damage);
    (void)store_close(store, NULL);
    return !whole;
}

/* Bytes after the last frame of a journal mean nothing; everything else is data. */
static void judge(
    const struct sample *sample, const char *directory, const struct damage *damage, bool may_be_harmless)
{
    bool found = check_finds(directory, damage);
    bool complains = store_complains(sample, directory, damage);
    REQUIRE(
        found || !complains, "%s, %s: the store complains, check finds nothing", damage->file, damage->what);
    REQUIRE(found || may_be_harmless, "%s, %s: check finds nothing", damage->file, damage->what);
}

/* ---- damaging ---- */

static char *copy_sample(const struct sample *sample)
{
    char *copy = test_directory_create_fast();
    test_directory_copy(sample->directory, copy);
    return copy;
}

static bool is_journal(const char *name)
{
    return strncmp(name, "journal-", 8) == 0;
}

/* A file that is made ready for the next journal: nothing in it matters. */
static bool is_spare(const char *name)
{
    return strcmp(name, "MANIFEST") != 0 && strncmp(name, "segment-", 8) != 0 && !is_journal(name);
}

static int visit_nothing(void *context, const struct frame *frame)
{
    (void)context, (void)frame;
    return 0;
}

/* Where the frames of a journal end: behind them are zeros, or the stale bytes of a recycled file. */
static size_t used_end(const struct sample *sample, size_t file)
{
    if (!is_journal(sample->files[file]))
        return sample->sizes[file];
    struct journal_file *journal;
    struct journal_scan scan;
    uint64_t id = strtoull(sample->files[file] + strlen("journal-"), NULL, 10);
    assert_int_equal(journal_file_open(sample->directory, id, &journal, NULL), 0);
    assert_int_equal(journal_file_scan(journal, 0, visit_nothing, NULL, &scan, NULL), 0);
    journal_file_close(journal);
    return scan.end;
}

enum byte_damage { FLIP_BIT, ZERO_RUN, FILL_RUN, BYTE_DAMAGES };
static const char *const byte_damage_names[] = {"a bit flipped", "a run zeroed", "a run filled"};

/* Changes bytes at the offset; false: they already were like that. */
static bool change_bytes(
    uint8_t *data, size_t limit, size_t offset, enum byte_damage kind, struct test_random *random)
{
    enum { RUN = 64 };
    size_t count = limit - offset < RUN ? limit - offset : RUN;
    uint8_t before[RUN];
    memcpy(before, data + offset, count);
    if (kind == FLIP_BIT)
        data[offset] ^= (uint8_t)(1u << test_random_below(random, 8));
    else
        memset(data + offset, kind == ZERO_RUN ? 0 : 0xff, count);
    return memcmp(before, data + offset, count) != 0;
}

static void damage_bytes(
    const struct sample *sample, size_t file, enum byte_damage kind, struct test_random *random)
{
    size_t end = used_end(sample, file), size;
    size_t stride = test_parameter("CONNECTORDB_STRIDE", end / TRIALS_OF_A_FILE + 1);
    for (size_t offset = test_random_below(random, stride); offset < sample->sizes[file]; offset += stride) {
        char *copy = copy_sample(sample), *path = test_path(copy, "%s", sample->files[file]), what[96];
        char *data = test_file_read(path, &size);
        (void)snprintf(what, sizeof(what), "%s at offset %zu", byte_damage_names[kind], offset);
        struct damage damage = {sample->files[file], what};
        size_t limit = offset < end ? end : size; /* not over the end of what means something */
        if (change_bytes((uint8_t *)data, limit, offset, kind, random)) {
            test_file_write(path, data, size);
            judge(sample, copy, &damage, offset >= end || is_spare(sample->files[file]));
        }
        free(data), free(path);
        test_directory_remove(copy);
        if (offset >= end)
            stride = JOURNAL_BYTES / 8; /* nothing there: a few are enough */
    }
}

static void test_changed_bytes(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    struct test_random random = {test_seed(1)};
    for (size_t file = 0; file < sample.file_count; file++)
        for (int kind = FLIP_BIT; kind < BYTE_DAMAGES; kind++)
            damage_bytes(&sample, file, (enum byte_damage)kind, &random);
    free_sample(&sample);
}

/* The only bytes of a segment that no checksum covers. */
static void test_changed_padding(void **state)
{
    (void)state;
    unsigned padded = 0;
    for (uint64_t seed = 1; padded < 3; seed++) {
        struct sample sample = make_sample(seed);
        for (size_t file = 0; file < sample.file_count; file++) {
            char *copy = copy_sample(&sample), *path = test_path(copy, "%s", sample.files[file]);
            struct segment *segment;
            if (strncmp(sample.files[file], "segment-", 8) == 0 &&
                segment_open(path, strtoull(sample.files[file] + 8, NULL, 10), &segment, NULL) == 0) {
                uint64_t from = segment->footer.blocks_end, to = segment->layout.index_offset;
                segment_close(segment);
                char *data = test_file_read(path, NULL);
                if (from < to) {
                    data[to - 1] ^= 0x10;
                    test_file_write(path, data, sample.sizes[file]);
                    struct damage damage = {sample.files[file], "a bit flipped in the padding"};
                    assert_true(check_finds(copy, &damage));
                    assert_false(store_complains(&sample, copy, &damage));
                    padded++;
                }
                free(data);
            }
            free(path);
            test_directory_remove(copy);
        }
        free_sample(&sample);
    }
}

static void test_changed_lengths(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    for (size_t file = 0; file < sample.file_count; file++) {
        size_t size = sample.sizes[file];
        const size_t sizes[] = {0, 1, 7, 8, 16, size / 3, size / 2, size - 4096, size - 8, size - 1, size + 1,
            size + 8, size + 4096};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            if (sizes[i] > size + 4096) /* size - 4096 of a small file */
                continue;
            char *copy = copy_sample(&sample), *path = test_path(copy, "%s", sample.files[file]), what[64];
            (void)snprintf(what, sizeof(what), "cut or lengthened from %zu to %zu", size, sizes[i]);
            struct damage damage = {sample.files[file], what};
            assert_int_equal(truncate(path, (off_t)sizes[i]), 0);
            judge(&sample, copy, &damage, is_spare(sample.files[file]));
            free(path);
            test_directory_remove(copy);
        }
    }
    free_sample(&sample);
}

static void test_missing_files(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    for (size_t file = 0; file < sample.file_count; file++) {
        char *copy = copy_sample(&sample), *path = test_path(copy, "%s", sample.files[file]);
        struct damage damage = {sample.files[file], "removed"};
        assert_int_equal(unlink(path), 0);
        judge(&sample, copy, &damage, is_spare(sample.files[file]));
        free(path);
        test_directory_remove(copy);
    }
    free_sample(&sample);
}

static void test_directories_in_place_of_files(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    for (size_t file = 0; file < sample.file_count; file++) {
        char *copy = copy_sample(&sample), *path = test_path(copy, "%s", sample.files[file]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        struct store *store = NULL;
        struct error error = {0};
        int r = store_open(copy, &options, &store, &error);
        if (r == 0)
            (void)store_close(store, NULL);
        else if (!names_file(error.message, sample.files[file]))
            fail_msg("'%s' does not name %s", error.message, sample.files[file]);
        REQUIRE(r < 0 || is_spare(sample.files[file]), "a directory was taken for %s", sample.files[file]);
        free(path);
        test_directory_remove(copy);
    }
    free_sample(&sample);
}

/* A file has the content of another one of its kind. */
static void test_swapped_files(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    unsigned swaps = 0;
    for (size_t a = 0; a < sample.file_count; a++) {
        for (size_t b = 0; b < sample.file_count; b++) {
            if (a == b || is_spare(sample.files[a]) || is_spare(sample.files[b]) ||
                strncmp(sample.files[a], sample.files[b], 8) != 0)
                continue;
            char *copy = copy_sample(&sample);
            char *path_a = test_path(copy, "%s", sample.files[a]),
                 *path_b = test_path(sample.directory, "%s", sample.files[b]);
            size_t size;
            char *data = test_file_read(path_b, &size), what[300];
            test_file_write(path_a, data, size);
            (void)snprintf(what, sizeof(what), "replaced by %s", sample.files[b]);
            struct damage damage = {sample.files[a], what};
            judge(&sample, copy, &damage, false);
            swaps++;
            free(data), free(path_a), free(path_b);
            test_directory_remove(copy);
        }
    }
    assert_true(swaps > 0);
    free_sample(&sample);
}

/* The bytes of another store behind our own, as a recycled disk might show them. */
static void test_foreign_files(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    struct sample other = make_sample(test_seed(1)); /* the same operations: other nonces, the same names */
    for (size_t a = 0; a < sample.file_count; a++) {
        for (size_t b = 0; b < other.file_count; b++) {
            if (!is_journal(sample.files[a]) || strcmp(sample.files[a], other.files[b]) != 0 ||
                used_end(&sample, a) == JOURNAL_HEADER_BYTES)
                continue;
            char *copy = copy_sample(&sample);
            char *path = test_path(copy, "%s", sample.files[a]),
                 *from = test_path(other.directory, "%s", other.files[b]);
            size_t size;
            char *data = test_file_read(from, &size);
            size_t middle = used_end(&sample, a) / 2 / 8 * 8;
            char *own = test_file_read(path, NULL);
            memcpy(own + middle, data + middle, size - middle); /* frames of another journal behind ours */
            test_file_write(path, own, size);
            struct damage damage = {sample.files[a], "the second half is another journal's"};
            judge(&sample, copy, &damage, false);
            free(data), free(own), free(path), free(from);
            test_directory_remove(copy);
        }
    }
    free_sample(&sample);
    free_sample(&other);
}

/* A refused store is left as it is: put right again, it opens with everything. */
static void test_a_refused_store_can_be_put_right(void **state)
{
    (void)state;
    struct sample sample = make_sample(test_seed(1));
    for (size_t file = 0; file < sample.file_count; file++) {
        if (is_spare(sample.files[file]))
            continue;
        char *copy = copy_sample(&sample), *path = test_path(copy, "%s", sample.files[file]);
        size_t size, place = used_end(&sample, file) / 2;
        char *data = test_file_read(path, &size);
        data[place] ^= 1;
        test_file_write(path, data, size);
        struct damage damage = {sample.files[file], "a bit flipped in the middle"};
        (void)store_complains(&sample, copy, &damage);
        if (access(path, F_OK) == 0) { /* else it was sealed meanwhile: only a store that opened does that */
            data[place] ^= 1;
            test_file_write(path, data, size);
        }
        free(data);
        damage.what = "put right";
        assert_false(store_complains(&sample, copy, &damage));
        free(path);
        test_directory_remove(copy);
    }
    free_sample(&sample);
}

/* ---- files that shrink while the store is open: reads fault ---- */

static void read_shrunk(const struct sample *sample, const char *file)
{
    char *copy = copy_sample(sample);
    struct store *store = test_store_open(copy, &options);
    char *path = test_path(copy, "%s", file);
    struct damage damage = {file, "cut while it is read"};
    REQUIRE(truncate(path, 4096) == 0, "%s: %s", path, strerror(errno));
    REQUIRE(!read_all(sample, store, &damage), "%s was cut, and nobody noticed", file);
    (void)store_close(store, NULL);
    free(path);
    test_directory_remove(copy);
}

/* In a child process, because cmocka takes SIGBUS for itself. Must run before any store is opened in this
 * process. */
static void test_files_cut_while_open(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        unsigned count = 0;
        struct sample sample = make_sample(test_seed(1));
        for (size_t file = 0; file < sample.file_count; file++) {
            if (strncmp(sample.files[file], "segment-", 8) == 0 && sample.sizes[file] > 8192) {
                read_shrunk(&sample, sample.files[file]);
                count++;
            }
        }
        REQUIRE(count > 0, "no segment is large enough");
        free_sample(&sample);
        exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_cut_while_open), /* first */
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_changed_padding),
        cmocka_unit_test(test_changed_lengths),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_directories_in_place_of_files),
        cmocka_unit_test(test_swapped_files),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_a_refused_store_can_be_put_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
