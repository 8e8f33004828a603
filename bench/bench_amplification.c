/* How many bytes are written for a point until it lies in its final segment: journal, sealing, merging; and
 * what the kernel was told to write. bench_amplification [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SERIES = 100, JOURNAL_BYTES = 4 << 20, PATH_BYTES = 4096 };

struct writing {
    char directory[PATH_BYTES];
    struct store *store;
    struct generator generators[SERIES];
};

/* Of this process, threads of the ring included. */
static uint64_t storage_bytes(void)
{
    char line[128];
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/io", "re");
    while (file && fgets(line, sizeof(line), file))
        (void)sscanf(line, "write_bytes: %llu", &bytes);
    if (file)
        fclose(file);
    return bytes;
}

static void open_store(struct writing *writing, enum generate_kind kind)
{
    struct error error = {0};
    /* What is written does not depend on syncs. A small journal, so that there is something to merge. */
    struct store_options options = {
        .journal_bytes = JOURNAL_BYTES, .wait_ms_max = 60000, .fsync = STORE_FSYNC_NEVER};
    if (mkdir(writing->directory, 0700) < 0)
        bench_fail("mkdir %s", writing->directory);
    bench_must(store_create(writing->directory, NULL, &error), &error);
    bench_must(store_open(writing->directory, &options, &writing->store, &error), &error);
    for (uint64_t i = 0; i < SERIES; i++)
        generator_init(&writing->generators[i], kind, i);
}

static void append_all(struct writing *writing, uint64_t points, uint32_t at_once)
{
    struct error error = {0};
    struct batch batch;
    batch_init(&batch);
    for (uint64_t done = 0, turn = 0; done < points; done += at_once, turn++) {
        uint64_t series = turn % SERIES;
        batch_clear(&batch);
        bench_must(generator_fill(&writing->generators[series], &batch, at_once), &error);
        bench_must(store_append(writing->store, series + 1, &batch, 0, NULL, &error), &error);
    }
    batch_free(&batch);
}

static void measure(struct writing *writing, enum generate_kind kind, uint64_t points, uint32_t at_once)
{
    char work[128];
    struct error error = {0};
    struct store_stats stats;
    open_store(writing, kind);
    uint64_t before = storage_bytes();
    append_all(writing, points, at_once);
    bench_must(store_seal(writing->store, true, &error), &error);
    bench_must(store_merge(writing->store, &error), &error);
    store_get_stats(writing->store, &stats);
    bench_must(store_close(writing->store, &error), &error);
    uint64_t storage = storage_bytes() - before;
    bench_remove(writing->directory);
    double each = (double)stats.appended_points;
    uint64_t written = stats.journal_bytes_written + stats.sealed_bytes_written + stats.merged_bytes_written;
    snprintf(work, sizeof(work), "bytes written a point, %s, %u point%s at once, %d series",
        generate_name(kind), at_once, at_once == 1 ? "" : "s", SERIES);
    bench_row_text(work,
        "journal %.1f, sealing %.2f, merging %.2f (%llu segments sealed, %llu merged); stays %.2f: segments "
        "are written "
        "%.2f times; all in all %.1f, %.1f by the kernel's count",
        (double)stats.journal_bytes_written / each, (double)stats.sealed_bytes_written / each,
        (double)stats.merged_bytes_written / each, (unsigned long long)stats.sealed_journals,
        (unsigned long long)stats.merged_segments, (double)stats.segment_bytes / each,
        (double)(stats.sealed_bytes_written + stats.merged_bytes_written) / (double)stats.segment_bytes,
        (double)written / each, (double)storage / each);
}

int main(int argc, char **argv)
{
    static struct writing writing;
    uint64_t points = bench_points(argc, argv, 10000000);
    snprintf(writing.directory, sizeof(writing.directory), "%s/store", bench_directory());
    measure(&writing, GENERATE_SENSOR, points / 5 + 1, 1);
    measure(&writing, GENERATE_SENSOR, points, 100);
    measure(&writing, GENERATE_SENSOR, 4 * points, 1000);
    measure(&writing, GENERATE_DOUBLES, points, 1000);
    return 0;
}
