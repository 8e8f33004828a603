#include "points_format.h"

#include <errno.h>
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

/* ---- Accept: RFC 9110, 12.5.1 and 12.4.2 ---- */

/* How well something is accepted: by weight (0 to 1000), then by how exactly it was named. */
struct preference {
    unsigned weight, exactness;
};

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* How exactly the media range names the type: 3 itself, 2 its type with any subtype, 1 any, 0 not at all. */
static unsigned exactness_of(const char *range, size_t size, const char *media_type)
{
    size_t type = (size_t)(strchr(media_type, '/') + 1 - media_type);
    if (size == strlen(media_type) && strncasecmp(range, media_type, size) == 0)
        return 3;
    if (size == type + 1 && strncasecmp(range, media_type, type) == 0 && range[type] == '*')
        return 2;
    return size == 3 && memcmp(range, "*/*", 3) == 0;
}

/* The most exact media range decides. */
static struct preference preference_for(const char *accept, const char *media_type)
{
    struct preference best = {0};
    while (*accept) {
        const char *range = skip_blanks(accept), *end = range + strcspn(range, ",");
        unsigned exactness = exactness_of(range, strcspn(range, ",; \t"), media_type);
        if (exactness > best.exactness)
            best = (struct preference){http_weight(range, (size_t)(end - range)), exactness};
        accept = *end ? end + 1 : end;
    }
    return best;
}

/* The format that is accepted best; JSON if several are, or none: no client is refused for what it accepts.
 */
static enum points_format accepted(const char *accept)
{
    enum points_format format = POINTS_JSON;
    struct preference best = preference_for(accept, FORMATS[POINTS_JSON].media_type);
    for (unsigned i = 0; i < FORMAT_COUNT; i++) {
        struct preference other = preference_for(accept, FORMATS[i].media_type);
        if (other.weight > best.weight ||
            (other.weight > 0 && other.weight == best.weight && other.exactness > best.exactness)) {
            best = other;
            format = i;
        }
    }
    return format;
}

static bool find_format(
    const struct request *request, enum points_format *ret_format, struct problem *problem)
{
    const char *name = query_value(&request->query, "format");
    const char *accept = http_request_header(request->exchange, "Accept");
    *ret_format = *name || !accept ? POINTS_JSON : accepted(accept);
    for (unsigned i = 0; *name && i < FORMAT_COUNT; i++) {
        if (strcmp(name, FORMATS[i].name) == 0) {
            *ret_format = i;
            return true;
        }
    }
    return !*name || problem_set(problem, 400, "Unknown format; known are json, ndjson, csv");
}

bool points_format_find(
    const struct request *request, bool senders, struct points_output *ret_output, struct problem *problem)
{
    const struct query *query = &request->query;
    const struct points_output_texts texts = {
        query_value(query, "time"), query_value(query, "tz"), query_value(query, "columns")};
    struct error error = {0};
    enum points_format format;
    if (!find_format(request, &format, problem))
        return false;
    int r = points_output_open(format, senders, &texts, ret_output, &error);
    return r == 0 || problem_set(problem, r == -EINVAL ? 400 : 503, "%s", error.message);
}

enum http_content points_format_content(enum points_format format)
{
    return FORMATS[format].content;
}
