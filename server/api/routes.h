/* The table of all routes. */
#ifndef CONNECTORDB_ROUTES_H
#define CONNECTORDB_ROUTES_H

#include "request.h"

/* Answers one request: path, CORS, method, login, then its handler; and what any of them refuses. */
void routes_dispatch(struct server *server, struct http_exchange *exchange);

enum { ROUTE_NAME_BYTES = 64 };

/* Routes have numbers for metrics: 0 = other, for requests without one, up to routes_count() - 1. The
 * dispatcher sets exchange->route. Pure. */
unsigned routes_count(void);
/* Writes the pattern of the route, such as "/api/v1/crud/:user"; returns its method, or "any". */
const char *routes_describe(unsigned number, char to[ROUTE_NAME_BYTES]);

/* Looks up a path's segments in the table: the methods it takes (0: there is no such path). Pure. */
unsigned routes_methods(const struct url_path *path);

#endif
