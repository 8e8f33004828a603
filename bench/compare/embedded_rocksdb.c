/* RocksDB with its defaults (Snappy) and sync=true: keys of stream and time, big-endian; one write batch a
 * batch. Integers and doubles are stored as their 8 bytes, everything else as msgpack. */
#include "embedded.h"

#include "bench_common.h"

#include <rocksdb/c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 12, WRITERS_MAX = 64, NUMBER_BYTES = 8 };

struct embedded {
    rocksdb_t *database;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *synced;
    rocksdb_readoptions_t *reading;
    enum generate_kind kind;
};

static void must(char *error)
{
    if (error)
        bench_fail("rocksdb: %s", error);
}

struct embedded *embedded_open(const char *directory, enum generate_kind kind)
{
    struct embedded *embedded = calloc(1, sizeof(*embedded));
    char *error = NULL;
    if (!embedded)
        bench_fail("no memory");
    embedded->kind = kind;
    embedded->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(embedded->options, 1);
    rocksdb_options_set_compression(embedded->options, rocksdb_snappy_compression); /* the C++ default */
    embedded->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(embedded->synced, 1);
    embedded->reading = rocksdb_readoptions_create();
    embedded->database = rocksdb_open(embedded->options, directory, &error);
    must(error);
    return embedded;
}

void embedded_close(struct embedded *embedded)
{
    rocksdb_close(embedded->database);
    rocksdb_readoptions_destroy(embedded->reading);
    rocksdb_writeoptions_destroy(embedded->synced);
    rocksdb_options_destroy(embedded->options);
    free(embedded);
}

unsigned embedded_writers(void)
{
    return WRITERS_MAX;
}

/* The sign bit of the time is flipped so that keys sort as the times do. */
static void make_key(char *to, uint32_t stream, int64_t time_us)
{
    uint32_t first = __builtin_bswap32(stream);
    uint64_t second = __builtin_bswap64((uint64_t)time_us ^ (UINT64_C(1) << 63));
    memcpy(to, &first, sizeof(first));
    memcpy(to + sizeof(first), &second, sizeof(second));
}

static int64_t key_time(const char *key)
{
    uint64_t time;
    memcpy(&time, key + sizeof(uint32_t), sizeof(time));
    return (int64_t)(__builtin_bswap64(time) ^ (UINT64_C(1) << 63));
}

static void put(const struct embedded *embedded, rocksdb_writebatch_t *writes, const char *key,
    const struct batch *batch, uint32_t i)
{
    uint8_t scratch[9];
    size_t size = NUMBER_BYTES;
    const void *value;
    double number;
    int64_t integer;
    if (embedded->kind == GENERATE_EVENTS) {
        value = batch_value(batch, i, scratch, &size);
    } else {
        number = numbers_double(&batch->numbers, i);
        integer = (int64_t)number;
        value = embedded->kind == GENERATE_COUNTER ? (const void *)&integer : (const void *)&number;
    }
    rocksdb_writebatch_put(writes, key, KEY_BYTES, value, size);
}

void embedded_append(struct embedded *embedded, uint32_t stream, const struct batch *batch)
{
    rocksdb_writebatch_t *writes = rocksdb_writebatch_create();
    char *error = NULL;
    for (uint32_t i = 0; i < batch->count; i++) {
        char key[KEY_BYTES];
        make_key(key, stream, embedded_time_us(batch, i));
        put(embedded, writes, key, batch, i);
    }
    rocksdb_write(embedded->database, embedded->synced, writes, &error);
    must(error);
    rocksdb_writebatch_destroy(writes);
}

static void push_entry(const struct embedded *embedded, rocksdb_iterator_t *entry, struct batch *batch)
{
    size_t key_size, size;
    double time = embedded_time(key_time(rocksdb_iter_key(entry, &key_size)));
    const char *value = rocksdb_iter_value(entry, &size);
    double number;
    int64_t integer;
    int r;
    if (embedded->kind != GENERATE_EVENTS && size != NUMBER_BYTES)
        bench_fail("a number of %zu bytes", size);
    switch (embedded->kind) {
    case GENERATE_EVENTS:
        r = batch_push_msgpack(batch, time, (const uint8_t *)value, size);
        break;
    case GENERATE_COUNTER:
        memcpy(&integer, value, sizeof(integer));
        r = batch_push_integer(batch, time, integer);
        break;
    default:
        memcpy(&number, value, sizeof(number));
        r = batch_push_double(batch, time, number);
        break;
    }
    if (r < 0)
        bench_fail("cannot keep a point");
}

void embedded_read(struct embedded *embedded, uint32_t stream, int64_t from_us, int64_t to_us,
    void (*take)(void *context, const struct batch *batch), void *context)
{
    char from[KEY_BYTES], to[KEY_BYTES], *error = NULL;
    struct batch batch;
    batch_init(&batch);
    make_key(from, stream, from_us);
    make_key(to, stream, to_us);
    rocksdb_iterator_t *entry = rocksdb_create_iterator(embedded->database, embedded->reading);
    for (rocksdb_iter_seek(entry, from, KEY_BYTES); rocksdb_iter_valid(entry); rocksdb_iter_next(entry)) {
        size_t size;
        const char *key = rocksdb_iter_key(entry, &size);
        if (size != KEY_BYTES || memcmp(key, to, KEY_BYTES) >= 0)
            break;
        push_entry(embedded, entry, &batch);
        if (batch.count == EMBEDDED_READ_POINTS) {
            take(context, &batch);
            batch_clear(&batch);
        }
    }
    rocksdb_iter_get_error(entry, &error);
    must(error);
    rocksdb_iter_destroy(entry);
    if (batch.count > 0)
        take(context, &batch);
    batch_free(&batch);
}

void embedded_last(struct embedded *embedded, uint32_t stream, struct batch *batch)
{
    char after[KEY_BYTES];
    batch_clear(batch);
    make_key(after, stream, INT64_MAX);
    rocksdb_iterator_t *entry = rocksdb_create_iterator(embedded->database, embedded->reading);
    rocksdb_iter_seek_for_prev(entry, after, KEY_BYTES);
    if (rocksdb_iter_valid(entry))
        push_entry(embedded, entry, batch);
    rocksdb_iter_destroy(entry);
}

/* Closing flushes what is in memory no further than the log: so flush, then compact all. */
void embedded_settle(struct embedded *embedded)
{
    char *error = NULL;
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flush(embedded->database, flush, &error);
    must(error);
    rocksdb_flushoptions_destroy(flush);
    rocksdb_compact_range(embedded->database, NULL, 0, NULL, 0);
}
