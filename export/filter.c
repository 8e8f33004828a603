#include "filter.h"

#include "catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 3 };

struct filter {
    char text[PATH_BYTES_MAX + 1]; /* the parts, each ended by '\0' */
    const char *parts[PARTS_MAX];
    size_t part_count;
    bool used;
};

static int filter_parse(struct filter *filter, const char *path, struct error *ret_error)
{
    size_t size = strlen(path);
    if (size > PATH_BYTES_MAX)
        goto bad;
    memcpy(filter->text, path, size + 1);
    char *rest = filter->text;
    while (rest) {
        if (filter->part_count == PARTS_MAX)
            goto bad;
        const char *part = strsep(&rest, "/");
        if (!name_valid(part))
            goto bad;
        filter->parts[filter->part_count++] = part;
    }
    return 0;
bad:
    return error_set(
        ret_error, EINVAL, "'%.100s' is not a path: give user, user/device or user/device/stream", path);
}

int filters_init(struct filters *filters, const char *const *paths, size_t count, struct error *ret_error)
{
    *filters = (struct filters){0};
    if (count == 0)
        return 0;
    filters->filters = calloc(count, sizeof(*filters->filters));
    if (!filters->filters)
        return error_set(ret_error, ENOMEM, "out of memory");
    filters->count = count;
    for (size_t i = 0; i < count; i++) {
        int r = filter_parse(&filters->filters[i], paths[i], ret_error);
        if (r < 0) {
            filters_free(filters);
            return r;
        }
    }
    return 0;
}

void filters_free(struct filters *filters)
{
    free(filters->filters);
    *filters = (struct filters){0};
}

bool filters_take(struct filters *filters, const char *user, const char *device, const char *stream)
{
    const char *const object[PARTS_MAX] = {user, device, stream};
    bool taken = filters->count == 0;
    for (size_t i = 0; i < filters->count; i++) {
        struct filter *filter = &filters->filters[i];
        size_t same = 0;
        while (same < filter->part_count && object[same] && !strcmp(filter->parts[same], object[same]))
            same++;
        if (same == filter->part_count)
            filter->used = true; /* it names this object or one above it */
        if (same == filter->part_count || !object[same])
            taken = true;
    }
    return taken;
}

void filters_skip_user(struct filters *filters, const char *user)
{
    for (size_t i = 0; i < filters->count; i++) {
        if (!strcmp(filters->filters[i].parts[0], user))
            filters->filters[i].used = true;
    }
}

int filters_check_used(const struct filters *filters, const char *where, struct error *ret_error)
{
    for (size_t i = 0; i < filters->count; i++) {
        const struct filter *filter = &filters->filters[i];
        if (filter->used)
            continue;
        char path[PATH_BYTES_MAX + 1] = "";
        for (size_t part = 0; part < filter->part_count; part++) {
            if (part > 0)
                strcat(path, "/"); /* it is no longer than the text it was parsed from */
            strcat(path, filter->parts[part]);
        }
        return error_set(ret_error, ENOENT, "nothing is called %s in %s", path, where);
    }
    return 0;
}
