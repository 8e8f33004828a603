/* Numbers, sizes and times for people's eyes. Each writes to `to` and returns it. */
#ifndef CONNECTORDB_QUANTITY_H
#define CONNECTORDB_QUANTITY_H

#include <stdint.h>

enum { QUANTITY_BYTES = 40 };

const char *quantity_count(uint64_t count, char to[QUANTITY_BYTES]);     /* 1,234,567 */
const char *quantity_bytes(uint64_t bytes, char to[QUANTITY_BYTES]);     /* 1.2 MiB */
const char *quantity_duration(double seconds, char to[QUANTITY_BYTES]);  /* 3 d 4 h */
const char *quantity_time(double unix_seconds, char to[QUANTITY_BYTES]); /* 2026-11-27 16:00:00Z */

#endif
