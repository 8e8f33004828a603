/* XXH3-64 (https://github.com/Cyan4973/xxHash); checksum.c is the only file that knows it. */
#ifndef CONNECTORDB_CHECKSUM_H
#define CONNECTORDB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The XXH3-64 of the bytes with this seed. */
uint64_t checksum(const void *data, size_t size, uint64_t seed);

#endif
