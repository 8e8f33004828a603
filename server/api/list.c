#include "list.h"

int list_begin(struct list *list, struct request *request)
{
    struct error error = {0};
    int r = catalog_snapshot_open(request->server->database->catalog, &list->snapshot, &error);
    if (r < 0) {
        answer_failure(request, 404, r, &error);
        return r;
    }
    list->request = request;
    list->started = false;
    request->exchange->no_store = true;
    list->sink = http_answer_open(request->exchange, 200, HTTP_JSON);
    (void)sink_write(list->sink, "[", 1);
    return 0;
}

int list_next(struct list *list)
{
    int r = list->started ? sink_write(list->sink, ",", 1) : 0;
    list->started = true;
    return r;
}

void list_end(struct list *list, int r, const struct error *error)
{
    (void)sink_write(list->sink, "]", 1);
    if (http_answer_close(list->request->exchange, r == 0))
        answer_failure(list->request, 404, r, error);
    catalog_snapshot_close(list->snapshot);
}
