#include "body.h"

#include "buffer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { COUNT_STEP_BYTES = 256 << 10 }; /* how much a body's share grows at once */

/* ---- any body ---- */

static bool check_encoding(struct http_exchange *exchange, struct problem *problem)
{
    const char *encoding = http_request_header(exchange, "Content-Encoding");
    if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0)
        return true;
    bool once = encoding == http_request_header_last(exchange, "Content-Encoding");
    if (once && (strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0)) {
        http_body_gunzip(exchange);
        return true;
    }
    (void)http_answer_header(exchange, "Accept-Encoding", "gzip");
    return problem_set(problem, 415,
        "The Content-Encoding \"%.40s\" is not supported; send the body as it is, or with gzip", encoding);
}

static bool budget_problem(const struct body *body, int r, struct problem *problem)
{
    if (r == -EDQUOT)
        return problem_later(problem, 503,
            "Your account is sending too many large bodies at once (%llu MiB at most)",
            (unsigned long long)(body->budget->account_bytes_max >> 20));
    return problem_later(problem, 503, "Too many large bodies at once (%llu MiB at most), try again",
        (unsigned long long)(body->budget->bytes_max >> 20));
}

bool body_open(struct body *body, struct request *request, uint64_t limit, struct problem *problem)
{
    struct error error = {0};
    struct http_exchange *exchange = request->exchange;
    *body = (struct body){.exchange = exchange,
        .budget = &request->server->bodies,
        .share = {.account = request->login.identity.user_id},
        .problem = problem};
    http_body_owner(exchange, (uint64_t)request->login.identity.user_id);
    if (!check_encoding(exchange, problem))
        return false;
    if (http_body_limit(exchange, limit, &error) < 0)
        return problem_set(problem, 413, "%s", error.message);
    if (exchange->body_length <= BODY_UNCOUNTED_BYTES)
        return true;
    int r = body_budget_ask(body->budget, body->share.account, (uint64_t)exchange->body_length);
    return r == 0 || budget_problem(body, r, problem);
}

/* Counts what has been read and what is held. */
static bool count_bytes(struct body *body)
{
    uint64_t bytes = body->exchange->body_read + body->held_bytes;
    if (bytes <= BODY_UNCOUNTED_BYTES || bytes <= body->share.bytes)
        return true;
    bytes = (bytes + COUNT_STEP_BYTES - 1) / COUNT_STEP_BYTES * COUNT_STEP_BYTES;
    int r = body_budget_take(body->budget, &body->share, bytes);
    return r == 0 || budget_problem(body, r, body->problem);
}

bool body_hold(struct body *body, uint64_t bytes)
{
    body->held_bytes += bytes;
    return count_bytes(body);
}

long body_read(void *context, void *buffer, size_t size, struct error *ret_error)
{
    struct body *body = context;
    struct error error = {0};
    long r = http_body_read(body->exchange, buffer, size, &error);
    if (r >= 0 && !count_bytes(body))
        return error_set(ret_error, EBUSY, "%s", body->problem->message);
    if (r > 0 && body->observe)
        body->observe(body->observer, buffer, (size_t)r);
    if (r >= 0)
        return r;
    if (r == -EBUSY || r == -ENOMEM)
        (void)problem_later(body->problem, 503, "%s", error.message);
    else /* too much, too slow, not whole */
        (void)problem_set(body->problem,
            r == -EFBIG       ? 413
            : r == -ETIMEDOUT ? 408
                              : 400,
            "%s", error.message);
    return error_set(ret_error, (int)-r, "%s", error.message);
}

void body_close(struct body *body)
{
    if (body->budget)
        body_budget_give(body->budget, &body->share);
}

/* ---- an object ---- */

static bool read_whole(struct body *body, struct buffer *text, struct problem *problem)
{
    enum { PIECE_BYTES = 16 << 10 };
    long r;
    do {
        if (buffer_reserve(text, PIECE_BYTES) < 0)
            return problem_later(problem, 503, "The server has no memory left for the body, try again");
        r = body_read(body, text->data + text->size, PIECE_BYTES, NULL);
        if (r > 0)
            text->size += (size_t)r;
    } while (r > 0);
    return r == 0;
}

/* Why jansson refused the text. */
static bool parse_problem(
    const json_error_t *failed, const char *kind, const char *text, size_t size, struct problem *problem)
{
    if (failed->line < 0 || json_error_code(failed) == json_error_out_of_memory)
        return problem_later(problem, 503, "The server has no memory left for the body, try again");
    size_t to = failed->position > 0 ? (size_t)failed->position : 0; /* behind the token that is wrong */
    size_t from = to > 3 ? to - 3 : 0;
    bool mark = from + 3 <= size && memcmp(text + from, "\xef\xbb\xbf", 3) == 0;
    return problem_set(problem, 400, "The body is not a JSON %s: line %d, byte %d%s", kind, failed->line,
        failed->position, mark ? ": a UTF-8 byte order mark is allowed only at the start" : "");
}

static bool parse(
    struct body_object *body, bool is_array, const char *text, size_t size, struct problem *problem)
{
    json_error_t failed;
    const char *kind = is_array ? "array" : "object";
    if (size == 0)
        return problem_set(problem, 400, "The body is empty; a JSON %s is needed", kind);
    struct json_measure measure = json_measure(text, size);
    if (measure.depth > OBJECT_DEPTH_MAX)
        return problem_set(problem, 400, "The body is nested deeper than %d levels", OBJECT_DEPTH_MAX);
    if (measure.values > OBJECT_VALUES_MAX)
        return problem_set(problem, 413, "The body has more than %d values", OBJECT_VALUES_MAX);
    if (json_arena_open(&body->arena, size, &measure) < 0)
        return problem_later(problem, 503, "The server has no memory left for the body, try again");
    body->object = json_arena_load(&body->arena, text, size, 0, &failed);
    if (!body->object)
        return parse_problem(&failed, kind, text, size, problem);
    return (is_array ? json_is_array(body->object) : json_is_object(body->object)) ||
           problem_set(problem, 400, "The body is not a JSON %s", kind);
}

