/* The structures of a journal on disk: little-endian, 8-byte aligned. docs/FORMAT.md, section 3, is
 * normative. */
#ifndef CONNECTORDB_JOURNAL_FORMAT_H
#define CONNECTORDB_JOURNAL_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define JOURNAL_MAGIC "CDB-JRNL"

enum {
    JOURNAL_FORMAT_VERSION = 2,     /* 2: frames have flags */
    JOURNAL_FORMAT_VERSION_MIN = 1, /* the oldest one that is read */
    JOURNAL_FLAG_RECYCLED =
        1 << 0, /* the file was another journal before: stale bytes follow the last frame */
    JOURNAL_FLAGS_KNOWN = JOURNAL_FLAG_RECYCLED,
    FRAME_MAGIC = 0x4d415246,      /* "FRAM" */
    FRAME_FLAG_CONTINUES = 1 << 0, /* the next frame belongs to the same unit */
    FRAME_FLAGS_KNOWN = FRAME_FLAG_CONTINUES,
};

/* The rest of the 4096 bytes (JOURNAL_HEADER_BYTES) is zero and part of the checksum. */
struct journal_header {
    uint8_t magic[8];
    uint64_t checksum; /* XXH3-64, seed 0, of the header page after this field */
    uint32_t version;
    uint32_t flags;
    uint64_t id;
    uint64_t nonce;
    uint64_t size; /* of the file */
};
static_assert(sizeof(struct journal_header) == 48, "no hidden padding on disk");

struct frame_header {
    uint64_t header_checksum;  /* XXH3-64 of the rest of the header, seeded with frame_seed */
    uint64_t payload_checksum; /* XXH3-64 of the payload, seeded with the nonce */
    uint32_t magic;            /* lets recovery skip stale bytes quickly */
    uint16_t kind;
    uint16_t flags; /* FRAME_FLAG_CONTINUES; 0 in version 1 */
    uint64_t series_id;
    uint64_t first_index;
    uint32_t count;
    uint32_t payload_bytes;
    uint64_t group;
    uint64_t synced_to;
    uint64_t logical_bytes;
    double time_first;
    double time_last;
};
static_assert(sizeof(struct frame_header) == 88, "no hidden padding on disk");
static_assert(sizeof(struct frame_header) % 8 == 0, "the payload follows aligned");

/* The columns follow, each padded with zeros to 8 bytes: times, values, senders. */
struct payload_header {
    uint8_t time_kind; /* enum numbers_kind */
    uint8_t time_exponent;
    uint8_t form;        /* enum value_form */
    uint8_t number_kind; /* VALUES_NUMBERS, else 0 */
    uint8_t number_exponent;
    uint8_t has_senders;
    uint8_t reserved[2];
    uint32_t msgpack_bytes; /* VALUES_MSGPACK, else 0 */
    uint32_t sender_count;  /* names */
    uint32_t sender_bytes;  /* of the names with their length bytes */
    uint32_t reserved2;
};
static_assert(sizeof(struct payload_header) == 24, "no hidden padding on disk");

/* The seed of a frame header's checksum: a frame is invalid at any other offset and with any other nonce. */
static inline uint64_t frame_seed(uint64_t nonce, uint64_t offset)
{
    return nonce + offset * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
