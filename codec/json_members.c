/* Equal keys in one object: the last value counts, at the first one's position. */
#include "json_internal.h"

#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_COMPARED = 32 }; /* an object of more members is sorted to find equal keys */

static int compare_keys(const struct json_member *a, const struct json_member *b, const uint8_t *values)
{
    uint32_t size_a = a->value - a->key;
    uint32_t size_b = b->value - b->key;
    if (size_a != size_b)
        return size_a < size_b ? -1 : 1;
    return memcmp(values + a->key, values + b->key, size_a);
}

static bool has_equal_keys(const struct json_member *members, size_t count, const uint8_t *values)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (members[i].hash == members[j].hash && compare_keys(&members[i], &members[j], values) == 0)
                return true;
        }
    }
    return false;
}

/* By hash, then key, then position: a full order, whatever the hashes are. */
static int compare_members(const void *left, const void *right, void *context)
{
    const struct json_member *a = left;
    const struct json_member *b = right;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    int order = compare_keys(a, b, context);
    if (order != 0)
        return order;
    return a->position < b->position ? -1 : 1;
}

/* A member that stays: the key of the first, the value of the last of its equals. */
struct kept {
    uint32_t position; /* of the first */
    uint32_t source;   /* of the last */
};

static int compare_kept(const void *left, const void *right)
{
    const struct kept *a = left;
    const struct kept *b = right;
    return a->position < b->position ? -1 : 1;
}

/* Sorts a copy of the members and finds the groups of equal keys. */
static size_t find_kept(struct json_member *sorted, size_t count, uint8_t *values, struct kept *kept)
{
    qsort_r(sorted, count, sizeof(*sorted), compare_members, values);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        bool equal = i > 0 && sorted[i].hash == sorted[i - 1].hash &&
                     compare_keys(&sorted[i], &sorted[i - 1], values) == 0;
        if (!equal)
            kept[left++].position = sorted[i].position;
        kept[left - 1].source = sorted[i].position;
    }
    qsort(kept, left, sizeof(*kept), compare_kept);
    return left;
}

/* Writes the members that stay over the object's content. */
static int rewrite(struct json_parser *parser, const struct json_member *members, size_t count,
    const struct kept *kept, size_t left)
{
    uint32_t start = members[0].key;
    uint32_t end = (uint32_t)parser->value.size;
    struct buffer content = {0};
    int r = buffer_reserve(&content, end - start);
    if (r < 0)
        return r;
    for (size_t i = 0; i < left; i++) {
        const struct json_member *first = &members[kept[i].position];
        const struct json_member *last = &members[kept[i].source];
        uint32_t last_end = kept[i].source + 1 < count ? last[1].key : end;
        r = buffer_append(&content, parser->value.data + first->key, first->value - first->key);
        CHECK(r == 0);
        r = buffer_append(&content, parser->value.data + last->value, last_end - last->value);
        CHECK(r == 0); /* it all fits: what stays is a part of what was there */
    }
    memcpy(parser->value.data + start, content.data, content.size);
    parser->value.size = start + content.size;
    buffer_free(&content);
    return 0;
}

long json_unify_members(struct json_parser *parser, size_t first)
{
    size_t count = (parser->members.size - first) / sizeof(struct json_member);
    if (count == 0)
        return 0;
    const struct json_member *members = (const struct json_member *)(void *)(parser->members.data + first);
    if (count <= MEMBERS_COMPARED && !has_equal_keys(members, count, parser->value.data))
        return (long)count;
    struct json_member *sorted = malloc(count * sizeof(*sorted));
    struct kept *kept = malloc(count * sizeof(*kept));
    long r = -ENOMEM;
    if (!sorted || !kept)
        goto out;
    memcpy(sorted, members, count * sizeof(*sorted));
    size_t left = find_kept(sorted, count, parser->value.data, kept);
    r = left == count ? 0 : rewrite(parser, members, count, kept, left);
    if (r == 0)
        r = (long)left;
out:
    free(sorted);
    free(kept);
    return r;
}
