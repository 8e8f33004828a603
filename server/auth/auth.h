/* Who is asking: HTTP basic with password or API key, or ?apikey=. */
#ifndef CONNECTORDB_AUTH_H
#define CONNECTORDB_AUTH_H

#include "limiter.h"
#include "request.h"

enum {
    CREDENTIALS_BYTES_MAX =
        HTTP_REQUEST_BYTES_MAX / 4 * 3, /* decoded user:password: what fits into the headers */
    LOGIN_DELAYS_SHARE =
        4, /* at most a quarter of the connections wait after failed logins; more answer at once */
};

/* The limits of server->limiter for a configuration. */
struct limiter_options auth_limits(const struct configuration *configuration);

/* Finds the identity of the request; without any login it is nobody (authenticated = false). False, with
 * *problem set: the login failed or was refused unjudged, or it is a write from a page of another site. */
bool authenticate(struct request *request, struct problem *problem);

/* A value that the client proposes and that tells, when it is refused, what somebody else's secret is: an API
 * key for a new device. Begins a guess from the client's address; false, with *problem set: it has none
 * left. To be followed by auth_guess_judged. */
bool auth_guess_begin(struct request *request, struct guess *ret_guess, struct problem *problem);
void auth_guess_judged(struct request *request, const struct guess *guess, enum verdict verdict);

#endif
