#include "accounts.h"

#include "catalog.h"
#include "fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"list", "add", "delete", "passwd", "role"};

const char *account_action_name(enum account_action action)
{
    return NAMES[action];
}

bool account_action_parse(const char *word, enum account_action *ret_action)
{
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(word, NAMES[i]) == 0) {
            *ret_action = (enum account_action)i;
            return true;
        }
    }
    return false;
}

static int out_of_memory(struct error *ret_error)
{
    return error_set(ret_error, ENOMEM, "out of memory");
}

static int add_row(json_t *users, const struct user *user)
{
    json_t *row = json_pack("{s:s,s:s,s:s,s:b}", "name", user->name, "email", user->email ? user->email : "",
        "role", user->role ? user->role : "", "public", user->is_public);
    return row && json_array_append_new(users, row) == 0 ? 0 : -ENOMEM;
}

static int list(struct catalog *catalog, json_t *users, struct error *ret_error)
{
    struct user rows[CATALOG_PAGE_ROWS];
    char after[NAME_BYTES_MAX + 1] = "";
    int count, r = 0;
    do {
        count = catalog_users_page(catalog, after, rows, ret_error);
        for (int i = 0; i < count; i++) {
            if (r == 0)
                r = add_row(users, &rows[i]);
            (void)snprintf(after, sizeof(after), "%s", rows[i].name);
            user_free(&rows[i]);
        }
    } while (r == 0 && count > 0);
    return count < 0 ? count : r < 0 ? out_of_memory(ret_error) : 0;
}

static int add(struct database *database, const struct account_request *request, struct error *ret_error)
{
    char empty[] = "", address[NAME_BYTES_MAX + 16];
    (void)snprintf(address, sizeof(address), "%s@localhost", request->name);
    const char *email = request->email ? request->email : address;
    if (!name_valid(request->name))
        return error_set(ret_error, EINVAL,
            "'%.100s' is no name: a letter, then letters, digits, _ and -, 29 at most", request->name);
    if (!user_name_allowed(request->name))
        return error_set(
            ret_error, EINVAL, "the name %s is reserved; so are %s", request->name, user_names_reserved());
    if (!email_valid(email))
        return error_set(ret_error, EINVAL, "'%.100s' is no address of an email", email);
    const struct user user = {.name = (char *)request->name,
        .nickname = empty,
        .email = (char *)email,
        .description = empty,
        .icon = empty,
        .role = (char *)request->role,
        .is_public = true}; /* as over REST */
    int64_t id;
    int r = catalog_create_user(database->catalog, &user, request->password, &id, ret_error);
    return r == 0 ? catalog_add_logs(database->catalog, NULL, ret_error) : r;
}

static uint32_t role_bit(void)
{
    for (size_t i = 0; i < USER_KIND.count; i++) {
        if (strcmp(USER_KIND.fields[i].name, "role") == 0)
            return field_bit(&USER_KIND, &USER_KIND.fields[i]);
    }
    return 0;
}

static int set_role(struct catalog *catalog, int64_t id, const char *role, struct error *ret_error)
{
    struct user stored = {0};
    const struct user changes = {.role = (char *)(role ? role : "user")};
    int r = catalog_change_user(catalog, id, &changes, role_bit(), &stored, ret_error);
    user_free(&stored);
    return r;
}

static int change(struct database *database, const struct account_request *request, struct error *ret_error)
{
    struct user user = {0};
    int r = catalog_user_by_name(database->catalog, request->name, &user, ret_error);
    int64_t id = user.id;
    user_free(&user);
    if (r == -ENOENT)
        return error_set(ret_error, ENOENT, "there is no user '%.100s'", request->name);
    if (r < 0)
        return r;
    switch (request->action) {
    case ACCOUNT_DELETE:
        return database_delete_user(database, id, ret_error);
    case ACCOUNT_ROLE:
        return set_role(database->catalog, id, request->role, ret_error);
    default:
        return catalog_set_password(database->catalog, id, request->password, ret_error);
    }
}

int accounts_run(struct database *database, const struct account_request *request, json_t **ret_users,
    struct error *ret_error)
{
    json_t *users = json_array();
    int r = users ? 0 : out_of_memory(ret_error);
    if (r == 0 && request->action == ACCOUNT_LIST)
        r = list(database->catalog, users, ret_error);
    else if (r == 0 && request->action == ACCOUNT_ADD)
        r = add(database, request, ret_error);
    else if (r == 0)
        r = change(database, request, ret_error);
    if (r < 0) {
        json_decref(users);
        return r;
    }
    *ret_users = users;
    return 0;
}
