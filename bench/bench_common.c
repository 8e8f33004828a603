#include "bench_common.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, OPEN_FOLDERS_MAX = 16, MEMORY_SAMPLE_NS = 3000000 };

static char directory[PATH_BYTES];
static uint64_t folder_bytes; /* nftw has no context argument */

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void bench_must(int result, const struct error *error)
{
    if (result < 0)
        bench_fail("%s (%s)", error->code ? error->message : "failed", strerror(-result));
}

uint64_t bench_points(int argc, char **argv, uint64_t points_default)
{
    if (argc < 2)
        return points_default;
    char *end;
    errno = 0;
    unsigned long long points = strtoull(argv[1], &end, 10);
    if (*end == 'k')
        points *= 1000, end++;
    else if (*end == 'M')
        points *= 1000000, end++;
    if (errno || end == argv[1] || *end || points == 0 || points > 1000000000000)
        bench_fail("usage: %s [POINTS]   (a number, k or M may follow it)", argv[0]);
    return points;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

void bench_remove(const char *path)
{
    if (nftw(path, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        bench_fail("remove %s: %s", path, strerror(errno));
}

static void remove_directory(void)
{
    nftw(directory, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
}

const char *bench_directory(void)
{
    if (*directory)
        return directory;
    const char *parent = getenv("TMPDIR");
    snprintf(
        directory, sizeof(directory), "%s/connectordb-bench-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(directory))
        bench_fail("mkdtemp %s: %s", directory, strerror(errno));
    atexit(remove_directory);
    return directory;
}

static int add_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)path, (void)where;
    if (type == FTW_F)
        folder_bytes += (uint64_t)status->st_size;
    return 0;
}

uint64_t bench_folder_bytes(const char *path)
{
    folder_bytes = 0;
    if (nftw(path, add_entry, OPEN_FOLDERS_MAX, FTW_PHYS) != 0)
        bench_fail("walk %s: %s", path, strerror(errno));
    return folder_bytes;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_now(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

double bench_cpu_seconds(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static int open_statm(void)
{
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        bench_fail("open /proc/self/statm: %s", strerror(errno));
    return file;
}

/* Resident pages less those of files and shared memory. Ten times faster to read than /proc/self/status. */
static uint64_t read_statm(int file)
{
    char text[256];
    unsigned long long resident, shared;
    ssize_t size = pread(file, text, sizeof(text) - 1, 0);
    if (size < 0)
        bench_fail("read /proc/self/statm: %s", strerror(errno));
    text[size] = 0;
    if (sscanf(text, "%*u %llu %llu", &resident, &shared) != 2)
        bench_fail("/proc/self/statm says: %s", text);
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t bench_private_bytes(void)
{
    int file = open_statm();
    uint64_t bytes = read_statm(file);
    close(file);
    return bytes;
}

struct memory_watch {
    atomic_bool stop;
    uint64_t most;
};

static void *watch_memory(void *argument)
{
    struct memory_watch *watch = argument;
    int file = open_statm();
    while (!atomic_load(&watch->stop)) {
        uint64_t bytes = read_statm(file);
        if (bytes > watch->most)
            watch->most = bytes;
        nanosleep(&(struct timespec){.tv_nsec = MEMORY_SAMPLE_NS}, NULL);
    }
    close(file);
    return NULL;
}

struct timed {
    double seconds, cpu_seconds;
};

static int compare_timed(const void *a, const void *b)
{
    const struct timed *left = a, *right = b;
    return (left->seconds > right->seconds) - (left->seconds < right->seconds);
}

static struct timed run_once(void (*work)(void *context), void *context)
{
    double started = bench_now(), cpu_started = bench_cpu_seconds();
    work(context);
    return (struct timed){bench_now() - started, bench_cpu_seconds() - cpu_started};
}

struct bench_result bench_run(unsigned warmups, unsigned repeats, void (*prepare)(void *context),
    void (*work)(void *context), void *context)
{
    struct timed runs[BENCH_REPEATS_MAX];
    struct memory_watch watch = {.most = 0};
    pthread_t watcher;
    uint64_t before = bench_private_bytes();
    if (repeats == 0 || repeats > BENCH_REPEATS_MAX)
        bench_fail("1 to %d repeats", BENCH_REPEATS_MAX);
    if (pthread_create(&watcher, NULL, watch_memory, &watch) != 0)
        bench_fail("no thread to watch the memory");
    for (unsigned i = 0; i < warmups + repeats; i++) {
        if (prepare)
            prepare(context);
        struct timed timed = run_once(work, context);
        if (i >= warmups)
            runs[i - warmups] = timed;
    }
    atomic_store(&watch.stop, true);
    pthread_join(watcher, NULL);
    qsort(runs, repeats, sizeof(runs[0]), compare_timed);
    return (struct bench_result){
        .seconds = runs[repeats / 2].seconds,
        .seconds_least = runs[0].seconds,
        .cpu_seconds = runs[repeats / 2].cpu_seconds,
        .private_bytes = watch.most > before ? watch.most - before : 0,
    };
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double bench_percentile(double *seconds, size_t count, double p)
{
    if (count == 0)
        return 0;
    qsort(seconds, count, sizeof(*seconds), compare_doubles);
    size_t place = (size_t)(p * (double)count);
    return seconds[place < count ? place : count - 1];
}

void bench_row(const char *work, uint64_t points, uint64_t bytes, uint64_t stored_bytes,
    const struct bench_result *result)
{
    double per_second = (double)points / result->seconds;
    if (per_second >= 1e6)
        printf("| %s | %.2f M/s |", work, per_second / 1e6);
    else
        printf("| %s | %.1f k/s |", work, per_second / 1e3);
    if (bytes)
        printf(" %.0f |", (double)bytes / result->seconds / 1e6);
    else
        printf(" |");
    printf(" %.0f %% | %.1f MiB |", 100 * result->cpu_seconds / result->seconds,
        (double)result->private_bytes / (1 << 20));
    if (stored_bytes)
        printf(" %.2f |\n", (double)stored_bytes / (double)points);
    else
        printf(" |\n");
    fflush(stdout);
}

void bench_row_text(const char *work, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("| %s | ", work);
    vprintf(format, arguments);
    printf(" | | | | |\n");
    fflush(stdout);
    va_end(arguments);
}
