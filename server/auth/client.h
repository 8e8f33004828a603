/* The client's address, for limits and for the log. */
#ifndef CONNECTORDB_CLIENT_H
#define CONNECTORDB_CLIENT_H

#include "catalog.h"
#include "configuration.h"
#include "http.h"

#include <stdbool.h>

enum { CLIENT_ADDRESS_BYTES = 64, CLIENT_NAME_BYTES = 2 * NAME_BYTES_MAX + 2 };

/* The client's address in numbers. Of a connection from one of the configured trusted_proxies, the last entry
 * of X-Forwarded-For, which that proxy wrote; what comes before it is the client's word and does not count.
 */
const char *client_address(const struct http_exchange *exchange, const struct configuration *configuration,
    char to[CLIENT_ADDRESS_BYTES]);
/* Whether the client speaks TLS: with this server, or with a trusted proxy that says so in X-Forwarded-Proto.
 */
bool client_is_secure(const struct http_exchange *exchange, const struct configuration *configuration);

/* "user/device" of who acts, or "nobody" (NULL). */
const char *client_name(const struct identity *acting, char to[CLIENT_NAME_BYTES]);

#endif
