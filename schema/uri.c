#include "uri.h"

#include <stdio.h>
#include <string.h>

/* A URI's parts (RFC 3986, appendix B); a part that is absent has the length 0, its text includes the
 * delimiter. */
struct uri {
    const char *scheme, *authority, *path, *query, *fragment;
    size_t scheme_size, authority_size, path_size, query_size, fragment_size;
};

static struct uri split(const char *text)
{
    struct uri uri = {0};
    size_t scheme = strcspn(text, ":/?#");
    uri.scheme = text;
    if (text[scheme] == ':' && scheme > 0)
        uri.scheme_size = scheme + 1;
    text += uri.scheme_size;
    uri.authority = text;
    if (strncmp(text, "//", 2) == 0)
        uri.authority_size = 2 + strcspn(text + 2, "/?#");
    uri.path = text + uri.authority_size;
    uri.path_size = strcspn(uri.path, "?#");
    uri.query = uri.path + uri.path_size;
    uri.query_size = strcspn(uri.query, "#");
    uri.fragment = uri.query + uri.query_size;
    uri.fragment_size = strlen(uri.fragment);
    return uri;
}

/* Section 5.2.4, in place. */
static void remove_dot_segments(char *path)
{
    char *from = path, *to = path;
    while (*from) {
        size_t size = 1 + strcspn(from + 1, "/");
        bool last = from[size] == '\0';
        if (size == 2 && from[0] == '/' && from[1] == '.') {
            from += size;
            if (last)
                *to++ = '/';
        } else if (size == 3 && strncmp(from, "/..", 3) == 0) {
            while (to > path && *--to != '/')
                continue;
            from += size;
            if (last)
                *to++ = '/';
        } else {
            memmove(to, from, size);
            to += size;
            from += size;
        }
    }
    *to = '\0';
}

/* The reference's path, which is relative, merged with the base's (section 5.2.3). */
static bool merge(const struct uri *base, const struct uri *reference, char *path)
{
    size_t kept = base->path_size;
    while (kept > 0 && base->path[kept - 1] != '/')
        kept--;
    bool slash = kept == 0 && base->authority_size > 0;
    int size = snprintf(path, URI_BYTES_MAX, "%s%.*s%.*s", slash ? "/" : "", (int)kept, base->path,
        (int)reference->path_size, reference->path);
    return size >= 0 && size < URI_BYTES_MAX;
}

bool uri_resolve(const char *base_text, const char *reference_text, char *to)
{
    struct uri base = split(base_text), reference = split(reference_text), result = reference;
    char path[URI_BYTES_MAX];
    if (strlen(base_text) >= URI_BYTES_MAX || strlen(reference_text) >= URI_BYTES_MAX)
        return false;
    (void)snprintf(path, sizeof(path), "%.*s", (int)reference.path_size, reference.path);
    if (reference.scheme_size == 0) {
        result.scheme = base.scheme;
        result.scheme_size = base.scheme_size;
        if (reference.authority_size == 0) {
            result.authority = base.authority;
            result.authority_size = base.authority_size;
            if (reference.path_size == 0) {
                (void)snprintf(path, sizeof(path), "%.*s", (int)base.path_size, base.path);
                if (reference.query_size == 0) {
                    result.query = base.query;
                    result.query_size = base.query_size;
                }
            } else if (reference.path[0] != '/' && !merge(&base, &reference, path)) {
                return false;
            }
        }
    }
    if (path[0] == '/')
        remove_dot_segments(path);
    int size = snprintf(to, URI_BYTES_MAX, "%.*s%.*s%s%.*s%.*s", (int)result.scheme_size, result.scheme,
        (int)result.authority_size, result.authority, path, (int)result.query_size, result.query,
        (int)result.fragment_size, result.fragment);
    return size >= 0 && size < URI_BYTES_MAX;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uri_unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        if (*text != '%') {
            *to++ = *text;
            continue;
        }
        int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0)
            return false;
        *to++ = (char)(high * 16 + low);
        text += 2;
    }
    *to = '\0';
    return true;
}
