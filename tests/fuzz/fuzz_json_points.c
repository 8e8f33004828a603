/* Any bytes as a text of datapoints, in random chunks: no crash, the same answer as in one piece; and what
 * was read is printed, read again and equal. The first two bytes choose rules and chunk sizes. */
#include "check.h"
#include "batch_equal.h"
#include "json_points.h"
#include "msgpack_value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text_source {
    const uint8_t *text;
    size_t size;
    uint32_t random; /* 0: everything at once */
};

static long text_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    (void)ret_error;
    struct text_source *source = context;
    size_t part = source->size < size ? source->size : size;
    if (source->random) {
        source->random = source->random * 1664525 + 1013904223;
        size_t chunk = 1 + (source->random >> 16) % 40;
        part = part < chunk ? part : chunk;
    }
    if (part > 0)
        memcpy(buffer, source->text, part);
    source->text += part;
    source->size -= part;
    return (long)part;
}

static int read_all(
    struct text_source source, bool import, uint32_t points_max, struct batch *batch, struct error *ret_error)
{
    struct json_points *reader;
    batch_init(batch);
    CHECK(
        json_points_open(&(struct json_points_options){.import = import}, text_read, &source, &reader) == 0);
    int r;
    do
        r = json_points_read(reader, batch, points_max, ret_error);
    while (r == 1);
    json_points_close(reader);
    return r;
}

static void check_values(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t scratch[9];
        size_t size;
        size_t walked;
        const uint8_t *value = batch_value(batch, i, scratch, &size);
        CHECK(msgpack_validate(value, size, &walked) == 0 && walked == size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool import = data[0] & 1;
    struct text_source whole = {.text = data + 2, .size = size - 2};
    struct text_source chunked = whole;
    chunked.random = 1 + data[1];
    struct batch first;
    struct batch second;
    struct error first_error = {0};
    struct error second_error = {0};
    int r = read_all(whole, import, UINT32_MAX, &first, &first_error);
    CHECK(read_all(chunked, import, 1 + data[0] / 2, &second, &second_error) == r);
    CHECK(strcmp(first_error.message, second_error.message) == 0);
    CHECK(batch_equal(&first, &second));
    batch_free(&second);
    check_values(&first);

    struct sink sink;
    CHECK(sink_memory_init(&sink, (size_t)1 << 30) == 0);
    CHECK(sink_write(&sink, "[", 1) == 0);
    CHECK(json_points_print(&sink, &first, true) == 0);
    CHECK(sink_write(&sink, "]", 1) == 0);
    struct text_source printed = {.text = sink.buffer, .size = sink.used};
    CHECK(read_all(printed, false, UINT32_MAX, &second, &second_error) == 0);
    /* a time of 0 is missing when it is read by the rules of REST */
    bool zero_times = false;
    for (uint32_t i = 0; i < first.count; i++)
        zero_times |= batch_time(&first, i) == 0;
    CHECK(first.count == second.count && (zero_times || batch_equal(&first, &second)));
    sink_memory_free(&sink);
    batch_free(&first);
    batch_free(&second);
    return 0;
}
