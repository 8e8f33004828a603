/* The table of all routes. */
#ifndef CONNECTORDB_ROUTES_H
#define CONNECTORDB_ROUTES_H

#include "request.h"

/* Answers one request: path, CORS, method, login, then its handler; and what any of them refuses. */
void routes_dispatch(struct server *server, struct http_exchange *exchange);

/* Looks up a path's segments in the table: the methods it takes (0: there is no such path). Pure. */
unsigned routes_methods(const struct url_path *path);

#endif
