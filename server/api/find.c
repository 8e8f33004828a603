#include "find.h"

#include <errno.h>

static bool found(const struct request *request, int r, int status_missing, const struct error *error,
    struct problem *problem)
{
    if (r == -ENOENT)
        return request_missing(request, status_missing, problem);
    return r == 0 || request_failed(request, r, error, problem);
}

bool find_user(
    const struct request *request, int status_missing, struct user *ret_user, struct problem *problem)
{
    struct error error = {0};
    int r = catalog_user_by_name(request->server->database->catalog, request->user, ret_user, &error);
    return found(request, r, status_missing, &error, problem);
}

bool find_device(
    const struct request *request, int status_missing, struct device *ret_device, struct problem *problem)
{
    struct error error = {0};
    int r = catalog_device_by_name(
        request->server->database->catalog, request->user, request->device, ret_device, &error);
    return found(request, r, status_missing, &error, problem);
}

bool find_stream(
    const struct request *request, int status_missing, struct stream *ret_stream, struct problem *problem)
{
    struct error error = {0};
    int r = catalog_stream_by_name(request->server->database->catalog, request->user, request->device,
        request->stream, ret_stream, &error);
    return found(request, r, status_missing, &error, problem);
}

bool write_refused(
    const struct request *request, int code, const struct error *error, struct problem *problem)
{
    switch (code) {
    case -ENOENT:
        return request_missing(request, 403, problem);
    case -EEXIST:
    case -ENOTUNIQ: /* an API key */
        return problem_set(problem, 409, "%s", error->message);
    case -EINVAL:
    case -EPERM:
    case -EOVERFLOW: /* a limit of the role */
        return problem_set(problem, 403, "%s", error->message);
    default:
        return request_failed(request, code, error, problem);
    }
}
