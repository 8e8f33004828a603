/* What other commands use of `connectordb passwd`. */
#ifndef CONNECTORDB_COMMAND_USER_H
#define CONNECTORDB_COMMAND_USER_H

/* Changes the password of the user. password: an argument of the command, which is overwritten (every user of
 * the machine can read it); NULL: it is asked for. Returns the exit code. */
int account_password(const char *database, const char *name, char *password);

#endif
