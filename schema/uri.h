/* References of JSON Schema: URIs (RFC 3986). */
#ifndef CONNECTORDB_SCHEMA_URI_H
#define CONNECTORDB_SCHEMA_URI_H

#include <stdbool.h>
#include <stddef.h>

enum { URI_BYTES_MAX = 1024 };

/* Resolves `reference` against `base` ("" = none) as RFC 3986, section 5.2 says, into to[URI_BYTES_MAX].
 * False: too long. */
bool uri_resolve(const char *base, const char *reference, char *to);
/* Replaces %XX in place. False: a broken escape. */
bool uri_unescape(char *text);

#endif
