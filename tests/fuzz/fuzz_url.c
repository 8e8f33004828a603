/* A request target from outside: path and query, through everything that looks at their text. */
#include "check.h"
#include "range.h"
#include "url.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_path(const char *text, char *decoded, char *clean, size_t capacity)
{
    struct url_path path;
    long length = url_decode(text, false, decoded, capacity);
    if (length < 0)
        return;
    CHECK(strlen(decoded) == (size_t)length);
    if (*decoded != '/')
        return;
    (void)url_clean(decoded, clean);
    CHECK(strlen(clean) <= (size_t)length + 1);
    CHECK(!url_clean(clean, decoded)); /* clean once is clean */
    CHECK(!strstr(clean, "//") && !strstr(clean, "/./") && !strstr(clean, "/../"));
    if (url_split(clean, &path))
        CHECK(path.count <= URL_SEGMENTS_MAX);
}

static void check_query(const char *text, char *scratch, size_t capacity)
{
    struct query query;
    struct range range = {0};
    uint64_t from = 0, to = 0;
    if (query_parse(text, scratch, capacity, &query) < 0 || range_parse(&query, &range, NULL) < 0)
        return;
    CHECK(!isnan(range.t1) && !isnan(range.t2));
    if (range.by_index && range_resolve(&range, 1000, &from, &to) == 0)
        CHECK(from <= to && to <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *first = malloc(size + 2), *second = malloc(size + 2);
    CHECK(text && first && second);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_path(text, first, second, size + 2);
    check_query(text, first, size + 2);
    (void)base64_decode(text, first, size + 2);
    free(text);
    free(first);
    free(second);
    return 0;
}
