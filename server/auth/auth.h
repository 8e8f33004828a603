/* Authentication: HTTP basic with password or API key, ?apikey=, or the cookie of a session. */
#ifndef CONNECTORDB_AUTH_H
#define CONNECTORDB_AUTH_H

#include "catalog.h"
#include "configuration.h"
#include "http.h"
#include "limiter.h"
#include "origin.h"
#include "problem.h"
#include "sessions.h"

#include <stdatomic.h>
#include <stdbool.h>

enum {
    CREDENTIALS_BYTES_MAX =
        HTTP_REQUEST_BYTES_MAX / 4 * 3, /* decoded user:password: what fits into the headers */
    LOGIN_DELAYS_SHARE =
        4, /* at most a quarter of the connections wait after failed logins; more answer at once */
};

/* State shared by all logins of a server; the parts belong to the server. Any thread. */
struct auth {
    struct catalog *catalog;
    _Atomic(const struct configuration *) configuration; /* of this moment */
    struct limiter *limiter;                             /* of guesses of logins */
    struct sessions *sessions;
    _Atomic uint64_t failed_logins;
    atomic_uint failing_logins;  /* logins that are being delayed now */
    char site[ORIGIN_BYTES_MAX]; /* scheme://host[:port] of the site itself */
};

/* The identity of a request. */
struct login {
    bool authenticated;       /* false: nobody's */
    struct identity identity; /* who acts, when authenticated */
};

/* The limits of auth->limiter for a configuration. */
struct limiter_options auth_limits(const struct configuration *configuration);

/* Finds out whose request `exchange` is; without any login it is nobody's.
 * key    the API key of the query, "" = none
 * False, with *problem set: the login failed or was refused unjudged, or it is a write from a page of another
 * site. */
bool authenticate(struct auth *auth, struct http_exchange *exchange, const char *key, struct login *ret_login,
    struct problem *problem);

/* Begins a session for who is logged in: adds the cookie to the answer.
 * remember  the browser keeps the cookie when it is closed, for the configured time; otherwise the session
 * ends with the browser, and after a week at the latest False, with *problem set: no memory, or the account
 * has gone. */
bool auth_begin_session(struct auth *auth, struct http_exchange *exchange, const struct login *login,
    bool remember, struct problem *problem);
/* Ends the session of the request's cookie, if there is one that is valid, and removes the cookie from the
 * browser. False, with *problem set: it could not be written down, and the session lives on. */
bool auth_end_session(struct auth *auth, struct http_exchange *exchange, struct problem *problem);

/* A value that the client proposes and that tells, when it is refused, what somebody else's secret is: an API
 * key for a new device. Begins a guess from the client's address; false, with *problem set: it has none
 * left. To be followed by auth_guess_judged. */
bool auth_guess_begin(struct auth *auth, const struct http_exchange *exchange, struct guess *ret_guess,
    struct problem *problem);
void auth_guess_judged(struct auth *auth, const struct guess *guess, enum verdict verdict);

#endif
