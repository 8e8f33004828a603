/* Administration of users without a log-in: list, add, delete, set passwords. */
#ifndef CONNECTORDB_ACCOUNTS_H
#define CONNECTORDB_ACCOUNTS_H

#include "database.h"
#include "error.h"

#include <jansson.h>

enum account_action { ACCOUNT_LIST, ACCOUNT_ADD, ACCOUNT_DELETE, ACCOUNT_PASSWORD, ACCOUNT_ROLE };

struct account_request {
    enum account_action action;
    const char *name;     /* of the user; not of a list */
    const char *password; /* ACCOUNT_ADD, ACCOUNT_PASSWORD */
    const char *email;    /* ACCOUNT_ADD; NULL = NAME@localhost */
    const char *role;     /* ACCOUNT_ADD, ACCOUNT_ROLE; NULL = "user" */
};

/* "list", "add", "delete", "passwd", "role"; NULL, false: no such word. */
const char *account_action_name(enum account_action action);
bool account_action_parse(const char *word, enum account_action *ret_action);

/* Does it. *ret_users: of a list, an array of {"name", "email", "role", "public"}, else an empty one; to be
 * freed with json_decref. 0; -ENOENT no such user; -EEXIST, -EINVAL as catalog_create_user; -errno. One
 * durable transaction; blocks for a password's hash. Any thread. */
int accounts_run(struct database *database, const struct account_request *request, json_t **ret_users,
    struct error *ret_error);

#endif
