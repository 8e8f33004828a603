/* Who is asking: HTTP basic with password or API key, or ?apikey=. */
#ifndef CONNECTORDB_AUTH_H
#define CONNECTORDB_AUTH_H

#include "request.h"

enum {
    CREDENTIALS_BYTES_MAX = HTTP_REQUEST_BYTES_MAX / 4 * 3, /* decoded user:password: what fits into the headers */
    LOGIN_DELAYS_SHARE =
        4, /* at most a quarter of the connections wait after failed logins; more answer 429 */
};

/* Finds the identity of the request; without any login it is nobody (authenticated = false). -EACCES: a login
 * failed, and the answer has been given after the configured delay. */
int authenticate(struct request *request);

#endif
