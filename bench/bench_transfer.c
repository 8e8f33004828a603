/* Import and export of whole folders, in this process. bench_transfer [POINTS] */
#include "bench_common.h"
#include "generate.h"

#include "database.h"
#include "export.h"

#include <stdio.h>

enum { STREAMS = 8, PATH_BYTES = 4096 };

struct transfer {
    char source[PATH_BYTES], target[PATH_BYTES], database_path[PATH_BYTES];
    struct database *database;
    uint64_t points; /* of all streams together */
};

static void close_database(struct transfer *transfer)
{
    struct error error = {0};
    bench_must(database_close(transfer->database, &error), &error);
    transfer->database = NULL;
    bench_remove(transfer->database_path);
}

static void make_database(void *context)
{
    struct transfer *transfer = context;
    struct error error = {0};
    if (transfer->database)
        close_database(transfer);
    bench_must(database_create(transfer->database_path, NULL, &error), &error);
    bench_must(database_open(transfer->database_path, NULL, &transfer->database, &error), &error);
}

static void check_points(const struct transfer *transfer, const struct transfer_result *result)
{
    if (result->points != transfer->points)
        bench_fail("%llu points instead of %llu", (unsigned long long)result->points,
            (unsigned long long)transfer->points);
}

static void import_folder(void *context)
{
    struct transfer *transfer = context;
    struct transfer_result result;
    struct error error = {0};
    bench_must(
        import_database(transfer->database, transfer->source, &(struct transfer_options){0}, &result, &error),
        &error);
    check_points(transfer, &result);
}

static void remove_target(void *context)
{
    const struct transfer *transfer = context;
    bench_remove(transfer->target);
}

static void export_folder(void *context)
{
    struct transfer *transfer = context;
    struct transfer_result result;
    struct error error = {0};
    bench_must(
        export_database(transfer->database, transfer->target, &(struct transfer_options){0}, &result, &error),
        &error);
    check_points(transfer, &result);
}

static void bench_folder(
    struct transfer *transfer, enum generate_kind kind, uint32_t streams, uint64_t points)
{
    char work[128];
    uint64_t text_bytes;
    struct error error = {0};
    transfer->points = points / streams * streams;
    bench_must(
        generate_export(transfer->source, kind, streams, points / streams, &text_bytes, &error), &error);

    struct bench_result result = bench_run(1, 5, make_database, import_folder, transfer);
    struct store_stats stats;
    store_get_stats(transfer->database->store, &stats);
    snprintf(work, sizeof(work), "import data.json, %s, %u stream%s", generate_name(kind), streams,
        streams == 1 ? "" : "s");
    bench_row(work, transfer->points, text_bytes, stats.segment_bytes, &result);

    result = bench_run(1, 5, remove_target, export_folder, transfer);
    snprintf(work, sizeof(work), "export to data.json, %s, %u stream%s", generate_name(kind), streams,
        streams == 1 ? "" : "s");
    bench_row(work, transfer->points, text_bytes, 0, &result);
    close_database(transfer);
    bench_remove(transfer->source);
    bench_remove(transfer->target);
}

int main(int argc, char **argv)
{
    static struct transfer transfer;
    uint64_t points = bench_points(argc, argv, 20000000);
    const char *directory = bench_directory();
    snprintf(transfer.source, sizeof(transfer.source), "%s/source", directory);
    snprintf(transfer.target, sizeof(transfer.target), "%s/target", directory);
    snprintf(transfer.database_path, sizeof(transfer.database_path), "%s/database", directory);
    bench_folder(&transfer, GENERATE_SENSOR, STREAMS, points);
    bench_folder(&transfer, GENERATE_SENSOR, 1, points);
    bench_folder(&transfer, GENERATE_COUNTER, STREAMS, points / 2);
    bench_folder(&transfer, GENERATE_DOUBLES, STREAMS, points / 2);
    bench_folder(&transfer, GENERATE_EVENTS, STREAMS, points / 10);
    return 0;
}
