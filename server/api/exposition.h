/* Writes metrics in the text format of Prometheus, version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/ */
#ifndef CONNECTORDB_EXPOSITION_H
#define CONNECTORDB_EXPOSITION_H

#include "latency.h"
#include "sink.h"

#include <stdint.h>

/* Begins a metric: its HELP and TYPE lines. type: "counter", "gauge" or "histogram". help: without line
 * breaks and backslashes. A sink that fails is noticed by its owner. */
void exposition_begin(struct sink *sink, const char *name, const char *type, const char *help);
/* One sample. labels: what stands between the braces, "" = none. */
void exposition_sample(struct sink *sink, const char *name, const char *labels, uint64_t value);
/* One sample in seconds. */
void exposition_seconds(struct sink *sink, const char *name, const char *labels, uint64_t ns);
/* A metric of one sample without labels. */
void exposition_counter(struct sink *sink, const char *name, uint64_t value, const char *help);
void exposition_gauge(struct sink *sink, const char *name, uint64_t value, const char *help);
/* The samples of one histogram of durations: buckets, sum and count. */
void exposition_histogram(
    struct sink *sink, const char *name, const char *labels, const struct latencies *latencies);

#endif
