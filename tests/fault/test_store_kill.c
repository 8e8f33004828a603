/* kill -9 at any moment, for real: a child process runs a store with four inserting threads and one that
 * deletes, and reports through a pipe what was acknowledged. The parent kills it after a random number of
 * reports, opens what is left, and sees that nothing acknowledged is missing, batches are whole and in order,
 * and nothing is invented.
 *
 * usage: test_store_kill [ROUNDS]     ($CONNECTORDB_SEED repeats the choices, not the machine's timing) */
#include "store_helpers.h"

#include "clock.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 10,
    ROUNDS_OF_A_STORE = 20, /* then a new one, so that comparing everything stays quick */
    WRITERS = 4,
    SHARED_SERIES = 1,     /* all writers append to it */
    FIRST_SERIES = 10,     /* + writer: gets a batch first, ... */
    SECOND_SERIES = 20,    /* + writer: ... and then this one gets the same number of points */
    SHORT_LIVED = 1000000, /* and up: appended to once, then deleted */
    POINTS_OF_BATCH = 60,
    REPORTS_MAX = 400,
};

/* ---- what is written: everything follows from series, index and number of the batch ---- */

/* Points of the batch that starts at this index of a writer's series. */
static uint64_t batch_size(uint64_t writer, uint64_t first_index)
{
    struct test_random random = {writer << 32 | first_index};
    return 1 + test_random_below(&random, POINTS_OF_BATCH);
}

static int64_t value_at(uint64_t series_id, uint64_t index)
{
    struct test_random random = {series_id << 40 ^ index};
    return (int64_t)(test_random_next(&random) >> 32);
}

static double time_at(uint64_t index)
{
    return 1000 + (double)(index / 3) * 0.5;
}

/* A value of the shared series says all about its batch. */
static int64_t shared_value(uint64_t writer, uint64_t number, uint64_t place, uint64_t count)
{
    return (int64_t)(writer << 48 | number << 16 | place << 8 | count);
}

static uint64_t shared_size(uint64_t number)
{
    return 1 + number % 5;
}

/* ---- the child ---- */

enum report_kind { REPORT_FIRST, REPORT_SECOND, REPORT_SHARED, REPORT_DELETED, REPORT_KINDS };

struct report {
    uint32_t kind;
    uint32_t writer;
    uint64_t value; /* length of the series, batches in the shared one, or the deleted series */
};

struct writer {
    struct store *store;
    int reports;
    uint64_t number;
    uint64_t length;         /* of its two series */
    uint64_t second_length;  /* that of the second may be a batch behind at the start */
    uint64_t shared_batches; /* so far */
};

static void report(const struct writer *writer, enum report_kind kind, uint64_t value)
{
    struct report sent = {kind, (uint32_t)writer->number, value};
    REQUIRE(write(writer->reports, &sent, sizeof(sent)) == sizeof(sent), "pipe: %s", strerror(errno));
}

static void append(const struct writer *writer, uint64_t series_id, struct batch *batch)
{
    struct error error = {0};
    int r;
    while ((r = store_append(writer->store, series_id, batch, 0, NULL, &error)) == -EAGAIN) {
        /* the sealer lags: come again */
    }
    REQUIRE(r == 0, "append: %d: %s", r, error.message);
}

static void append_own(const struct writer *writer, uint64_t series_id, uint64_t first_index)
{
    struct batch batch;
    batch_init(&batch);
    uint64_t count = batch_size(writer->number, first_index);
    for (uint64_t i = first_index; i < first_index + count; i++)
        REQUIRE(batch_push_integer(&batch, time_at(i), value_at(series_id, i)) == 0, "no memory");
    append(writer, series_id, &batch);
    batch_free(&batch);
}

static void append_shared(const struct writer *writer, uint64_t number)
{
    struct batch batch;
    batch_init(&batch);
    for (uint64_t i = 0; i < shared_size(number); i++)
        REQUIRE(batch_push_integer(
                    &batch, (double)NAN, shared_value(writer->number, number, i, shared_size(number))) == 0,
            "no memory");
    append(writer, SHARED_SERIES, &batch);
    batch_free(&batch);
}

