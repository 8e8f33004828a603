/* Commands of the shell of ConnectorDB 0.3, one at a time: what administers users, devices and streams
 * without REST. `passwd` is not among them: it asks for a password (command_user.c). */
#ifndef CONNECTORDB_SHELL_H
#define CONNECTORDB_SHELL_H

#include "database.h"
#include "error.h"
#include "sink.h"

#include <stdbool.h>

enum { SHELL_WORDS_MAX = 4 };

/* The usage of all commands, a line each. */
extern const char SHELL_HELP[];

/* Whether the words are a command with as many arguments as it takes, and whether it changes the database.
 * 0; -EINVAL. */
int shell_check(const char *const *words, size_t count, bool *ret_writes, struct error *ret_error);
/* Runs the command of shell_check: prints what it tells to `output`. A change is one durable transaction.
 * 0; -ENOENT: there is no such object; -EEXIST, -EINVAL as of the catalog's functions; what the sink
 * returned; -errno. Any thread. */
int shell_run(struct database *database, const char *const *words, size_t count, struct sink *output,
    struct error *ret_error);

#endif
