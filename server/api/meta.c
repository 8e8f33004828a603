#include "request.h"

#include "permission.h"

#include <string.h>

void meta_version(struct request *request)
{
    http_answer(request->exchange, 200, HTTP_TEXT, CONNECTORDB_VERSION, strlen(CONNECTORDB_VERSION));
}

static void answer_this(struct request *request)
{
    char name[PATH_BYTES_MAX + 1] = "nobody";
    if (request->authenticated) {
        strcpy(name, request->identity.user);
        strcat(name, "/");
        strcat(name, request->identity.device);
    }
    http_answer(request->exchange, 200, HTTP_TEXT, name, strlen(name));
}

static void answer_count(struct request *request, const char *what)
{
    struct error error = {0};
    uint64_t users, devices, streams;
    if (!permission_count(request_acting(request))) {
        answer_error(request, 403, "You may not count %s", what);
        return;
    }
    int r = catalog_counts(request->server->database->catalog, &users, &devices, &streams, &error);
    if (r < 0)
        answer_failure(request, 403, r, &error);
    else
        answer_number(request, HTTP_TEXT, *what == 'u' ? users : *what == 'd' ? devices : streams);
}

void site_get(struct request *request)
{
    const char *q = query_value(&request->query, "q");
    if (strcmp(q, "this") == 0)
        answer_this(request);
    else if (strcmp(q, "countusers") == 0 || strcmp(q, "countdevices") == 0 || strcmp(q, "countstreams") == 0)
        answer_count(request, q + strlen("count"));
    else
        answer_error(
            request, 404, "There is nothing here without q=this, countusers, countdevices or countstreams");
}
