/* Any bytes as a msgpack value: never read past the end; what is accepted is printed, and the text read back
 * gives the same text again. */
#include "check.h"
#include "json_internal.h"
#include "msgpack_value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(struct sink *sink, const uint8_t *data, size_t size)
{
    CHECK(sink_memory_init(sink, (size_t)1 << 30) == 0);
    CHECK(msgpack_print_json(sink, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t value_size;
    if (msgpack_validate(data, size, &value_size) != 0)
        return 0;
    CHECK(value_size >= 1 && value_size <= size);
    struct sink sink;
    print(&sink, data, value_size);

    struct json_parser parser = {
        .p = (const char *)sink.buffer, .end = (const char *)sink.buffer + sink.used, .final = true};
    CHECK(json_value(&parser, 0) == 0);
    CHECK(parser.p == parser.end);
    size_t again_size;
    CHECK(msgpack_validate(parser.value.data, parser.value.size, &again_size) == 0);
    CHECK(again_size == parser.value.size);

    /* Canonical bytes print as a text that gives these very bytes. */
    struct sink second;
    print(&second, parser.value.data, parser.value.size);
    struct json_parser again = {
        .p = (const char *)second.buffer, .end = (const char *)second.buffer + second.used, .final = true};
    CHECK(json_value(&again, 0) == 0);
    CHECK(again.value.size == parser.value.size);
    CHECK(memcmp(again.value.data, parser.value.data, again.value.size) == 0);

    struct json_parser *parsers[] = {&parser, &again};
    for (int i = 0; i < 2; i++) {
        buffer_free(&parsers[i]->value);
        buffer_free(&parsers[i]->text);
        buffer_free(&parsers[i]->members);
    }
    sink_memory_free(&sink);
    sink_memory_free(&second);
    return 0;
}
