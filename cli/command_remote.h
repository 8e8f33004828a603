/* The options of export and import that are for a URL instead of a database. */
#ifndef CONNECTORDB_COMMAND_REMOTE_H
#define CONNECTORDB_COMMAND_REMOTE_H

#include "remote.h"

struct remote_login {
    const char *user;          /* NULL: the API key in CONNECTORDB_APIKEY */
    const char *password_file; /* NULL: CONNECTORDB_PASSWORD, or it is asked for */
    const char *ca_file;       /* NULL: the certificates of the system */
    bool skip_verify;
};

/* arguments: URL, DIR, then paths, ended by NULL. Returns the exit code. */
int run_remote(bool import, char **arguments, const struct remote_login *login,
    const struct transfer_options *transfer, long threads);

#endif
