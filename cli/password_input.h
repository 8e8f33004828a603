/* Where a password comes from. */
#ifndef CONNECTORDB_PASSWORD_INPUT_H
#define CONNECTORDB_PASSWORD_INPUT_H

#include "error.h"

#include <stdbool.h>

enum { PASSWORD_INPUT_BYTES_MAX = 4096 };

/* Both set `password`, which is empty on failure; the caller clears it after use. -EINVAL: it is empty,
 * longer than the limit, or has a 0 byte; -errno. The first line of `path` without its end. */
int password_read(const char *path, char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error);
/* Asked on the terminal of standard input, which does not show it; a new one twice. -ENOTTY: that is no
 * terminal. */
int password_ask(
    const char *user, bool is_new, char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error);

#endif
