#include "transform.h"

#include <string.h>

static const struct transform_list *const LISTS[] = {&SIMPLE_TRANSFORMS, &STATEFUL_TRANSFORMS,
    &TEXT_TRANSFORMS, &OBJECT_TRANSFORMS, &GROUP_TRANSFORMS, &TIME_TRANSFORMS};

const struct transform *transform_at(size_t i)
{
    for (size_t list = 0; list < sizeof(LISTS) / sizeof(LISTS[0]); list++) {
        if (i < LISTS[list]->count)
            return &LISTS[list]->transforms[i];
        i -= LISTS[list]->count;
    }
    return NULL;
}

const struct transform *transform_find(const char *name, size_t size)
{
    const struct transform *transform;
    for (size_t i = 0; (transform = transform_at(i)); i++)
        if (strlen(transform->name) == size && memcmp(transform->name, name, size) == 0)
            return transform;
    return NULL;
}

bool transform_is_identity(const struct transform *transform)
{
    return strcmp(transform->name, "d") == 0 || strcmp(transform->name, "$") == 0;
}
