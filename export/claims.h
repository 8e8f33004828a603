/* Values that must be unique in a database (emails, API keys) and where a folder claims them: finds two
 * claims of one value before anything is imported. Used by one thread. */
#ifndef CONNECTORDB_CLAIMS_H
#define CONNECTORDB_CLAIMS_H

#include "error.h"

#include <stddef.h>

struct claim {
    char *value;
    char *path; /* the file that says so */
};

/* Zero-initialise it. */
struct claims {
    struct claim *claims;
    size_t count, capacity;
};

/* An empty value claims nothing. 0 or -ENOMEM. */
int claims_add(struct claims *claims, const char *value, const char *path, struct error *ret_error);
/* -EEXIST if two files claim one value: names both, but not the value, which may be a key. what: "email".
 */
int claims_check(struct claims *claims, const char *what, struct error *ret_error);
void claims_free(struct claims *claims);

#endif
