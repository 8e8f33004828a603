/* From which site's page a request comes, as its browser says. */
#ifndef CONNECTORDB_ORIGIN_H
#define CONNECTORDB_ORIGIN_H

#include "configuration.h"
#include "http.h"
#include "problem.h"

#include <stdbool.h>

enum { ORIGIN_BYTES_MAX = 256 };

/* `origin` is the site itself, with or without its port. site: scheme://host[:port] */
bool origin_is_site(const char *site, const char *origin);

/* For a request with a login that a browser may add on its own to whatever a page sends, such as a remembered
 * HTTP basic login. False, with 403 in *problem: it writes, a page of another site sent it, and
 * `allowcrossorigin` is not set.
 *
 * A browser says from where in Sec-Fetch-Site, Origin and Referer. Programs that are no browsers send none of
 * them and are not concerned; nor are browser extensions, which the user has installed. */
bool origin_check(const struct http_exchange *exchange, const struct configuration *configuration,
    const char *site, struct problem *problem);
/* The same for a request that changes something whatever its method is. */
bool origin_check_any(const struct http_exchange *exchange, const struct configuration *configuration,
    const char *site, struct problem *problem);
/* A page of the site itself sent the request by a script, as its browser says. */
bool origin_is_own_script(const struct http_exchange *exchange);

#endif
