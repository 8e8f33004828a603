/* A stream's schema is kept as the text it was given, without the white space that means nothing: numbers,
 * escapes and the order of keys stay. This file checks the JSON and copies it; what the schema says is
 * checked by whoever applies it. */
#include "catalog.h"
#include "rules.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_DEPTH_MAX = 64 };

struct minifier {
    const char *start;
    const char *at;
    char *to;
    const char *wrong; /* what is wrong at `at`; NULL = nothing yet */
};

static bool fail(struct minifier *minifier, const char *wrong)
{
    minifier->wrong = wrong;
    return false;
}

static void skip_white(struct minifier *minifier)
{
    minifier->at += strspn(minifier->at, " \t\r\n");
}

static void copy(struct minifier *minifier, size_t size)
{
    memcpy(minifier->to, minifier->at, size);
    minifier->to += size;
    minifier->at += size;
}

static bool copy_escape(struct minifier *minifier)
{
    char kind = minifier->at[1];
    if (kind == 'u') {
        if (strspn(minifier->at + 2, "0123456789abcdefABCDEF") < 4)
            return fail(minifier, "\\u takes four hexadecimal digits");
        copy(minifier, 6);
        return true;
    }
    if (kind == '\0' || !strchr("\"\\/bfnrt", kind))
        return fail(minifier, "unknown escape");
    copy(minifier, 2);
    return true;
}

static bool copy_string(struct minifier *minifier)
{
    if (*minifier->at != '"')
        return fail(minifier, "a string is expected");
    copy(minifier, 1);
    while (*minifier->at != '"') {
        if (*minifier->at == '\0')
            return fail(minifier, "the string does not end");
        if ((unsigned char)*minifier->at < 0x20)
            return fail(minifier, "a control character in a string");
        if (*minifier->at != '\\')
            copy(minifier, 1);
        else if (!copy_escape(minifier))
            return false;
    }
    copy(minifier, 1);
    return true;
}

static size_t digits_at(const char *at)
{
    return strspn(at, "0123456789");
}

static bool copy_number(struct minifier *minifier)
{
    const char *at = minifier->at;
    if (*at == '-')
        at++;
    size_t whole = digits_at(at);
    if (whole == 0 || (whole > 1 && *at == '0'))
        return fail(minifier, "a value is expected");
    at += whole;
    if (*at == '.') {
        size_t fraction = digits_at(++at);
        if (fraction == 0)
            return fail(minifier, "digits are expected after the point");
        at += fraction;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-')
            at++;
        size_t exponent = digits_at(at);
        if (exponent == 0)
            return fail(minifier, "digits are expected in the exponent");
        at += exponent;
    }
    copy(minifier, (size_t)(at - minifier->at));
    return true;
}

static bool copy_scalar(struct minifier *minifier)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t size = strlen(words[i]);
        if (strncmp(minifier->at, words[i], size) == 0) {
            copy(minifier, size);
            return true;
        }
    }
    return *minifier->at == '"' ? copy_string(minifier) : copy_number(minifier);
}

/* "key": */
static bool copy_key(struct minifier *minifier)
{
    skip_white(minifier);
    if (!copy_string(minifier))
        return false;
    skip_white(minifier);
    if (*minifier->at != ':')
        return fail(minifier, "':' is expected");
    copy(minifier, 1);
    return true;
}

/* One value with all that is in it; the open brackets are kept in `open`, so that depth costs no stack. */
static bool copy_value(struct minifier *minifier)
{
    char open[SCHEMA_DEPTH_MAX];
    size_t depth = 0;
    for (;;) { /* a value begins here */
        skip_white(minifier);
        char first = *minifier->at;
        if (first == '{' || first == '[') {
            if (depth == SCHEMA_DEPTH_MAX)
                return fail(minifier, "nested too deeply");
            open[depth++] = first == '{' ? '}' : ']';
            copy(minifier, 1);
            skip_white(minifier);
            if (*minifier->at != open[depth - 1]) {
                if (first == '{' && !copy_key(minifier))
                    return false;
                continue;
            }
        } else if (!copy_scalar(minifier)) {
            return false;
        }
        for (;;) { /* a value has ended, or an empty container ends here */
            if (depth == 0)
                return true;
            skip_white(minifier);
            if (*minifier->at == open[depth - 1]) {
                copy(minifier, 1);
                depth--;
                continue;
            }
            if (*minifier->at != ',')
                return fail(
                    minifier, open[depth - 1] == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
            copy(minifier, 1);
            if (open[depth - 1] == '}' && !copy_key(minifier))
                return false;
            break;
        }
    }
}

static bool minify(struct minifier *minifier)
{
    skip_white(minifier);
    /* 0.3 took `true` (anything goes) as well, so exports may hold it. */
    if (*minifier->at != '{' && strncmp(minifier->at, "true", 4) != 0)
        return fail(minifier, "an object is expected");
    if (!copy_value(minifier))
        return false;
    skip_white(minifier);
    if (*minifier->at != '\0')
        return fail(minifier, "the schema has ended before");
    *minifier->to = '\0';
    return true;
}

int schema_normalize(const char *text, char **ret_schema, struct error *ret_error)
{
    int r = text_check(text, TEXT_BYTES_MAX, "the schema", ret_error);
    if (r < 0)
        return r;
    if (!text || text[0] == '\0')
        text = "{}";
    char *schema = malloc(strlen(text) + 1);
    if (!schema)
        return error_set(ret_error, ENOMEM, "out of memory for a schema");
    struct minifier minifier = {.start = text, .at = text, .to = schema};
    if (!minify(&minifier)) {
        free(schema);
        return error_set(ret_error, EINVAL, "byte %zu of the schema: %s",
            (size_t)(minifier.at - minifier.start), minifier.wrong);
    }
    *ret_schema = schema;
    return 0;
}

bool schema_text_accepts_all(const char *schema)
{
    return strcmp(schema, "{}") == 0 || strcmp(schema, "true") == 0;
}

int schema_digest(const char *schema, uint8_t ret_digest[SCHEMA_DIGEST_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(schema, strlen(schema), digest, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    memcpy(ret_digest, digest, SCHEMA_DIGEST_BYTES);
    return 0;
}
