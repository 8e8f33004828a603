/* Schema text: what is accepted is JSON to another reader too, stays what it is when it is normalized again,
 * and says the same. */
#include "catalog.h"
#include "check.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL: jansson refuses numbers that a double cannot hold, and \u0000. */
static json_t *parse(const char *text)
{
    return json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *schema, *again;
    CHECK(text);
    memcpy(text, data, size);
    text[size] = '\0';
    struct error error = {0};
    int r = schema_normalize(text, &schema, &error);
    json_t *before = parse(text);
    if (r == 0) {
        CHECK(strlen(schema) <= (size > 2 ? size : 2));
        CHECK(schema_normalize(schema, &again, &error) == 0);
        CHECK(strcmp(schema, again) == 0);
        json_t *after = parse(schema);
        if (text[0] != '\0')
            CHECK(before ? json_equal(before, after) : !after);
        json_decref(after);
        free(again);
        free(schema);
    } else {
        CHECK(r == -EINVAL || r == -ENOMEM);
    }
    json_decref(before);
    free(text);
    return 0;
}
