/* Finds the objects that the path of a request names. */
#ifndef CONNECTORDB_FIND_H
#define CONNECTORDB_FIND_H

#include "problem.h"
#include "request.h"

/* Each loads the object (free it) or sets the problem: status_missing when there is none. Whether the request
 * may see it is up to the caller. */
bool find_user(
    const struct request *request, int status_missing, struct user *ret_user, struct problem *problem);
bool find_device(
    const struct request *request, int status_missing, struct device *ret_device, struct problem *problem);
bool find_stream(
    const struct request *request, int status_missing, struct stream *ret_stream, struct problem *problem);

/* Sets the problem of a write that the catalog refused: a taken name (409), a value or a limit (403), an
 * object that has gone meanwhile (403). */
bool write_refused(
    const struct request *request, int code, const struct error *error, struct problem *problem);

#endif