static void *write_for_ever(void *argument)
{
    struct writer *writer = argument;
    for (;;) {
        if (writer->second_length == writer->length) {
            append_own(writer, FIRST_SERIES + writer->number, writer->length);
            writer->length += batch_size(writer->number, writer->length);
            report(writer, REPORT_FIRST, writer->length);
        }
        append_own(writer, SECOND_SERIES + writer->number, writer->second_length);
        writer->second_length += batch_size(writer->number, writer->second_length);
        report(writer, REPORT_SECOND, writer->second_length);
        append_shared(writer, writer->shared_batches);
        report(writer, REPORT_SHARED, ++writer->shared_batches);
    }
    return NULL;
}

static void delete_for_ever(struct writer *writer, uint64_t series_id)
{
    for (;; series_id++) {
        struct batch batch;
        batch_init(&batch);
        for (int i = 0; i < 100; i++)
            REQUIRE(batch_push_integer(&batch, i, i) == 0, "no memory");
        append(writer, series_id, &batch);
        batch_free(&batch);
        struct error error = {0};
        int r;
        while ((r = store_delete_series(writer->store, &series_id, 1, &error)) == -EAGAIN) {
            /* the sealer lags: come again */
        }
        REQUIRE(r == 0, "delete: %d: %s", r, error.message);
        report(writer, REPORT_DELETED, series_id);
    }
}

/* How many batches of each writer the shared series holds; whole ones, in order, or it aborts. */
static void count_shared(struct store_snapshot *snapshot, uint64_t *ret_batches)
{
    struct points points = {0};
    struct error error = {0};
    REQUIRE(test_series_read(snapshot, SHARED_SERIES, &points, &error) == 0, "%s", error.message);
    for (uint64_t i = 0; i < points.count;) {
        uint64_t writer = 0, size = 0;
        uint8_t wanted[9];
        while (writer < WRITERS) { /* whose next batch starts here? */
            size = shared_size(ret_batches[writer]);
            size_t wanted_size = value_of_integer(wanted, shared_value(writer, ret_batches[writer], 0, size)),
                   found_size;
            const uint8_t *found = points_value(&points, i, &found_size);
            if (found_size == wanted_size && memcmp(found, wanted, wanted_size) == 0)
                break;
            writer++;
        }
        REQUIRE(writer < WRITERS, "point %llu of the shared series is nobody's next", (unsigned long long)i);
        REQUIRE(i + size <= points.count, "the last batch of the shared series is not whole");
        for (uint64_t place = 0; place < size; place++, i++) {
            size_t wanted_size =
                       value_of_integer(wanted, shared_value(writer, ret_batches[writer], place, size)),
                   found_size;
            const uint8_t *found = points_value(&points, i, &found_size);
            REQUIRE(found_size == wanted_size && memcmp(found, wanted, wanted_size) == 0,
                "point %llu of the shared series is out of place", (unsigned long long)i);
            REQUIRE(
                i == 0 || points.times[i] >= points.times[i - 1], "times of the shared series run backwards");
        }
        ret_batches[writer]++;
    }
    points_free(&points);
}

/* The length of a writer's series; it holds what belongs there up to the end of a batch, or it aborts. */
static uint64_t verify_own(struct store_snapshot *snapshot, uint64_t writer, uint64_t series_id)
{
    struct points points = {0}, wanted = {0};
    struct error error = {0};
    REQUIRE(test_series_read(snapshot, series_id, &points, &error) == 0, "%s", error.message);
    for (uint64_t i = 0; i < points.count; i++) {
        uint8_t value[9];
        points_push(&wanted, time_at(i), value, value_of_integer(value, value_at(series_id, i)), "", 0);
    }
    test_series_equal(snapshot, series_id, &wanted, points.count);
    uint64_t end = 0, length = points.count;
    while (end < length)
        end += batch_size(writer, end);
    REQUIRE(end == length, "series %llu ends within a batch, at %llu", (unsigned long long)series_id,
        (unsigned long long)length);
    points_free(&points);
    points_free(&wanted);
    return length;
}

