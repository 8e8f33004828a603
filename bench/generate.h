/* Reproducible data for the benches, in four characters:
 *   SENSOR   one point a second, jitter of -20..20 ms (ms text), 2-decimal random walk with steps of
 * -0.05..0.05 COUNTER  exact seconds, an integer that grows by 0..9 DOUBLES  one point a second, jitter of
 * -20..20 ms in microseconds, random walk with gaussian steps (53 bits) EVENTS   exact milliseconds, values
 * of 80-150 bytes: log lines in even streams, {url, title} in odd ones */
#ifndef CONNECTORDB_GENERATE_H
#define CONNECTORDB_GENERATE_H

#include "batch.h"
#include "error.h"

#include <stdint.h>

enum generate_kind { GENERATE_SENSOR, GENERATE_COUNTER, GENERATE_DOUBLES, GENERATE_EVENTS, GENERATE_KINDS };

/* "G", "K", "N", "E": the names of the data sets in the tables. */
const char *generate_name(enum generate_kind kind);

struct generator {
    enum generate_kind kind;
    uint64_t stream;
    uint64_t random_state;
    uint64_t index;  /* of the next point */
    int64_t integer; /* SENSOR: hundredths, COUNTER: the counter */
    double real;     /* DOUBLES */
};

/* The time of a stream's first point, give or take the jitter: later points follow second by second. */
#define GENERATE_START 1500000000

/* Starts one stream's sequence; stream makes it different from others. */
void generator_init(struct generator *generator, enum generate_kind kind, uint64_t stream);
/* Appends the sequence's next points to the batch. 0 or what batch_push returned. */
int generator_fill(struct generator *generator, struct batch *batch, uint32_t count);

/* Writes an export folder (version 2; `directory` must not exist) of user `bench` (password `bench`) with
 * device `bench/data` and streams s0, s1, ... of `points` points each. *ret_bytes: the size of all data.json.
 */
int generate_export(const char *directory, enum generate_kind kind, uint32_t streams, uint64_t points,
    uint64_t *ret_bytes, struct error *ret_error);

#endif
