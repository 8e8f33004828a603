/* What a library that stores data in its caller's process must offer to be compared: one file embedded_NAME.c
 * each. Every function ends the program when the library fails. */
#ifndef CONNECTORDB_COMPARE_EMBEDDED_H
#define CONNECTORDB_COMPARE_EMBEDDED_H

#include "batch.h"
#include "generate.h"

#include <stdbool.h>
#include <stdint.h>

struct embedded; /* an open database */

/* Opens or makes it in a folder that exists. */
struct embedded *embedded_open(const char *directory, enum generate_kind kind);
void embedded_close(struct embedded *embedded);

/* Appends the batch as one unit, on disk on return. Threads may call it at once for different streams when
 * embedded_writers() says so. */
void embedded_append(struct embedded *embedded, uint32_t stream, const struct batch *batch);
/* How many threads may append at once. */
unsigned embedded_writers(void);

/* Hands the points of a stream with from_us <= time < to_us to take(), in order of time, some thousands at a
 * time. */
void embedded_read(struct embedded *embedded, uint32_t stream, int64_t from_us, int64_t to_us,
    void (*take)(void *context, const struct batch *batch), void *context);
/* Sets *batch to the last point. */
void embedded_last(struct embedded *embedded, uint32_t stream, struct batch *batch);

/* Does at once what it would do in its own time: empties logs, compacts. */
void embedded_settle(struct embedded *embedded);

enum { EMBEDDED_READ_POINTS = 4096 };

/* A point's time in microseconds, and back; the data sets have nothing finer. */
int64_t embedded_time_us(const struct batch *batch, uint32_t i);
double embedded_time(int64_t time_us);

#endif
