/* The bytes of a staging's STAGING file; docs/FORMAT.md, "Staging of an import". */
#ifndef CONNECTORDB_STAGING_FORMAT_H
#define CONNECTORDB_STAGING_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define STAGING_MAGIC UINT64_C(0x31474E4947415453) /* "STAGING1" */

struct staging_header {
    uint64_t checksum; /* XXH3-64 of everything after it, seed 0 */
    uint64_t magic;
    uint64_t count; /* entries that follow */
};
static_assert(sizeof(struct staging_header) == 24, "no hidden padding on disk");

/* One series that is complete in a finished segment of this directory. */
struct staging_entry {
    uint64_t series_id;
    uint64_t tag;
    uint64_t points;
    uint64_t segment_id;
};
static_assert(sizeof(struct staging_entry) == 32, "no hidden padding on disk");

#endif
