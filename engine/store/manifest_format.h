/* The manifest on disk; docs/FORMAT.md, section 4, is the specification. Little-endian, 8-byte aligned.
 * The header is followed by the journals, the segments and the ids of deleted series, and nothing else. */
#ifndef CONNECTORDB_MANIFEST_FORMAT_H
#define CONNECTORDB_MANIFEST_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define MANIFEST_MAGIC "CDB-MANI"

enum {
    MANIFEST_FORMAT_VERSION = 1,
    MANIFEST_BYTES_MAX = 1 << 30,
};

struct manifest_journal {
    uint64_t id;
    uint64_t clean_end; /* end recorded by a clean close, or by closing the journal with all of it durable; 0
                           = none */
    uint64_t
        nonce; /* of the journal's header: the right file, and its frames readable without the header page */
};

struct manifest_segment {
    uint64_t id;
    uint64_t size;     /* of the file */
    uint64_t checksum; /* of its footer */
};

struct manifest_header {
    uint8_t magic[8];
    uint64_t checksum; /* XXH3-64, seed 0, of the file after this field */
    uint32_t format_version;
    uint32_t flags; /* none known */
    uint64_t file_size;
    uint64_t version;
    uint64_t next_file_id;
    uint32_t journal_count;
    uint32_t segment_count;
    uint64_t deleted_count;
};
static_assert(sizeof(struct manifest_header) == 64, "no hidden padding on disk");
static_assert(sizeof(struct manifest_journal) == 24, "no hidden padding on disk");
static_assert(sizeof(struct manifest_segment) == 24, "no hidden padding on disk");

#endif
