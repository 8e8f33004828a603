/* JSON Schema draft 4 (draft-zyp-json-schema-04, draft-fge-json-schema-validation-00) for datapoints.
 *
 * A schema is compiled once and then checks any number of batches, from any number of threads at once. All
 * keywords of the draft are checked, and the formats date-time, email, hostname, ipv4, ipv6 and uri.
 * References inside the schema work in every form
 * ("#/definitions/x", ids); the draft's own schema is built in; no other document is ever loaded. "pattern"
 * is matched by PCRE2.
 *
 * Differences from the draft: an integral number is an integer however it was written (5.0 is one). Strings
 * of a pattern are matched by Perl's rules, not ECMA 262's, where these differ.
 *
 * Cost: a column of numbers or of booleans is checked as a column; {"type":"number"} costs nothing per point.
 * Other values are checked in place, in the batch's msgpack. No allocation per point. */
#ifndef CONNECTORDB_SCHEMA_H
#define CONNECTORDB_SCHEMA_H

#include "batch.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SCHEMA_TEXT_BYTES_MAX = 1 << 20, /* text of one schema */
    SCHEMA_NODES_MAX = 20000,        /* subschemas in one schema */
    SCHEMA_PATTERNS_MAX = 1000,
    SCHEMA_IDS_MAX = 1000, /* each reference is compared with all */
    SCHEMA_CHAIN_MAX =
        32, /* allOf, anyOf, oneOf, not, $ref, dependencies applied to one value, one inside the other */
    SCHEMA_POINT_STEPS_MAX = 1 << 20, /* subschemas applied to one datapoint */
    SCHEMA_SPARE_BYTES = 4 << 10,
    SCHEMA_CHECK_MS_MAX = 5000, /* for one batch */
};

struct schema;

/* Compiles the text. 0; -EINVAL: it is not JSON or not a schema, and the message names the place as a JSON
 * pointer; -E2BIG: over a limit above; -ENOMEM. */
int schema_compile(const char *text, size_t size, struct schema **ret_schema, struct error *ret_error);
/* No check may be running. Accepts NULL. */
void schema_free(struct schema *schema);

/* The memory it takes, with its patterns; what checks use beside it is at most SCHEMA_SPARE_BYTES between
 * them. */
size_t schema_bytes(const struct schema *schema);

/* Checks every value of the batch. 0: all conform. -EINVAL: one does not; the message names the datapoint
 * (counted from 0), the place in its value, what is wrong and what is expected. -E2BIG: too many steps or too
 * much time, the batch is refused; -ENOMEM. Any thread; does not block. */
int schema_check(const struct schema *schema, const struct batch *batch, struct error *ret_error);

#endif
