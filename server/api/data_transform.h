/* Scripts (PipeScript, docs/API.md) of requests. */
#ifndef CONNECTORDB_DATA_TRANSFORM_H
#define CONNECTORDB_DATA_TRANSFORM_H

#include "request.h"
#include "script.h"

/* Compiles a script with the limits of the configuration. False: the script is wrong (403) or too long (413),
 * *problem is set. Free it with script_free. */
bool data_transform_compile(const struct request *request, const char *text, size_t size,
    struct script **ret_script, struct problem *problem);
/* Those limits. */
struct script_limits data_transform_limits(const struct request *request);

#endif
