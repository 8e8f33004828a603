#include "json_text.h"

struct text_source text_of(const char *text)
{
    return (struct text_source){.text = text, .size = strlen(text)};
}

long text_source_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text_source *source = context;
    size_t part = source->size < size ? source->size : size;
    size_t chunk = source->chunk;
    if (source->random)
        chunk = 1 + test_random_below(source->random, chunk);
    if (chunk > 0 && part > chunk)
        part = chunk;
    if (part == 0 && source->fails)
        return error_set(ret_error, -source->fails, "the line broke");
    memcpy(buffer, source->text, part);
    source->text += part;
    source->size -= part;
    return (long)part;
}

int read_text(
    struct text_source source, bool import, uint32_t points_max, struct batch *batch, struct error *ret_error)
{
    struct json_points *reader;
    const struct json_points_options options = {.import = import};
    assert_int_equal(json_points_open(&options, text_source_read, &source, &reader), 0);
    int r;
    do {
        uint32_t before = batch->count;
        r = json_points_read(reader, batch, points_max, ret_error);
        assert_true(batch->count - before <= points_max);
    } while (r == 1);
    if (r < 0) { /* a failed reader stays failed, and says the same */
        struct error again = {0};
        uint32_t before = batch->count;
        assert_int_equal(json_points_read(reader, batch, points_max, &again), r);
        assert_string_equal(again.message, ret_error->message);
        assert_int_equal(batch->count, before);
    }
    json_points_close(reader);
    return r;
}

char *print_batch(const struct batch *batch)
{
    struct sink sink;
    assert_int_equal(sink_memory_init(&sink, 1u << 28), 0);
    assert_int_equal(json_points_print(&sink, batch, true), 0);
    assert_int_equal(sink_write(&sink, "", 1), 0);
    return (char *)sink.buffer; /* freed with free */
}

void check_text(const char *text, bool import, int expected, const char *message, const char *printed)
{
    size_t size = strlen(text);
    size_t chunks_max = size < 300 ? size + 1 : 300;
    for (size_t chunk = 0; chunk <= chunks_max; chunk++) {
        struct batch batch;
        struct error error = {0};
        struct text_source source = text_of(text);
        source.chunk = chunk;
        batch_init(&batch);
        int r = read_text(source, import, chunk % 3 ? 1000 : 1, &batch, &error);
        if (r != expected)
            fail_msg("%s: %d (%s), expected %d", text, r, error.message, expected);
        if (message && strcmp(error.message, message) != 0)
            fail_msg("%s in chunks of %zu:\n%s\n%s", text, chunk, error.message, message);
        char *again = print_batch(&batch);
        if (printed && strcmp(again, printed) != 0)
            fail_msg("%s in chunks of %zu:\n%s\n%s", text, chunk, again, printed);
        free(again);
        batch_free(&batch);
    }
}
