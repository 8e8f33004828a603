#include "stream_list.h"

#include "job.h"
#include "output.h"
#include "quantity.h"
#include "report.h"
#include "report_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int end(int r, const struct error *error)
{
    return r < 0 ? command_failed("%s", error->message) : EXIT_GOOD;
}

static const char *path_of(const json_t *stream)
{
    const char *path = json_string_value(json_object_get(stream, "path"));
    return path ? path : "";
}

static uint64_t number_of(const json_t *stream, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(stream, name));
    return value > 0 ? (uint64_t)value : 0;
}

static int print_json(const json_t *object, struct error *ret_error)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (!text)
        return error_set(ret_error, ENOMEM, "out of memory");
    int printed = puts(text);
    free(text);
    return printed < 0 ? error_set(ret_error, EIO, "cannot write to standard output") : 0;
}

/* ---- ls ---- */

static int show_json(void *context, json_t *stream, struct error *ret_error)
{
    (void)context;
    return print_json(stream, ret_error);
}

static const char *time_of(const json_t *stream, const char *name, char to[QUANTITY_BYTES])
{
    const json_t *time = json_object_get(stream, name);
    return time ? quantity_time(json_number_value(time), to) : "-";
}

static int show(void *context, json_t *stream, struct error *ret_error)
{
    char length[QUANTITY_BYTES], first[QUANTITY_BYTES], last[QUANTITY_BYTES], bytes[QUANTITY_BYTES];
    (void)context;
    (void)ret_error;
    print_line("%15s  %-20s  %-20s  %10s  %s", quantity_count(number_of(stream, "length"), length),
        time_of(stream, "first", first), time_of(stream, "last", last),
        quantity_bytes(number_of(stream, "bytes"), bytes), path_of(stream));
    return 0;
}

int stream_list(const char *database, const char *path, bool json)
{
    struct error error = {0};
    int r = job_open_log(&error);
    if (r == 0 && !json)
        print_line("%15s  %-20s  %-20s  %10s  %s", "POINTS", "FIRST", "LAST", "DISK", "PATH");
    if (r == 0)
        r = report_ask(database, REPORT_STREAMS, path, json ? show_json : show, NULL, NULL, &error);
    return end(r, &error);
}

/* ---- usage ---- */

struct used {
    char *path;
    uint64_t points, bytes;
};

struct usage {
    enum stream_list_by by;
    struct used *list;
    size_t count, capacity;
    struct used sum;
};

/* How much of a stream's path names what is summed up. */
static size_t group_length(const char *path, enum stream_list_by by)
{
    const char *slash = strchr(path, '/');
    if (by == STREAM_LIST_BY_STREAM || !slash)
        return strlen(path);
    if (by == STREAM_LIST_BY_USER)
        return (size_t)(slash - path);
    const char *second = strchr(slash + 1, '/');
    return second ? (size_t)(second - path) : strlen(path);
}

/* The streams come in order of path: those of a group follow each other. */
static struct used *find_group(struct usage *usage, const char *path, size_t length)
{
    struct used *last = usage->count > 0 ? &usage->list[usage->count - 1] : NULL;
    if (last && strlen(last->path) == length && strncmp(last->path, path, length) == 0)
        return last;
    if (usage->count == usage->capacity) {
        size_t capacity = usage->capacity > 0 ? usage->capacity * 2 : 64;
        struct used *longer = realloc(usage->list, capacity * sizeof(*longer));
        if (!longer)
            return NULL;
        usage->list = longer;
        usage->capacity = capacity;
    }
    last = &usage->list[usage->count];
    *last = (struct used){.path = strndup(path, length)};
    usage->count += last->path != NULL;
    return last->path ? last : NULL;
}

static int add(void *context, json_t *stream, struct error *ret_error)
{
    struct usage *usage = context;
    const char *path = path_of(stream);
    struct used *used = find_group(usage, path, group_length(path, usage->by));
    if (!used)
        return error_set(ret_error, ENOMEM, "out of memory for the list of streams");
    used->points += number_of(stream, "length");
    used->bytes += number_of(stream, "bytes");
    usage->sum.points += number_of(stream, "length");
    usage->sum.bytes += number_of(stream, "bytes");
    return 0;
}

static int compare_used(const void *a, const void *b)
{
    const struct used *one = a, *other = b;
    if (one->bytes != other->bytes)
        return one->bytes < other->bytes ? 1 : -1;
    return strcmp(one->path, other->path);
}

static int print_used(const struct used *used, bool json, struct error *ret_error)
{
    char bytes[QUANTITY_BYTES], points[QUANTITY_BYTES], each[16] = "-";
    if (json) {
        json_t *object = json_pack("{s:s,s:I,s:I}", "path", used->path, "points", (json_int_t)used->points,
            "bytes", (json_int_t)used->bytes);
        int r = object ? print_json(object, ret_error) : error_set(ret_error, ENOMEM, "out of memory");
        json_decref(object);
        return r;
    }
    if (used->points > 0)
        (void)snprintf(each, sizeof(each), "%.1f", (double)used->bytes / (double)used->points);
    print_line("%10s  %15s  %8s  %s", quantity_bytes(used->bytes, bytes),
        quantity_count(used->points, points), each, used->path);
    return 0;
}

static int print_usage(struct usage *usage, bool json, struct error *ret_error)
{
    int r = 0;
    if (usage->count > 0)
        qsort(usage->list, usage->count, sizeof(*usage->list), compare_used);
    if (!json)
        print_line("%10s  %15s  %8s  %s", "DISK", "POINTS", "B/POINT", "PATH");
    for (size_t i = 0; r == 0 && i < usage->count; i++)
        r = print_used(&usage->list[i], json, ret_error);
    usage->sum.path = "total";
    if (r == 0 && !json)
        r = print_used(&usage->sum, false, ret_error);
    return r;
}

int stream_usage(const char *database, const char *path, enum stream_list_by by, bool json)
{
    struct usage usage = {.by = by};
    struct error error = {0};
    int r = job_open_log(&error);
    if (r == 0)
        r = report_ask(database, REPORT_STREAMS, path, add, &usage, NULL, &error);
    if (r == 0)
        r = print_usage(&usage, json, &error);
    for (size_t i = 0; i < usage.count; i++)
        free(usage.list[i].path);
    free(usage.list);
    return end(r, &error);
}
