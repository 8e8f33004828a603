/* Checks the invariants of a catalog. Private. */
#ifndef CONNECTORDB_CATALOG_CHECK_H
#define CONNECTORDB_CATALOG_CHECK_H

#include "error.h"
#include "sql.h"

/* It is a catalog, and of a version we know. -EBADMSG, -ENOTSUP. */
int check_version(struct connection *connection, struct error *ret_error);
/* SQLite's quick check and our invariants. Findings to `found`; returns their number or -errno. */
int check_contents(struct connection *connection, void (*found)(void *context, const char *message),
    void *context, struct error *ret_error);
/* SQLite's integrity check and all of our invariants, in the same way. */
int check_thoroughly(struct connection *connection, void (*found)(void *context, const char *message),
    void *context, struct error *ret_error);

#endif
