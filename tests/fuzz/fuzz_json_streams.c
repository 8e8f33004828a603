/* Any bytes as a text with datapoints of several streams, in random chunks: no crash, and the same streams,
 * points and error as in one piece. The first byte chooses chunk and read sizes. */
#include "check.h"
#include "batch_equal.h"
#include "json_streams.h"

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

/* Reads all streams into one batch; the paths one after the other into *paths, each ended by the number of
 * its points. */
static int read_all(struct text_source source, uint32_t points_max, struct batch *batch, struct buffer *paths,
    struct error *ret_error)
{
    struct json_streams *reader;
    const char *path;
    size_t size;
    int r;
    batch_init(batch);
    CHECK(json_streams_open(text_read, &source, &reader) == 0);
    while ((r = json_streams_next(reader, &path, &size, ret_error)) == 1) {
        uint32_t first = batch->count;
        CHECK(buffer_append(paths, path, size) == 0);
        do
            r = json_streams_read(reader, batch, points_max, ret_error);
        while (r == 1);
        uint32_t count = batch->count - first;
        CHECK(buffer_append(paths, &count, sizeof(count)) == 0);
        if (r < 0)
            break;
    }
    json_streams_close(reader);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct text_source whole = {.text = data + 1, .size = size - 1};
    struct text_source chunked = whole;
    struct batch first, second;
    struct buffer first_paths = {0}, second_paths = {0};
    struct error first_error = {0}, second_error = {0};
    chunked.random = 1 + data[0];
    int r = read_all(whole, UINT32_MAX, &first, &first_paths, &first_error);
    CHECK(read_all(chunked, 1 + data[0] % 4, &second, &second_paths, &second_error) == r);
    CHECK(strcmp(first_error.message, second_error.message) == 0);
    CHECK(batch_equal(&first, &second));
    CHECK(first_paths.size == second_paths.size);
    CHECK(first_paths.size == 0 || memcmp(first_paths.data, second_paths.data, first_paths.size) == 0);
    buffer_free(&first_paths);
    buffer_free(&second_paths);
    batch_free(&first);
    batch_free(&second);
    return 0;
}
