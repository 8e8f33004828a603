#include "request.h"

#include "descriptions.h"
#include "metrics.h"

#include <string.h>

bool meta_version(struct request *request, struct problem *problem)
{
    (void)problem;
    http_answer(request->exchange, 200, HTTP_TEXT, CONNECTORDB_VERSION, strlen(CONNECTORDB_VERSION));
    return true;
}

static bool answer_descriptions(struct request *request, void (*print)(struct sink *sink))
{
    struct sink *sink = http_answer_open(request->exchange, 200, HTTP_JSON);
    print(sink);
    (void)http_answer_close(request->exchange, true);
    return true;
}

bool meta_transforms(struct request *request, struct problem *problem)
{
    (void)problem;
    return answer_descriptions(request, descriptions_print_transforms);
}

bool meta_interpolators(struct request *request, struct problem *problem)
{
    (void)problem;
    return answer_descriptions(request, descriptions_print_interpolators);
}

static bool answer_this(struct request *request)
{
    char name[PATH_BYTES_MAX + 1] = "nobody";
    if (request->login.authenticated) {
        strcpy(name, request->login.identity.user);
        strcat(name, "/");
        strcat(name, request->login.identity.device);
    }
    http_answer(request->exchange, 200, HTTP_TEXT, name, strlen(name));
    return true;
}

static bool answer_count(struct request *request, const char *what, struct problem *problem)
{
    struct error error = {0};
    uint64_t users, devices, streams;
    struct access_counts may = access_counts(request->permissions, request_acting(request));
    if (!(*what == 'u' ? may.users : *what == 'd' ? may.devices : may.streams))
        return problem_set(problem, 403, "You may not count %s", what);
    int r = catalog_counts(request->server->database->catalog, &users, &devices, &streams, &error);
    if (r < 0)
        return request_failed(request, r, &error, problem);
    return answer_number(request, HTTP_TEXT, *what == 'u' ? users : *what == 'd' ? devices : streams);
}

/* /metrics for people: it takes the log-in of somebody who may count everything. */
static bool answer_metrics(struct request *request, struct problem *problem)
{
    struct access_counts may = access_counts(request->permissions, request_acting(request));
    if (!may.users || !may.devices || !may.streams)
        return problem_set(problem, 403, "You may not read the metrics of the server");
    return metrics_answer(request, problem);
}

bool site_get(struct request *request, struct problem *problem)
{
    const char *q = query_value(&request->query, "q");
    if (strcmp(q, "this") == 0)
        return answer_this(request);
    if (strcmp(q, "countusers") == 0 || strcmp(q, "countdevices") == 0 || strcmp(q, "countstreams") == 0)
        return answer_count(request, q + strlen("count"), problem);
    if (strcmp(q, "metrics") == 0)
        return answer_metrics(request, problem);
    return problem_set(problem, 404,
        "There is nothing here without q=this, countusers, countdevices, countstreams or metrics");
}
