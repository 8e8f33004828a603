#include "claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int claims_add(struct claims *claims, const char *value, const char *path, struct error *ret_error)
{
    enum { FIRST_CAPACITY = 16 };
    if (!*value)
        return 0;
    if (claims->count == claims->capacity) {
        size_t capacity = claims->capacity ? 2 * claims->capacity : FIRST_CAPACITY;
        struct claim *grown = reallocarray(claims->claims, capacity, sizeof(*grown));
        if (!grown)
            return error_set(ret_error, ENOMEM, "out of memory");
        claims->claims = grown;
        claims->capacity = capacity;
    }
    struct claim *claim = &claims->claims[claims->count];
    claim->value = strdup(value);
    claim->path = strdup(path);
    claims->count++; /* so that claims_free frees either */
    return claim->value && claim->path ? 0 : error_set(ret_error, ENOMEM, "out of memory");
}

static int compare(const void *a, const void *b)
{
    const struct claim *first = a, *second = b;
    int order = strcmp(first->value, second->value);
    return order ? order : strcmp(first->path, second->path);
}

int claims_check(struct claims *claims, const char *what, struct error *ret_error)
{
    if (claims->count > 0)
        qsort(claims->claims, claims->count, sizeof(*claims->claims), compare);
    for (size_t i = 1; i < claims->count; i++) {
        const struct claim *claim = &claims->claims[i];
        if (!strcmp(claim->value, claim[-1].value))
            return error_set(
                ret_error, EEXIST, "%s has the same %s as %s", claim->path, what, claim[-1].path);
    }
    return 0;
}

void claims_free(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        free(claims->claims[i].value);
        free(claims->claims[i].path);
    }
    free(claims->claims);
    *claims = (struct claims){0};
}
