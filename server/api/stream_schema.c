#include "stream_schema.h"

#include "find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compile(const char *text, struct error *ret_error)
{
    char *normalized = NULL;
    struct schema *schema = NULL;
    int r = schema_normalize(text, &normalized, ret_error);
    if (r == 0 && !schema_text_accepts_all(normalized))
        r = schema_compile(normalized, strlen(normalized), &schema, ret_error);
    schema_free(schema);
    free(normalized);
    return r;
}

bool stream_schema_valid(const char *text, struct problem *problem)
{
    struct error error = {0};
    int r = compile(text, &error);
    if (r == -EINVAL || r == -E2BIG)
        return problem_set(problem, 403, "The provided schema is not a valid JSONSchema: %s", error.message);
    return r == 0 || problem_failed(problem, "a schema", r, &error);
}

/* Reads and compiles the schema that the stream has now, which may be newer than the one of its place. */
static bool compile_schema(
    const struct request *request, struct cached_schema **ret_schema, struct problem *problem)
{
    struct stream stream = {0};
    struct error error = {0};
    if (!find_stream(request, 403, &stream, problem))
        return false;
    int r = schema_cache_add(&request->server->schemas, stream.schema, ret_schema);
    stream_free(&stream);
    return r == 0 || request_failed(request, r, &error, problem);
}

static bool conforms(const struct cached_schema *cached, const struct batch *batch, struct problem *problem)
{
    struct error error = {0};
    if (!cached->schema)
        return problem_set(problem, 403,
            "The stream's schema is not a valid JSONSchema, inserts are refused until it is changed: %s",
            cached->error.message);
    switch (schema_check(cached->schema, batch, &error)) {
    case 0:
        return true;
    case -EINVAL:
        return problem_set(
            problem, 403, "At least one datapoint did not conform to the stream's schema: %s", error.message);
    case -E2BIG:
        return problem_set(
            problem, 413, "The datapoints cannot be checked against the stream's schema: %s", error.message);
    default:
        return problem_later(
            problem, 503, "The server has no memory left to check the datapoints, try again");
    }
}

bool stream_schema_check(const struct request *request, const struct stream_place *place,
    const struct batch *batch, struct problem *problem)
{
    if (place->schema_empty)
        return true;
    struct cached_schema *schema = schema_cache_find(&request->server->schemas, place->schema_digest);
    if (!schema && !compile_schema(request, &schema, problem))
        return false;
    bool done = conforms(schema, batch, problem);
    cached_schema_release(schema);
    return done;
}