static int run_child(const char *directory, uint64_t journal_bytes, uint64_t short_lived)
{
    struct store_options options = {.journal_bytes = journal_bytes};
    struct store *store = test_store_open(directory, &options);
    struct store_snapshot *snapshot;
    REQUIRE(store_snapshot_open(store, &snapshot, NULL) == 0, "no snapshot");
    struct writer writers[WRITERS + 1];
    uint64_t shared[WRITERS] = {0};
    count_shared(snapshot, shared);
    for (uint64_t i = 0; i <= WRITERS; i++) {
        writers[i] = (struct writer){.store = store, .reports = STDOUT_FILENO, .number = i};
        if (i == WRITERS)
            break;
        writers[i].length = verify_own(snapshot, i, FIRST_SERIES + i);
        writers[i].second_length = verify_own(snapshot, i, SECOND_SERIES + i);
        writers[i].shared_batches = shared[i];
    }
    store_snapshot_close(snapshot);
    for (uint64_t i = 0; i < WRITERS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, write_for_ever, &writers[i]) == 0, "no thread");
    }
    delete_for_ever(&writers[WRITERS], short_lived);
    return 0;
}

/* ---- the parent ---- */

struct known {
    uint64_t acknowledged[REPORT_KINDS][WRITERS]; /* lengths and numbers of batches */
    uint64_t *deleted;
    size_t deleted_count;
};

static void note(struct known *known, const struct report *got)
{
    if (got->kind == REPORT_DELETED) {
        known->deleted = realloc(known->deleted, (known->deleted_count + 1) * sizeof(*known->deleted));
        REQUIRE(known->deleted, "no memory");
        known->deleted[known->deleted_count++] = got->value;
        return;
    }
    REQUIRE(got->kind < REPORT_DELETED && got->writer < WRITERS, "a broken report");
    known->acknowledged[got->kind][got->writer] = got->value;
}

static bool read_report(int reports, struct report *ret_report)
{
    size_t got = 0;
    while (got < sizeof(*ret_report)) {
        ssize_t size = read(reports, (char *)ret_report + got, sizeof(*ret_report) - got);
        REQUIRE(size >= 0, "pipe: %s", strerror(errno));
        if (size == 0)
            break;
        got += (size_t)size;
    }
    REQUIRE(got == 0 || got == sizeof(*ret_report), "half a report");
    return got > 0;
}