static bool read_json(
    struct body_object *object, bool is_array, struct request *request, struct problem *problem)
{
    struct buffer text = {0};
    uint64_t limit = request->server->configuration->insert_limit_bytes;
    if (limit > OBJECT_BODY_BYTES_MAX)
        limit = OBJECT_BODY_BYTES_MAX;
    *object = (struct body_object){0};
    bool done =
        body_open(&object->body, request, limit, problem) && read_whole(&object->body, &text, problem);
    if (done) {
        size_t mark = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        done = parse(object, is_array, (const char *)text.data + mark, text.size - mark, problem);
    }
    buffer_free(&text);
    return done;
}

bool body_object_read(struct body_object *body, struct request *request, struct problem *problem)
{
    return read_json(body, false, request, problem);
}

bool body_array_read(struct body_object *body, struct request *request, struct problem *problem)
{
    return read_json(body, true, request, problem);
}

bool body_of_nobody(const struct request *request, struct problem *problem)
{
    int64_t length = request->exchange->body_length; /* -1: chunked */
    return request_acting(request) || (length >= 0 && length <= BODY_UNCOUNTED_BYTES) ||
           problem_set(problem, 403, "Log in to send a body of over %d KiB", BODY_UNCOUNTED_BYTES >> 10);
}

void body_object_free(struct body_object *body)
{
    json_arena_close(&body->arena);
    body->object = NULL;
    body_close(&body->body);
}

/* ---- its members ---- */

static bool take(const struct member *member, const json_t *value, struct problem *problem)
{
    static const char *const TYPES[] = {
        "a string", "a boolean", "an object", "an array", "a whole number", "a number"};
    if (json_is_null(value))
        return true;
    if (member->type == MEMBER_TEXT && json_is_string(value))
        *(const char **)member->to = json_string_value(value);
    else if (member->type == MEMBER_BOOLEAN && json_is_boolean(value))
        *(bool *)member->to = json_is_true(value);
    else if (member->type == MEMBER_OBJECT && json_is_object(value))
        *(const json_t **)member->to = value;
    else if (member->type == MEMBER_ARRAY && json_is_array(value))
        *(const json_t **)member->to = value;
    else if (member->type == MEMBER_INTEGER && json_is_integer(value))
        *(int64_t *)member->to = json_integer_value(value);
    else if (member->type == MEMBER_NUMBER && json_is_number(value))
        *(double *)member->to = json_number_value(value);
    else
        return problem_set(problem, 400, "Value of field '%s' must be %s", member->name, TYPES[member->type]);
    return true;
}

bool body_members(const json_t *object, const struct member *members, size_t count, struct problem *problem)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        for (size_t i = 0; i < count; i++) {
            if (strcasecmp(key, members[i].name) == 0 && !take(&members[i], value, problem))
                return false;
        }
    }
    return true;
}

size_t body_field_members(const struct object_kind *kind, void *object, struct member members[FIELDS_MAX])
{
    static char empty[] = "";
    size_t count = 0;
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        if (field->type == FIELD_ID || (field->flags & (FIELD_FIXED | FIELD_INTERNAL)))
            continue;
        bool is_text = field->type == FIELD_TEXT;
        if (is_text && !*field_text(field, object))
            *field_text(field, object) = empty;
        members[count++] = (struct member){field->name, is_text ? MEMBER_TEXT : MEMBER_BOOLEAN,
            is_text ? (void *)field_text(field, object) : (void *)field_flag(field, object)};
    }
    return count;
}

/* ---- changes ---- */

static const struct field *find_field(const struct object_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->count; i++) {
        const struct field *field = &kind->fields[i];
        bool known =
            field->type != FIELD_ID && (!(field->flags & FIELD_INTERNAL) || (field->flags & FIELD_SECRET));
        if (known && strcmp(field->name, name) == 0)
            return field;
    }
    return NULL;
}

static bool take_change(const struct object_kind *kind, const struct field *field, const json_t *value,
    const void *current, void *changes, struct problem *problem)
{
    bool is_text = field->type == FIELD_TEXT;
    if (is_text ? !json_is_string(value) : !json_is_boolean(value))
        return problem_set(
            problem, 403, "Value of field '%s' must be %s", field->name, is_text ? "a string" : "a boolean");
    if (field->flags & FIELD_FIXED)
        return strcmp(json_string_value(value), field_get_text(field, current)) == 0 ||
               problem_set(problem, 403, "The %s of a %s cannot be changed", field->name, kind->name);
    if (is_text)
        *field_text(field, changes) = (char *)json_string_value(value);
    else
        *field_flag(field, changes) = json_is_true(value);
    return true;
}

bool body_changes(const json_t *object, const struct object_kind *kind, const void *current,
    uint32_t writable, void *changes, uint32_t *ret_fields, struct problem *problem)
{
    const char *key;
    json_t *value;
    uint32_t fields = 0;
    json_object_foreach((json_t *)object, key, value)
    {
        const struct field *field = find_field(kind, key);
        if (!field)
            return problem_set(problem, 403, "Unrecognized field '%.60s'", key);
        if (!(writable & field_bit(kind, field)))
            return problem_set(
                problem, 403, "This device does not have permissions to write %s", field->name);
        if (!take_change(kind, field, value, current, changes, problem))
            return false;
        fields |= field_bit(kind, field);
    }
    *ret_fields = fields;
    return true;
}
