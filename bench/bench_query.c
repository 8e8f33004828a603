/* PipeScript over numbers and objects in memory: datapoints a second that one core evaluates. bench_query
 * [POINTS] */
#include "bench_common.h"

#include "batch.h"
#include "script.h"

#include <stdio.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK_POINTS = 4096 };

struct work {
    const char *text;
    const struct batch *block; /* given again and again */
    uint64_t points, given;
};

static int give(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct work *work = context;
    (void)ret_error;
    *ret_batch = work->given < work->points ? work->block : NULL;
    work->given += work->block->count;
    return 0;
}

static void run(void *context)
{
    struct work *work = context;
    struct script *script;
    struct script_run *run;
    struct error error = {0};
    const struct batch *batch;
    work->given = 0;
    bench_must(script_compile(work->text, strlen(work->text), NULL, &script, &error), &error);
    bench_must(script_run_open(script, give, work, &run), &error);
    do
        bench_must(script_run_next(run, &batch, &error), &error);
    while (batch);
    script_run_close(run);
    script_free(script);
}

int main(int argc, char **argv)
{
    static const char *const NUMBERS[] = {"d*2+1", "if d>20", "mean", "sum", "if last", "map(d > 20, count)"};
    static const char *const OBJECTS[] = {"d('a')", "{'x': d('a') + 1}"};
    struct batch numbers, objects;
    struct error error = {0};
    uint64_t points = bench_points(argc, argv, 4000000);
    char work_name[128];
    batch_init(&numbers);
    batch_init(&objects);
    for (int i = 0; i < BLOCK_POINTS; i++) {
        static const uint8_t OBJECT[] = {0x82, 0xa1, 'a', 0x05, 0xa1, 'b', 0xa3, 't', 'e', 'x'};
        bench_must(batch_push_double(&numbers, i, (double)(i % 4000) / 100), &error);
        bench_must(batch_push_msgpack(&objects, i, OBJECT, sizeof(OBJECT)), &error);
    }
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]) + sizeof(OBJECTS) / sizeof(OBJECTS[0]); i++) {
        bool of_numbers = i < sizeof(NUMBERS) / sizeof(NUMBERS[0]);
        struct work work = {
            .text = of_numbers ? NUMBERS[i] : OBJECTS[i - sizeof(NUMBERS) / sizeof(NUMBERS[0])],
            .block = of_numbers ? &numbers : &objects,
            .points = points};
        struct bench_result result = bench_run(1, 3, NULL, run, &work);
        (void)snprintf(work_name, sizeof(work_name), "script over %s: `%s`",
            of_numbers ? "numbers" : "objects", work.text);
        bench_row(work_name, points, 0, 0, &result);
    }
    batch_free(&numbers);
    batch_free(&objects);
    return 0;
}
