/* The configuration as text. Private. */
#ifndef CONNECTORDB_CONFIGURATION_TEXT_H
#define CONNECTORDB_CONFIGURATION_TEXT_H

#include "configuration.h"

#include <stddef.h>

/* As configuration_read, from text. file: its name for messages. */
int configuration_parse(const char *text, size_t size, const char *file,
    struct configuration *ret_configuration, struct error *ret_error);

#endif
