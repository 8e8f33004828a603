/* A request target from outside: path and query, through everything that looks at their text. */
#include "check.h"
#include "range_query.h"
#include "url.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_path(const char *text, char *decoded, size_t capacity)
{
    struct url_path path;
    long length = url_decode(text, false, decoded, capacity);
    if (length < 0)
        return;
    CHECK(strlen(decoded) == (size_t)length);
    if (*decoded != '/')
        return;
    if (url_split(decoded, &path) < 0)
        return;
    CHECK(path.count <= URL_SEGMENTS_MAX);
    for (size_t i = 0; i < path.count; i++) {
        const char *segment = path.segments[i];
        CHECK(*segment && !strchr(segment, '/') && strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0);
    }
}

static void check_query(const char *text, char *scratch, size_t capacity)
{
    struct query query;
    struct range range = {0};
    uint64_t from = 0, to = 0;
    if (query_parse(text, scratch, capacity, &query) < 0 || range_parse_query(&query, &range, NULL) < 0)
        return;
    CHECK(!isnan(range.t1) && !isnan(range.t2));
    if (range.by_index && range_resolve(&range, 1000, &from, &to) == 0)
        CHECK(from <= to && to <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *first = malloc(size + 2);
    CHECK(text && first);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_path(text, first, size + 2);
    check_query(text, first, size + 2);
    (void)base64_decode(text, first, size + 2);
    free(text);
    free(first);
    return 0;
}
