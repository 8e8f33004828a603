/* Lists the transforms and interpolators as JSON for clients: an object from name to description. */
#ifndef CONNECTORDB_DESCRIPTIONS_H
#define CONNECTORDB_DESCRIPTIONS_H

#include "sink.h"

#include <stddef.h>

/* Both write one JSON object; a failure stays in the sink. */
void descriptions_print_transforms(struct sink *sink);
void descriptions_print_interpolators(struct sink *sink);

/* The name of the i-th transform in the description; NULL after the last one. */
const char *descriptions_transform_name(size_t i);

#endif
