/* Transforms of strings. */
#include "run.h"
#include "sentiment.h"
#include "transform.h"

#include "pattern.h"

#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- append ---- */

struct text {
    struct buffer bytes;
    size_t held;
};

static void clear_text(struct run *run, void *state)
{
    struct text *text = state;
    arena_drop(run->arena, text->held);
    buffer_free(&text->bytes);
}

static int text_append(struct call *call, struct text *text, const struct value *string)
{
    if (text->bytes.size + string->size > call->run->limits->string_max)
        return error_set(
            call->error, EINVAL, "the string would be longer than %u bytes", call->run->limits->string_max);
    size_t before = text->bytes.capacity;
    if (buffer_append(&text->bytes, string->text, string->size) < 0)
        return error_set(call->error, ENOMEM, "out of memory for a script");
    size_t more = text->bytes.capacity - before;
    int r = arena_hold(call->run->arena, more, call->error);
    if (r == 0)
        text->held += more;
    return r;
}

static int step_append(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct text *text = call->state;
    struct value string;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &string, call->error);
    if (r == 0)
        r = text_append(call, text, &string);
    if (r < 0)
        return r;
    out->d = value_string(text->bytes.data ? (const char *)text->bytes.data : "", text->bytes.size);
    return STEP_EMIT;
}

/* ---- contains, regex ---- */

static int prepare_string(struct node *node, struct arena *arena, struct error *ret_error)
{
    return value_to_string(&node->children[0]->value, arena, &node->children[0]->value, ret_error);
}

static int step_contains(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    const struct value *wanted = argument_value(call->node, 0);
    struct value string;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &string, call->error);
    if (r < 0)
        return r;
    out->d = value_boolean(wanted->size == 0 || memmem(string.text, string.size, wanted->text, wanted->size));
    return STEP_EMIT;
}

/* Finds constructs that RE2 does not have: RE2 matches in linear time, and scripts of 0.3 were written for
 * it. NULL: nothing of the kind. */
static const char *find_unsupported(const char *text, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] == '\\') {
            i++;
            if ((text[i] >= '1' && text[i] <= '9') || text[i] == 'k' || text[i] == 'g')
                return "back-references are not supported";
        } else if (text[i] == '[') { /* a class: up to its bracket */
            for (i += text[i + 1] == '^' ? 2 : 1, i += i < size && text[i] == ']'; i < size && text[i] != ']';
                 i++)
                i += text[i] == '\\';
        } else if (text[i] == '(' && text[i + 1] == '?' && i + 2 < size) {
            char kind = text[i + 2], next = i + 3 < size ? text[i + 3] : '\0';
            if (kind == '=' || kind == '!' || (kind == '<' && (next == '=' || next == '!')))
                return "look-around is not supported";
            if (kind == '>' || kind == '(' || kind == 'R' || kind == '&' || kind == '|' || kind == '+' ||
                (kind >= '0' && kind <= '9') || (kind == 'P' && (next == '=' || next == '>')))
                return "this kind of group is not supported";
        } else if ((text[i] == '*' || text[i] == '+' || text[i] == '?' || text[i] == '}') &&
                   text[i + 1] == '+') {
            return "possessive quantifiers are not supported";
        }
    }
    return NULL;
}

static int prepare_regex(struct node *node, struct arena *arena, struct error *ret_error)
{
    int r = prepare_string(node, arena, ret_error);
    if (r < 0)
        return r;
    const struct value *text = &node->children[0]->value;
    const char *unsupported = find_unsupported(text->text, text->size);
    if (unsupported)
        return error_set(ret_error, EINVAL, "%s", unsupported);
    struct pattern *pattern;
    r = pattern_compile(text->text, text->size, &pattern, ret_error);
    if (r == 0)
        node->prepared = pattern;
    return r == -E2BIG ? -EINVAL : r;
}

static void forget_regex(struct node *node)
{
    pattern_free(node->prepared);
}

static void clear_regex(struct run *run, void *state)
{
    (void)run;
    pattern_memory_free(*(struct pattern_memory **)state);
}

static int step_regex(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct pattern_memory **memory = call->state;
    struct value string;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &string, call->error);
    if (r < 0)
        return r;
    if (!*memory && pattern_memory_new(memory) < 0)
        return error_set(call->error, ENOMEM, "out of memory for a script");
    r = pattern_search(call->node->prepared, *memory, string.text, string.size);
    if (r < 0)
        return error_set(call->error, EINVAL, "the pattern takes too many steps to match");
    out->d = value_boolean(r > 0);
    return STEP_EMIT;
}

/* ---- domain ---- */

