/* Memory runs out: the k-th allocation of an operation fails, for every k until it gets through. Each time
 * the operation is done or says -ENOMEM, the store goes on, and everything acknowledged is there, also after
 * it is opened again. (The linker wraps the allocating functions, so that AddressSanitizer sees what is lost
 * on the way.) */
#include "store_helpers.h"
#include "batch_equal.h"

#include "io.h"

#include <sys/mman.h>

/* ---- allocations ---- */

static uint64_t allocations; /* of the armed thread */
static uint64_t refused_at;  /* 0 = none */
static bool armed;

static bool refused(void)
{
    return armed && ++allocations == refused_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_asprintf(char **ret_text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return refused() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : __real_strdup(text);
}

int __wrap_asprintf(char **ret_text, const char *format, ...)
{
    if (refused())
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(ret_text, format, arguments);
    va_end(arguments);
    return length;
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (!refused())
        return __real_mmap(address, size, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

/* ---- a store and what it must hold ---- */

enum {
    SERIES = 6,
    BULK_FIRST = 7,
    BULK_SERIES = 3,
    BULK_POINTS = 50,
    SERIES_ALL = BULK_FIRST + BULK_SERIES,
    ALLOCATIONS_MAX = 5000
};

struct fixture {
    char *directory;
    struct io *io;
    struct store *store;
    uint64_t lengths[SERIES_ALL + 1]; /* by series id; acknowledged */
    struct batch *batch;              /* for the operation, made before */
    struct batch loads[BULK_SERIES];
    uint64_t attempt; /* k */
};

static void push_point(struct batch *batch, uint64_t series_id, uint64_t index)
{
    uint8_t text[] = {0xa2, (uint8_t)('a' + index % 26), 'z'};
    if (series_id % 2)
        assert_int_equal(batch_push_integer(batch, (double)index, (int64_t)(index * series_id)), 0);
    else
        assert_int_equal(batch_push_msgpack(batch, (double)index, text, sizeof(text)), 0);
}

static void make_batch(struct fixture *fixture, uint64_t series_id, uint64_t count)
{
    batch_clear(fixture->batch);
    for (uint64_t i = 0; i < count; i++)
        push_point(fixture->batch, series_id, fixture->lengths[series_id] + i);
}

static int append(struct fixture *fixture, uint64_t series_id, struct error *ret_error)
{
    uint64_t first = UINT64_MAX, count = fixture->batch->count;
    int r = store_append(fixture->store, series_id, fixture->batch, 0, &first, ret_error);
    if (r < 0)
        return r;
    REQUIRE(first == fixture->lengths[series_id], "appended at %llu", (unsigned long long)first);
    fixture->lengths[series_id] += count;
    return 0;
}

static void append_nofail(struct fixture *fixture, uint64_t series_id, uint64_t count)
{
    struct error error = {0};
    make_batch(fixture, series_id, count);
    REQUIRE(append(fixture, series_id, &error) == 0, "%s", error.message);
}

static struct store_options options_of(const struct fixture *fixture)
{
    return (struct store_options){
        .journal_bytes = 64 << 10, .no_threads = true, .wait_ms_max = 1, .io = fixture->io};
}

static int open_store(struct fixture *fixture, struct error *ret_error)
{
    struct store_options options = options_of(fixture);
    return store_open(fixture->directory, &options, &fixture->store, ret_error);
}

static void open_nofail(struct fixture *fixture)
{
    struct error error = {0};
    REQUIRE(open_store(fixture, &error) == 0, "%s", error.message);
}

static void close_nofail(struct fixture *fixture)
{
    test_store_close(fixture->store);
    fixture->store = NULL;
}

static void verify(struct fixture *fixture)
{
    struct store_snapshot *snapshot;
    struct batch expected, got;
    batch_init(&expected);
    batch_init(&got);
    assert_int_equal(store_snapshot_open(fixture->store, &snapshot, NULL), 0);
    for (uint64_t id = 1; id < SERIES_ALL; id++) {
        struct error error = {0};
        struct store_cursor *cursor;
        const struct batch *part;
        batch_clear(&expected);
        batch_clear(&got);
        for (uint64_t i = 0; i < fixture->lengths[id]; i++)
            push_point(&expected, id, i);
        assert_int_equal(store_cursor_open(snapshot, id, 0, UINT64_MAX, false, &cursor, &error), 0);
        while (store_cursor_next(cursor, &part, &error) == 0 && part)
            assert_int_equal(batch_append(&got, part, 0, part->count), 0);
        store_cursor_close(cursor);
        REQUIRE(error.code == 0 && batch_equal(&got, &expected),
            "series %llu, allocation %llu: %u points, expected %u; %s", (unsigned long long)id,
            (unsigned long long)fixture->attempt, got.count, expected.count, error.message);
    }
    store_snapshot_close(snapshot);
    batch_free(&expected);
    batch_free(&got);
}

/* ---- operations: 0 or negative; they note what was acknowledged ---- */

static int run_open(struct fixture *fixture, struct error *ret_error)
{
    return open_store(fixture, ret_error);
}

static int run_append(struct fixture *fixture, struct error *ret_error)
{
    return append(fixture, 1, ret_error);
}

/* Nothing of it is in memory yet. */
static int run_append_sealed(struct fixture *fixture, struct error *ret_error)
{
    return append(fixture, 2, ret_error);
}

static int run_append_new(struct fixture *fixture, struct error *ret_error)
{
    return append(fixture, BULK_FIRST, ret_error);
}

static int run_delete(struct fixture *fixture, struct error *ret_error)
{
    const uint64_t ids[] = {3, 4};
    int r = store_delete_series(fixture->store, ids, 2, ret_error);
    if (r == 0)
        fixture->lengths[3] = fixture->lengths[4] = 0;
    return r;
}

static int run_read(struct fixture *fixture, struct error *ret_error)
{
    struct store_snapshot *snapshot;
    struct store_series series;
    struct store_aggregate aggregate;
    uint64_t index;
    int r = store_snapshot_open(fixture->store, &snapshot, ret_error);
    if (r < 0)
        return r;
    for (uint64_t id = 1; r == 0 && id <= SERIES; id++) {
        struct store_cursor *cursor = NULL;
        const struct batch *batch = NULL;
        uint64_t points = 0;
        r = store_snapshot_series(snapshot, id, &series, ret_error);
        if (r == 0)
            r = store_snapshot_index_of_time(snapshot, id, 5, &index, ret_error);
        if (r == 0)
            r = store_snapshot_aggregate(snapshot, id, 1, series.length - 1, &aggregate, ret_error);
        if (r == 0)
            r = store_cursor_open(snapshot, id, 0, UINT64_MAX, false, &cursor, ret_error);
        while (r == 0 && (r = store_cursor_next(cursor, &batch, ret_error)) == 0 && batch)
            points += batch->count;
        store_cursor_close(cursor);
        REQUIRE(r < 0 || (points == fixture->lengths[id] && index == 6), "series %llu: %llu points read",
            (unsigned long long)id, (unsigned long long)points);
    }
    store_snapshot_close(snapshot);
    return r;
}

static int run_work(struct fixture *fixture, struct error *ret_error)
{
    int r;
    do
        r = store_work(fixture->store, ret_error);
    while (r == 1);
    return r;
}

static int run_seal(struct fixture *fixture, struct error *ret_error)
{
    int r = run_work(fixture, ret_error);
    return r == 0 ? store_seal(fixture->store, true, ret_error) : r;
}

static int run_merge(struct fixture *fixture, struct error *ret_error)
{
    return store_merge(fixture->store, ret_error);
}

static int load(struct fixture *fixture, struct store_bulk_writer *writer, struct error *ret_error)
{
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < BULK_SERIES; i++) {
        r = store_bulk_series(writer, BULK_FIRST + i, i, ret_error);
        if (r == 0)
            r = store_bulk_append(writer, &fixture->loads[i], ret_error);
    }
    return r == 0 ? store_bulk_writer_finish(writer, ret_error) : r;
}

static int run_bulk(struct fixture *fixture, struct error *ret_error)
{
    struct store_bulk *bulk;
    struct store_bulk_writer *writer = NULL;
    uint64_t id, points;
    int r = store_bulk_open(fixture->store, "load", true, &bulk, ret_error);
    if (r < 0)
        return r;
    bool staged = store_bulk_find(bulk, 0, &id, &points); /* by a try that failed later */
    if (!staged)
        r = store_bulk_writer_open(bulk, &writer, ret_error);
    if (r == 0 && !staged)
        r = load(fixture, writer, ret_error);
    store_bulk_writer_close(writer);
    if (r == 0)
        r = store_bulk_publish(bulk, ret_error);
    for (uint64_t i = 0; r == 0 && i < BULK_SERIES; i++)
        fixture->lengths[BULK_FIRST + i] = BULK_POINTS;
    store_bulk_close(bulk, true);
    return r;
}

/* A backup that failed is removed; one that succeeded holds what the store holds. */
static int run_backup(struct fixture *fixture, struct error *ret_error)
{
    struct store_snapshot *snapshot;
    struct fixture copy = *fixture;
    bool was_armed = armed;
    armed = false;
    copy.directory = test_directory_create_fast();
    armed = was_armed;
    int r = store_snapshot_open(fixture->store, &snapshot, ret_error);
    if (r == 0) {
        r = store_snapshot_backup(snapshot, copy.directory, ret_error);
        store_snapshot_close(snapshot);
    }
    armed = false;
    if (r == 0) {
        open_nofail(&copy);
        verify(&copy);
        close_nofail(&copy);
        test_store_check(copy.directory);
    }
    test_directory_remove(copy.directory);
    return r;
}

/* Memory is freed whatever happens; what could not be written down is found at the next open. */
static int run_close(struct fixture *fixture, struct error *ret_error)
{
    int r = store_close(fixture->store, ret_error);
    fixture->store = NULL;
    return r;
}

static const struct operation {
    const char *name;
    int (*run)(struct fixture *fixture, struct error *ret_error);
    unsigned segments;
    uint64_t series, points;    /* of the batch that it appends */
    bool closed;                /* it runs on a store that is not open */
    unsigned allocations_least; /* fewer mean that the test does not reach what it is about */
} operations[] = {
    {"open", run_open, 2, 1, 1, true, 60},
    {"append", run_append, 1, 1, 40, false, 1},
    {"append to a sealed series", run_append_sealed, 1, 2, 40, false, 3},
    {"append to a new series", run_append_new, 1, BULK_FIRST, 40, false, 3},
    {"delete", run_delete, 1, 1, 1, false, 1},
    {"read", run_read, 2, 1, 1, false, 10},
    {"seal", run_seal, 1, 1, 1, false, 20},
    {"prepare a journal", run_work, 0, 1, 1, false, 8},
    {"merge", run_merge, 12, 1, 1, false, 10},
    {"bulk load", run_bulk, 1, 1, 1, false, 30},
    {"backup", run_backup, 2, 1, 1, false, 8},
    {"close", run_close, 1, 1, 1, false, 1},
};

/* ---- trying ---- */

static struct fixture *make_template(const struct operation *operation)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->batch = calloc(1, sizeof(*fixture->batch));
    assert_non_null(fixture->batch);
    assert_int_equal(io_open_posix(&fixture->io, NULL), 0);
    fixture->directory = test_directory_create_fast();
    test_store_create(fixture->directory);
    open_nofail(fixture);
    /* With a merge due nothing but what is merged: filling does not let it happen. */
    for (unsigned round = 0; round <= operation->segments; round++) {
        for (uint64_t id = 1; id <= SERIES; id++)
            append_nofail(fixture, id, 3 + id);
        if (round == operation->segments)
            break;
        while (store_work(fixture->store, NULL) == 1 && operation->segments < 12)
            continue;
        assert_int_equal(store_seal(fixture->store, true, NULL), 0);
    }
    close_nofail(fixture);
    for (uint64_t i = 0; i < BULK_SERIES; i++) {
        for (uint64_t n = 0; n < BULK_POINTS; n++)
            push_point(&fixture->loads[i], BULK_FIRST + i, n);
    }
    return fixture;
}

static void free_template(struct fixture *fixture)
{
    test_directory_remove(fixture->directory);
    io_close(fixture->io);
    batch_free(fixture->batch);
    free(fixture->batch);
    for (uint64_t i = 0; i < BULK_SERIES; i++)
        batch_free(&fixture->loads[i]);
    free(fixture);
}

/* Every journal that the failure may have left gets its turn. */
static void turn_journals_over(struct fixture *fixture)
{
    struct error error = {0};
    for (unsigned round = 0; round < 3; round++) {
        REQUIRE(run_work(fixture, &error) == 0, "allocation %llu: %s", (unsigned long long)fixture->attempt,
            error.message);
        append_nofail(fixture, 1, 1);
        REQUIRE(store_seal(fixture->store, true, &error) == 0, "allocation %llu: %s",
            (unsigned long long)fixture->attempt, error.message);
    }
}

/* The operation with its k-th allocation refused, and what follows. Returns whether there was a k-th one. */
static bool try(const struct fixture *template, const struct operation *operation, uint64_t k)
{
    struct fixture fixture = *template;
    struct error error = {0};
    fixture.attempt = k;
    fixture.directory = test_directory_create_fast();
    test_directory_copy(template->directory, fixture.directory);
    if (!operation->closed)
        open_nofail(&fixture);
    make_batch(&fixture, operation->series, operation->points);
    allocations = 0;
    refused_at = k;
    armed = true;
    int r = operation->run(&fixture, &error);
    armed = false;
    bool reached = allocations >= k;
    REQUIRE(r == 0 || r == -ENOMEM, "%s, allocation %llu: %d: %s", operation->name, (unsigned long long)k, r,
        error.message);
    REQUIRE(r == 0 || error.message[0], "%s, allocation %llu: no message", operation->name,
        (unsigned long long)k);
    REQUIRE(r == 0 || reached, "%s fails with memory: %s", operation->name, error.message);
    if (!fixture.store)
        open_nofail(&fixture);
    verify(&fixture);
    if (r < 0 && operation->run != run_close && !operation->closed) { /* with memory it works */
        make_batch(&fixture, operation->series, operation->points);
        REQUIRE(operation->run(&fixture, &error) == 0, "%s, after allocation %llu: %s", operation->name,
            (unsigned long long)k, error.message);
        verify(&fixture);
    }
    append_nofail(&fixture, 1, 2);
    turn_journals_over(&fixture);
    verify(&fixture);
    close_nofail(&fixture);
    test_store_check(fixture.directory);
    open_nofail(&fixture);
    verify(&fixture);
    close_nofail(&fixture);
    test_directory_remove(fixture.directory);
    return reached;
}

static void test_every_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        struct fixture *template = make_template(&operations[i]);
        uint64_t k = 1;
        while (try(template, &operations[i], k))
            assert_true(++k < ALLOCATIONS_MAX);
        print_message("%s: %llu allocations\n", operations[i].name, (unsigned long long)k - 1);
        assert_true(k > operations[i].allocations_least);
        free_template(template);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
