#include "data_transform.h"

#include <errno.h>

struct script_limits data_transform_limits(const struct request *request)
{
    const struct configuration *configuration = request->server->configuration;
    return (struct script_limits){
        .split_max = configuration->script_split_max,
        .string_max = configuration->script_string_max,
        .peek_max = configuration->script_peek_max,
        .bytes_max = configuration->script_bytes_max,
    };
}

bool data_transform_compile(const struct request *request, const char *text, size_t size,
    struct script **ret_script, struct problem *problem)
{
    const struct script_limits limits = data_transform_limits(request);
    struct error error = {0};
    int r = script_compile(text, size, &limits, ret_script, &error);
    if (r == -EINVAL || r == -E2BIG)
        return problem_set(problem, r == -EINVAL ? 403 : 413, "%s", error.message);
    return r == 0 || request_failed(request, r, &error, problem);
}
