#include "points_format.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *media_type;
    enum http_content content;
} FORMATS[] = {
    [POINTS_JSON] = {"json", "application/json", HTTP_JSON},
    [POINTS_NDJSON] = {"ndjson", "application/x-ndjson", HTTP_NDJSON},
    [POINTS_CSV] = {"csv", "text/csv", HTTP_CSV},
};

enum { FORMAT_COUNT = sizeof(FORMATS) / sizeof(FORMATS[0]) };

bool points_format_find(
    const struct request *request, enum points_format *ret_format, struct problem *problem)
{
    const char *name = query_value(&request->query, "format");
    const char *accept = http_request_header(request->exchange, "Accept");
    *ret_format = POINTS_JSON;
    for (unsigned i = 0; i < FORMAT_COUNT; i++) {
        bool found = *name ? strcmp(name, FORMATS[i].name) == 0
                           : i != POINTS_JSON && accept && strcasestr(accept, FORMATS[i].media_type);
        if (found) {
            *ret_format = i;
            return true;
        }
    }
    return !*name || problem_set(problem, 400, "Unknown format; known are json, ndjson, csv");
}

enum http_content points_format_content(enum points_format format)
{
    return FORMATS[format].content;
}