/* Runs the child on the directory and kills it. Returns the number of its reports. */
static uint64_t run_and_kill(
    const char *directory, uint64_t round, struct test_random *random, struct known *known)
{
    char journal_bytes[32], short_lived[32], self[] = "/proc/self/exe";
    (void)snprintf(
        journal_bytes, sizeof(journal_bytes), "%d", test_random_below(random, 4) ? 64 << 10 : 1 << 20);
    (void)snprintf(
        short_lived, sizeof(short_lived), "%llu", (unsigned long long)(SHORT_LIVED + round * 100000));
    int reports[2];
    REQUIRE(pipe2(reports, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    pid_t child = fork();
    REQUIRE(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        if (dup2(reports[1], STDOUT_FILENO) >= 0)
            execl(self, self, "child", directory, journal_bytes, short_lived, (char *)NULL);
        _exit(127);
    }
    (void)close(reports[1]);
    uint64_t count = 0, wanted = test_random_below(random, 8) ? test_random_below(random, REPORTS_MAX) : 0;
    uint64_t wait_ns = test_random_below(random, 300000);
    struct report got;
    while (count < wanted && read_report(reports[0], &got)) {
        note(known, &got);
        count++;
    }
    uint64_t until = clock_monotonic_ns() + wait_ns; /* not only right after a report */
    while (clock_monotonic_ns() < until) {
    }
    REQUIRE(kill(child, SIGKILL) == 0, "kill: %s", strerror(errno));
    for (; read_report(reports[0], &got); count++) /* what it had reported before */
        note(known, &got);
    int status;
    REQUIRE(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    REQUIRE(
        WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself, status %d", status);
    (void)close(reports[0]);
    return count;
}

/* What was acknowledged is there, and at most the one batch more that was on its way. */
static void compare(struct store_snapshot *snapshot, struct known *known)
{
    uint64_t shared[WRITERS] = {0};
    count_shared(snapshot, shared);
    for (uint64_t i = 0; i < WRITERS; i++) {
        uint64_t lengths[2] = {
            verify_own(snapshot, i, FIRST_SERIES + i), verify_own(snapshot, i, SECOND_SERIES + i)};
        for (int kind = REPORT_FIRST; kind <= REPORT_SECOND; kind++) {
            uint64_t acknowledged = known->acknowledged[kind][i],
                     next = acknowledged + batch_size(i, acknowledged);
            REQUIRE(lengths[kind] == acknowledged || lengths[kind] == next,
                "writer %llu: length %llu, acknowledged %llu, then %llu", (unsigned long long)i,
                (unsigned long long)lengths[kind], (unsigned long long)acknowledged,
                (unsigned long long)next);
            known->acknowledged[kind][i] = lengths[kind];
        }
        REQUIRE(lengths[0] >= lengths[1], "writer %llu: the second series overtook the first",
            (unsigned long long)i);
        uint64_t batches = known->acknowledged[REPORT_SHARED][i];
        REQUIRE(shared[i] == batches || shared[i] == batches + 1,
            "writer %llu: %llu shared batches, acknowledged %llu", (unsigned long long)i,
            (unsigned long long)shared[i], (unsigned long long)batches);
        known->acknowledged[REPORT_SHARED][i] = shared[i];
    }
    for (size_t i = 0; i < known->deleted_count; i++) {
        struct store_series series;
        REQUIRE(store_snapshot_series(snapshot, known->deleted[i], &series, NULL) == 0 && series.length == 0,
            "deleted series %llu is back", (unsigned long long)known->deleted[i]);
    }
}

static void verify(const char *directory, struct known *known)
{
    struct store_options options = {.journal_bytes = 64 << 10};
    struct store *store = test_store_open(directory, &options);
    struct store_snapshot *snapshot;
    REQUIRE(store_snapshot_open(store, &snapshot, NULL) == 0, "no snapshot");
    compare(snapshot, known);
    store_snapshot_close(snapshot);
    test_store_close(store);
    test_store_check(directory);
}

static void run_round(
    const char *directory, uint64_t round, struct test_random *random, struct known *known, uint64_t *reports)
{
    *reports += run_and_kill(directory, round, random, known);
    if (test_random_below(random, 2)) {
        verify(directory, known);
        return;
    }
    char *copy = test_directory_create_fast(); /* the next child itself shall recover what this one left */
    test_directory_copy(directory, copy);
    verify(copy, known);
    test_directory_remove(copy);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "child") == 0)
        return run_child(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : ROUNDS, reports = 0;
    struct test_random random = {test_seed(clock_monotonic_ns())};
    struct known known = {0};
    char *directory = NULL;
    for (uint64_t round = 0; round < rounds; round++) {
        if (round % ROUNDS_OF_A_STORE == 0) {
            if (directory)
                test_directory_remove(directory);
            directory = test_directory_create_fast();
            test_store_create(directory);
            free(known.deleted);
            known = (struct known){0};
        }
        run_round(directory, round, &random, &known, &reports);
    }
    if (directory)
        test_directory_remove(directory);
    free(known.deleted);
    printf("%llu kills, %llu acknowledged operations, all there\n", (unsigned long long)rounds,
        (unsigned long long)reports);
    return 0;
}
