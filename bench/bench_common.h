/* What every bench shares: its size, warm-up and repeats, clocks and memory, one Markdown row per figure.
 * A bench is one program, `bench_x [POINTS]`; its work is done in a temporary directory. Whatever fails ends
 * it. */
#ifndef CONNECTORDB_BENCH_COMMON_H
#define CONNECTORDB_BENCH_COMMON_H

#include "error.h"

#include <stddef.h>
#include <stdint.h>

enum { BENCH_REPEATS_MAX = 15 };

/* Prints what is wrong and exits with 1. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For results of functions that return -errno and fill *error. */
void bench_must(int result, const struct error *error);

/* The size of the bench: argument 1, with k or M behind it if wanted; otherwise points_default. */
uint64_t bench_points(int argc, char **argv, uint64_t points_default);

/* An empty directory under $TMPDIR (/tmp without) that is removed at exit. Let it be on the disk to be
 * measured. */
const char *bench_directory(void);
/* Removes a folder and all in it; fine when there is none. */
void bench_remove(const char *path);
/* Bytes of all files below a folder (st_size). */
uint64_t bench_folder_bytes(const char *path);

double bench_now(void);         /* seconds, monotonic */
double bench_cpu_seconds(void); /* user + system of this process */
/* RssAnon of this process, in bytes: private memory, without mapped files and shared memory. */
uint64_t bench_private_bytes(void);

struct bench_result {
    double seconds; /* median of the repeats */
    double seconds_least;
    double cpu_seconds; /* of the median run */
    uint64_t
        private_bytes; /* most that any run held above what was held before the first, sampled every 3 ms */
};

/* Runs work(context) `warmups` times unmeasured, then `repeats` times. prepare (may be NULL) runs unmeasured
 * before each. */
struct bench_result bench_run(unsigned warmups, unsigned repeats, void (*prepare)(void *context),
    void (*work)(void *context), void *context);

/* Sorts the array of seconds; p in [0, 1]. */
double bench_percentile(double *seconds, size_t count, double p);

/* A row `| work | points/s | MB/s | CPU | private memory | bytes/point |`. bytes: of the text or data that
 * was moved, 0 = not told; stored_bytes: what the points take on disk, 0 = not told. */
void bench_row(const char *work, uint64_t points, uint64_t bytes, uint64_t stored_bytes,
    const struct bench_result *result);
/* A row whose figure is a text. */
void bench_row_text(const char *work, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
