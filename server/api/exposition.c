#include "exposition.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES_MAX = 512 };

static void print(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print(struct sink *sink, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)sink_write(sink, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

void exposition_begin(struct sink *sink, const char *name, const char *type, const char *help)
{
    print(sink, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void exposition_sample(struct sink *sink, const char *name, const char *labels, uint64_t value)
{
    if (*labels)
        print(sink, "%s{%s} %llu\n", name, labels, (unsigned long long)value);
    else
        print(sink, "%s %llu\n", name, (unsigned long long)value);
}

void exposition_seconds(struct sink *sink, const char *name, const char *labels, uint64_t ns)
{
    unsigned long long seconds = ns / 1000000000, rest = ns % 1000000000;
    if (*labels)
        print(sink, "%s{%s} %llu.%09llu\n", name, labels, seconds, rest);
    else
        print(sink, "%s %llu.%09llu\n", name, seconds, rest);
}

void exposition_counter(struct sink *sink, const char *name, uint64_t value, const char *help)
{
    exposition_begin(sink, name, "counter", help);
    exposition_sample(sink, name, "", value);
}

void exposition_gauge(struct sink *sink, const char *name, uint64_t value, const char *help)
{
    exposition_begin(sink, name, "gauge", help);
    exposition_sample(sink, name, "", value);
}

/* The count is that of the last bucket, also while others add to the histogram. */
void exposition_histogram(
    struct sink *sink, const char *name, const char *labels, const struct latencies *latencies)
{
    char full_name[96];
    const char *comma = *labels ? "," : "";
    uint64_t count = 0;
    for (unsigned i = 0; i <= LATENCY_BOUNDS; i++) {
        count += latencies->counts[i];
        if (i < LATENCY_BOUNDS)
            print(sink, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma,
                (double)LATENCY_BOUNDS_NS[i] / 1e9, (unsigned long long)count);
        else
            print(sink, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma, (unsigned long long)count);
    }
    (void)snprintf(full_name, sizeof(full_name), "%s_sum", name);
    exposition_seconds(sink, full_name, labels, latencies->sum_ns);
    (void)snprintf(full_name, sizeof(full_name), "%s_count", name);
    exposition_sample(sink, full_name, labels, count);
}