/* The host of a URL with its port; size 0: it has none. */
static struct value find_host(const char *text, size_t size)
{
    struct value none = value_string("", 0);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            return none;
    const char *colon = memchr(text, ':', size), *end = text + size;
    size_t scheme = colon ? (size_t)(colon - text) : 0;
    if (scheme > 0) {
        bool valid = (text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z';
        for (size_t i = 0; i < scheme; i++)
            valid = valid && (((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z') ||
                                 (text[i] >= '0' && text[i] <= '9') || strchr("+-.", text[i]));
        if (!valid)
            return none;
        text = colon + 1;
    }
    if (end - text < 2 || text[0] != '/' || text[1] != '/')
        return none;
    text += 2;
    const char *stop = text;
    while (stop < end && !strchr("/?#", *stop))
        stop++;
    for (const char *at = stop; at > text; at--) {
        if (at[-1] == '@') {
            text = at;
            break;
        }
    }
    const char *port = text < stop && *text == '[' ? memchr(text, ']', (size_t)(stop - text)) : text;
    port = port ? memrchr(port, ':', (size_t)(stop - port)) : NULL;
    for (const char *at = port ? port + 1 : stop; at < stop; at++)
        if (*at < '0' || *at > '9')
            return none;
    for (const char *at = text; at < stop; at++)
        if (strchr("<>\"\\^`{|}", *at) && *at)
            return none;
    if (stop - text >= 4 && memcmp(text, "www.", 4) == 0)
        text += 4;
    return value_string(text, (size_t)(stop - text));
}

static int step_domain(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct value string;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &string, call->error);
    if (r < 0)
        return r;
    out->d = find_host(string.text, string.size);
    return STEP_EMIT;
}

/* ---- wc, sentiment ---- */

/* Finds the next word at *at or behind it and sets *at behind the word; words stand between white space and
 * these signs. False: there is none. */
static bool next_word(const char **at, const char *end, const char **ret_word, size_t *ret_size)
{
    const char *word = NULL;
    while (*at < end) {
        size_t space =
            **at && strchr(".,/#!$%^&*;:{}=-_`~()", **at) ? 1 : unicode_space(*at, (size_t)(end - *at));
        if (space > 0 && word)
            break;
        if (space == 0 && !word)
            word = *at;
        *at += space > 0 ? space : 1;
    }
    *ret_word = word;
    *ret_size = word ? (size_t)(*at - word) : 0;
    return word;
}

static int step_wc(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    struct value string;
    const char *word;
    size_t size;
    int64_t words = 0;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &string, call->error);
    if (r < 0)
        return r;
    for (const char *at = string.text; next_word(&at, string.text + string.size, &word, &size);)
        words++;
    out->d = value_integer(words);
    return STEP_EMIT;
}

static int prepare_sentiment(struct node *node, struct arena *arena, struct error *ret_error)
{
    (void)node;
    (void)arena;
    if (sentiment_is_built_in())
        return 0;
    return error_set(ret_error, EINVAL, "its word list, AFINN-111, is not installed");
}

/* ConnectorDB 0.3 computes it in single precision and prints the shortest digits that say which float it is:
 * the double with these digits prints the same. */
static double as_printed(float value)
{
    char text[32];
    for (int digits = FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return strtod(text, NULL);
}

static int step_sentiment(
    struct call *call, const struct point *in, const struct point *arguments, struct point *out)
{
    enum { SCORE_MAX = 5 }; /* of one word */
    struct value string;
    const char *word;
    size_t size;
    int64_t words = 0, score = 0;
    (void)arguments;
    int r = value_to_string(&in->d, call->run->arena, &string, call->error);
    if (r < 0)
        return r;
    for (const char *at = string.text; next_word(&at, string.text + string.size, &word, &size); words++)
        score += sentiment_of_word(word, size);
    out->d = value_double(words > 0 ? as_printed((float)score / (float)(SCORE_MAX * words)) : 0);
    return STEP_EMIT;
}

static const struct transform TRANSFORMS[] = {
    {.name = "append", .state_bytes = sizeof(struct text), .step = step_append, .clear = clear_text},
    {.name = "contains",
        .arguments = {{ARGUMENT_CONSTANT, NULL}},
        .argument_count = 1,
        .prepare = prepare_string,
        .step = step_contains},
    {.name = "regex",
        .arguments = {{ARGUMENT_CONSTANT, NULL}},
        .argument_count = 1,
        .state_bytes = sizeof(struct pattern_memory *),
        .prepare = prepare_regex,
        .forget = forget_regex,
        .step = step_regex,
        .clear = clear_regex},
    {.name = "domain", .step = step_domain},
    {.name = "wc", .step = step_wc},
    {.name = "sentiment", .prepare = prepare_sentiment, .step = step_sentiment},
};
const struct transform_list TEXT_TRANSFORMS = {TRANSFORMS, sizeof(TRANSFORMS) / sizeof(TRANSFORMS[0])};
