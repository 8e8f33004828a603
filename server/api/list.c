#include "list.h"

#include "json_object.h"

#include <stdio.h>

struct list {
    struct request *request;
    struct catalog *catalog;
    struct sink *sink;
    bool started; /* an element has been written */
    struct error error;
};

static struct list list_begin(struct request *request)
{
    request->exchange->no_store = true;
    struct list list = {.request = request, .catalog = request->server->database->catalog};
    list.sink = http_answer_open(request->exchange, 200, HTTP_JSON);
    (void)sink_write(list.sink, "[", 1);
    return list;
}

/* Before each element. */
static void list_next(struct list *list)
{
    if (list->started)
        (void)sink_write(list->sink, ",", 1);
    list->started = true;
}

/* r: of the last page. */
static bool list_end(struct list *list, int r, struct problem *problem)
{
    (void)sink_write(list->sink, "]", 1);
    if (!http_answer_close(list->request->exchange, r == 0))
        return true;
    return problem_failed(problem, "reading a list", r, &list->error);
}

/* Remembers the name that the next page begins after; the page's rows are about to be freed. */
static void remember(char after[NAME_BYTES_MAX + 1], const char *name)
{
    (void)snprintf(after, NAME_BYTES_MAX + 1, "%s", name);
}

/* ---- users ---- */

static void put_user(struct list *list, const struct user *user)
{
    const struct access_rights *read = &access_to_user(list->request, user)->read;
    if (!(read->objects & ACCESS_USER))
        return;
    list_next(list);
    json_print_object(list->sink, &USER_KIND, user, read->user_fields);
}

bool list_users(struct request *request, struct problem *problem)
{
    struct list list = list_begin(request);
    char after[NAME_BYTES_MAX + 1] = "";
    struct user rows[CATALOG_PAGE_ROWS];
    int count;
    do {
        count = catalog_users_page(list.catalog, after, rows, &list.error);
        for (int i = 0; i < count; i++) {
            put_user(&list, &rows[i]);
            remember(after, rows[i].name);
            user_free(&rows[i]);
        }
    } while (count > 0 && !list.sink->failed);
    return list_end(&list, count < 0 ? count : 0, problem);
}

/* ---- devices ---- */

static void put_device(struct list *list, const struct device *device)
{
    const struct access_rights *read = &access_to_device(list->request, device)->read;
    if (!(read->objects & ACCESS_DEVICE))
        return;
    list_next(list);
    json_print_object(list->sink, &DEVICE_KIND, device, read->device_fields);
}

/* Calls visit for each device; it returns 0 or -errno. */
static int each_device(struct list *list, int64_t user_id,
    int (*visit)(struct list *list, const struct device *device, const struct list_filter *filter),
    const struct list_filter *filter)
{
    char after[NAME_BYTES_MAX + 1] = "";
    struct device rows[CATALOG_PAGE_ROWS];
    int count, r = 0;
    do {
        count = catalog_devices_page(list->catalog, user_id, after, rows, &list->error);
        for (int i = 0; i < count; i++) {
            if (r == 0 && !list->sink->failed)
                r = visit(list, &rows[i], filter);
            remember(after, rows[i].name);
            device_free(&rows[i]);
        }
    } while (count > 0 && r == 0 && !list->sink->failed);
    return count < 0 ? count : r;
}

static int visit_device(struct list *list, const struct device *device, const struct list_filter *filter)
{
    (void)filter;
    put_device(list, device);
    return 0;
}

bool list_devices(struct request *request, int64_t user_id, struct problem *problem)
{
    struct list list = list_begin(request);
    return list_end(&list, each_device(&list, user_id, visit_device, NULL), problem);
}

/* ---- streams ---- */

/* device_name: NULL leaves it out. readable: fields. */
static int put_streams(struct list *list, int64_t device_id, const char *device_name, uint32_t readable,
    const struct list_filter *filter)
{
    char after[NAME_BYTES_MAX + 1] = "";
    struct stream rows[CATALOG_PAGE_ROWS];
    int count;
    do {
        count = catalog_streams_page(list->catalog, device_id, after, rows, &list->error);
        for (int i = 0; i < count; i++) {
            if (list_filter_stream(filter, &rows[i])) {
                list_next(list);
                json_print_stream_in_list(list->sink, &rows[i], device_name, readable);
            }
            remember(after, rows[i].name);
            stream_free(&rows[i]);
        }
    } while (count > 0 && !list->sink->failed);
    return count < 0 ? count : 0;
}

static int visit_device_for_streams(
    struct list *list, const struct device *device, const struct list_filter *filter)
{
    const struct access *access = access_to_device(list->request, device);
    if (!list_filter_device(filter, device) || !(access->actions & ACCESS_LIST_STREAMS) ||
        !(access->read.objects & ACCESS_STREAM))
        return 0;
    return put_streams(list, device->id, device->name, access->read.stream_fields, filter);
}

bool list_streams(
    struct request *request, int64_t device_id, const struct access_rights *read, struct problem *problem)
{
    static const struct list_filter ALL = {0};
    struct list list = list_begin(request);
    int r =
        read->objects & ACCESS_STREAM ? put_streams(&list, device_id, NULL, read->stream_fields, &ALL) : 0;
    return list_end(&list, r, problem);
}

bool list_streams_of_user(
    struct request *request, int64_t user_id, const struct list_filter *filter, struct problem *problem)
{
    struct list list = list_begin(request);
    return list_end(&list, each_device(&list, user_id, visit_device_for_streams, filter), problem);
}
