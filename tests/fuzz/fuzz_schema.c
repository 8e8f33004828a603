/* JSON Schema: `SCHEMA \n VALUES`. Whatever the schema, compiling and checking end within their limits, and a
 * batch conforms exactly when each of its points does. */
#include "check.h"
#include "json_points.h"
#include "schema.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    const uint8_t *at;
    size_t left;
};

static long read_text(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct text *text = context;
    (void)ret_error;
    size_t count = text->left < size ? text->left : size;
    if (count > 0)
        memcpy(buffer, text->at, count);
    text->at += count;
    text->left -= count;
    return (long)count;
}

static void read_points(struct batch *batch, const uint8_t *data, size_t size)
{
    struct json_points *reader;
    struct text text = {data, size};
    batch_init(batch);
    CHECK(json_points_open(&(struct json_points_options){0}, read_text, &text, &reader) == 0);
    (void)json_points_read(reader, batch, 100, NULL);
    json_points_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    struct schema *schema;
    struct batch batch, one;
    struct error error = {0};
    if (!line)
        return 0;
    int r = schema_compile((const char *)data, (size_t)(line - data), &schema, &error);
    if (r < 0) {
        CHECK((r == -EINVAL || r == -E2BIG || r == -ENOMEM) && error.message[0]);
        return 0;
    }
    read_points(&batch, line + 1, (size_t)(data + size - line - 1));
    r = schema_check(schema, &batch, &error);
    CHECK(r == 0 || ((r == -EINVAL || r == -E2BIG) && error.message[0]));
    bool all = true;
    for (uint32_t i = 0; i < batch.count; i++) {
        batch_slice(&batch, i, 1, &one);
        all = all && schema_check(schema, &one, &error) == 0;
    }
    CHECK(all == (r == 0));
    schema_free(schema);
    batch_free(&batch);
    return 0;
}
