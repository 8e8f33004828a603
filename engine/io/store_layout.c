#include "store_layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL_PREFIX "journal-"
#define SEGMENT_PREFIX "segment-"
#define IMPORT_PREFIX "import-"

typedef unsigned long long ull; /* what printf takes */

const char *store_journal_name(char to[STORE_NAME_BYTES], uint64_t id)
{
    (void)snprintf(to, STORE_NAME_BYTES, JOURNAL_PREFIX "%llu", (ull)id);
    return to;
}

const char *store_segment_name(char to[STORE_NAME_BYTES], uint64_t id)
{
    (void)snprintf(to, STORE_NAME_BYTES, SEGMENT_PREFIX "%llu", (ull)id);
    return to;
}

static bool parse_id(const char *name, const char *prefix, uint64_t *ret_id)
{
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0)
        return false;
    const char *digits = name + length;
    if (*digits < '0' || *digits > '9' || (*digits == '0' && digits[1] != '\0'))
        return false;
    char *end;
    errno = 0;
    uint64_t id = strtoull(digits, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret_id = id;
    return true;
}

bool store_name_is_journal(const char *name, uint64_t *ret_id)
{
    return parse_id(name, JOURNAL_PREFIX, ret_id);
}

bool store_name_is_segment(const char *name, uint64_t *ret_id)
{
    return parse_id(name, SEGMENT_PREFIX, ret_id);
}

bool store_name_is_import(const char *name)
{
    return strncmp(name, IMPORT_PREFIX, strlen(IMPORT_PREFIX)) == 0;
}

char *store_path(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

char *store_journal_path(const char *directory, uint64_t id)
{
    char name[STORE_NAME_BYTES];
    return store_path(directory, store_journal_name(name, id));
}

char *store_segment_path(const char *directory, uint64_t id)
{
    char name[STORE_NAME_BYTES];
    return store_path(directory, store_segment_name(name, id));
}

char *store_import_path(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/" IMPORT_PREFIX "%s", directory, name) < 0 ? NULL : path;
}

char *store_trash_path(const char *directory, const char *name, uint64_t version)
{
    char *path;
    return asprintf(&path, "%s/" TRASH_NAME "/%s.%llu", directory, name, (ull)version) < 0 ? NULL : path;
}

char *store_trash_tail_path(const char *directory, uint64_t journal_id, uint64_t offset, uint64_t version)
{
    char *path;
    int length = asprintf(&path, "%s/" TRASH_NAME "/" JOURNAL_PREFIX "%llu.tail-%llu.%llu", directory,
        (ull)journal_id, (ull)offset, (ull)version);
    return length < 0 ? NULL : path;
}
