#include "shell.h"

#include "accounts.h"
#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char SHELL_HELP[] = "ls [USER[/DEVICE]]         lists users, devices or streams\n"
                          "cat PATH                   prints a user, device or stream as JSON\n"
                          "rm PATH                    deletes it with everything below it\n"
                          "adduser NAME EMAIL PASSWORD\n"
                          "adddev USER/DEVICE         makes a device, prints its API key\n"
                          "addstream USER/DEVICE/STREAM [SCHEMA]\n"
                          "passwd NAME [PASSWORD]     changes the password of a user\n"
                          "mkadmin NAME, rmadmin NAME gives and takes the role admin\n"
                          "lsadmin                    lists the administrators\n"
                          "dbinfo                     counts users, devices and streams\n"
                          "help                       shows this\n";

static const struct shell_command {
    const char *name;
    size_t least, most; /* arguments */
    bool writes;
} COMMANDS[] = {
    {"help", 0, 0, false},
    {"ls", 0, 1, false},
    {"cat", 1, 1, false},
    {"rm", 1, 1, true},
    {"adduser", 3, 3, true},
    {"adddev", 1, 1, true},
    {"addstream", 1, 2, true},
    {"mkadmin", 1, 1, true},
    {"rmadmin", 1, 1, true},
    {"lsadmin", 0, 0, false},
    {"dbinfo", 0, 0, false},
};

int shell_check(const char *const *words, size_t count, bool *ret_writes, struct error *ret_error)
{
    for (size_t i = 0; count > 0 && i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
        const struct shell_command *command = &COMMANDS[i];
        if (strcmp(words[0], command->name) != 0)
            continue;
        *ret_writes = command->writes;
        if (count - 1 >= command->least && count - 1 <= command->most)
            return 0;
        return error_set(
            ret_error, EINVAL, "%s takes other arguments: `connectordb shell DB help` lists them", words[0]);
    }
    return error_set(ret_error, EINVAL,
        "does not know the command '%.40s': `connectordb shell DB help` lists them",
        count > 0 ? words[0] : "");
}

/* ---- objects by their paths ---- */

enum { USER_DEPTH = 1, DEVICE_DEPTH, STREAM_DEPTH };

struct path {
    char text[PATH_BYTES_MAX + 1];
    const char *names[STREAM_DEPTH];
    int depth;
};

static int split(const char *text, struct path *path, struct error *ret_error)
{
    *path = (struct path){.depth = 0};
    size_t size = strlen(text);
    if (size > PATH_BYTES_MAX)
        return error_set(ret_error, EINVAL, "%.60s...: the path is too long", text);
    memcpy(path->text, text, size + 1);
    char *rest = path->text;
    while (rest && path->depth < STREAM_DEPTH) {
        path->names[path->depth] = strsep(&rest, "/");
        if (!name_valid(path->names[path->depth++]))
            return error_set(ret_error, EINVAL, "'%.100s' is no path of names: USER/DEVICE/STREAM", text);
    }
    return rest ? error_set(ret_error, EINVAL, "'%.100s' is no path of names: USER/DEVICE/STREAM", text) : 0;
}

static int missing(int r, const char *path, struct error *ret_error)
{
    return r == -ENOENT ? error_set(ret_error, ENOENT, "there is no %s", path) : r;
}

/* What is at a path; free it. */
struct found {
    int depth;
    struct user user;
    struct device device;
    struct stream stream;
};

static void found_free(struct found *found)
{
    user_free(&found->user);
    device_free(&found->device);
    stream_free(&found->stream);
}

static int find(struct database *database, const char *text, struct found *ret_found, struct error *ret_error)
{
    struct path path;
    *ret_found = (struct found){0};
    int r = split(text, &path, ret_error);
    if (r < 0)
        return r;
    ret_found->depth = path.depth;
    struct catalog *catalog = database->catalog;
    if (path.depth == USER_DEPTH)
        r = catalog_user_by_name(catalog, path.names[0], &ret_found->user, ret_error);
    else if (path.depth == DEVICE_DEPTH)
        r = catalog_device_by_name(catalog, path.names[0], path.names[1], &ret_found->device, ret_error);
    else
        r = catalog_stream_by_name(
            catalog, path.names[0], path.names[1], path.names[2], &ret_found->stream, ret_error);
    return missing(r, text, ret_error);
}

/* ---- commands ---- */

static int print_name(struct sink *output, const char *name)
{
    int r = sink_write(output, name, strlen(name));
    return r < 0 ? r : sink_write(output, "\n", 1);
}

static int list_users(struct catalog *catalog, const char *role, struct sink *output, struct error *ret_error)
{
    struct user rows[CATALOG_PAGE_ROWS];
    char after[NAME_BYTES_MAX + 1] = "";
    int count, r = 0;
    while ((count = catalog_users_page(catalog, after, rows, ret_error)) > 0) {
        for (int i = 0; i < count; i++) {
            if (r == 0 && (!role || strcmp(rows[i].role, role) == 0))
                r = print_name(output, rows[i].name);
            (void)snprintf(after, sizeof(after), "%s", rows[i].name);
            user_free(&rows[i]);
        }
    }
    return count < 0 ? count : r;
}

static int list_devices(
    struct catalog *catalog, int64_t user_id, struct sink *output, struct error *ret_error)
{
    struct device rows[CATALOG_PAGE_ROWS];
    char after[NAME_BYTES_MAX + 1] = "";
    int count, r = 0;
    while ((count = catalog_devices_page(catalog, user_id, after, rows, ret_error)) > 0) {
        for (int i = 0; i < count; i++) {
            r = r == 0 ? print_name(output, rows[i].name) : r;
            (void)snprintf(after, sizeof(after), "%s", rows[i].name);
            device_free(&rows[i]);
        }
    }
    return count < 0 ? count : r;
}

static int list_streams(
    struct catalog *catalog, int64_t device_id, struct sink *output, struct error *ret_error)
{
    struct stream rows[CATALOG_PAGE_ROWS];
    char after[NAME_BYTES_MAX + 1] = "";
    int count, r = 0;
    while ((count = catalog_streams_page(catalog, device_id, after, rows, ret_error)) > 0) {
        for (int i = 0; i < count; i++) {
            r = r == 0 ? print_name(output, rows[i].name) : r;
            (void)snprintf(after, sizeof(after), "%s", rows[i].name);
            stream_free(&rows[i]);
        }
    }
    return count < 0 ? count : r;
}

static int list(struct database *database, const char *path, struct sink *output, struct error *ret_error)
{
    struct found found = {0};
    if (!path)
        return list_users(database->catalog, NULL, output, ret_error);
    int r = find(database, path, &found, ret_error);
    if (r == 0 && found.depth == USER_DEPTH)
        r = list_devices(database->catalog, found.user.id, output, ret_error);
    else if (r == 0 && found.depth == DEVICE_DEPTH)
        r = list_streams(database->catalog, found.device.id, output, ret_error);
    else if (r == 0)
        r = print_name(output, found.stream.name);
    found_free(&found);
    return r;
}

/* As over REST. */
static json_t *json_of(const struct found *found)
{
    const struct user *user = &found->user;
    const struct device *device = &found->device;
    const struct stream *stream = &found->stream;
    switch (found->depth) {
    case USER_DEPTH:
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b}", "name", user->name, "nickname", user->nickname,
            "email", user->email, "description", user->description, "icon", user->icon, "role", user->role,
            "public", user->is_public);
    case DEVICE_DEPTH:
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:s,s:b,s:b}", "name", device->name, "nickname",
            device->nickname, "description", device->description, "icon", device->icon, "apikey",
            device->apikey, "enabled", device->enabled, "public", device->is_public, "role", device->role,
            "visible", device->visible, "user_editable", device->user_editable);
    default:
        return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:b}", "name", stream->name, "nickname",
            stream->nickname, "description", stream->description, "icon", stream->icon, "schema",
            stream->schema, "datatype", stream->datatype, "ephemeral", stream->ephemeral, "downlink",
            stream->downlink);
    }
}

static int print_object(
    struct database *database, const char *path, struct sink *output, struct error *ret_error)
{
    struct found found;
    int r = find(database, path, &found, ret_error);
    json_t *object = r == 0 ? json_of(&found) : NULL;
    char *text = object ? json_dumps(object, JSON_INDENT(4)) : NULL;
    if (r == 0)
        r = text ? print_name(output, text) : error_set(ret_error, ENOMEM, "out of memory");
    free(text);
    json_decref(object);
    found_free(&found);
    return r;
}

static int delete_object(struct database *database, const char *path, struct error *ret_error)
{
    struct found found;
    int r = find(database, path, &found, ret_error);
    if (r == 0 && found.depth == USER_DEPTH)
        r = database_delete_user(database, found.user.id, ret_error);
    else if (r == 0 && found.depth == DEVICE_DEPTH)
        r = database_delete_device(database, found.device.id, ret_error);
    else if (r == 0)
        r = database_delete_stream(database, found.stream.id, ret_error);
    found_free(&found);
    return r;
}

/* Splits the path of a new object of that depth, and finds what it is to be in. */
static int find_parent(struct database *database, const char *text, int depth, struct path *path,
    struct found *ret_parent, struct error *ret_error)
{
    char parent[PATH_BYTES_MAX + 1];
    *ret_parent = (struct found){0};
    int r = split(text, path, ret_error);
    if (r == 0 && path->depth != depth)
        return error_set(ret_error, EINVAL, "'%.100s' is not the path %s", text,
            depth == DEVICE_DEPTH ? "USER/DEVICE" : "USER/DEVICE/STREAM");
    if (r < 0)
        return r;
    memcpy(parent, text, strlen(text) + 1);
    *strrchr(parent, '/') = '\0';
    return find(database, parent, ret_parent, ret_error);
}

static int add_device(
    struct database *database, const char *text, struct sink *output, struct error *ret_error)
{
    char empty[] = "", role[] = "none";
    struct path path;
    struct found parent, made = {0};
    int r = find_parent(database, text, DEVICE_DEPTH, &path, &parent, ret_error);
    const struct device device = {.user_id = parent.user.id,
        .name = (char *)path.names[1],
        .nickname = empty,
        .description = empty,
        .icon = empty,
        .apikey = empty,
        .role = role,
        .enabled = true,
        .visible = true,
        .user_editable = true}; /* as over REST */
    if (r == 0)
        r = catalog_create_device(database->catalog, &device, NULL, ret_error);
    if (r == 0)
        r = find(database, text, &made, ret_error);
    if (r == 0)
        r = print_name(output, made.device.apikey);
    found_free(&made);
    found_free(&parent);
    return r;
}

static int add_stream(
    struct database *database, const char *text, const char *schema, struct error *ret_error)
{
    char empty[] = "", *normal = NULL;
    struct path path;
    struct found parent;
    int r = find_parent(database, text, STREAM_DEPTH, &path, &parent, ret_error);
    if (r == 0)
        r = schema_normalize(schema ? schema : "", &normal, ret_error);
    const struct stream stream = {.device_id = parent.device.id,
        .name = (char *)path.names[2],
        .nickname = empty,
        .description = empty,
        .icon = empty,
        .schema = normal,
        .datatype = empty};
    if (r == 0)
        r = catalog_create_stream(database->catalog, &stream, NULL, ret_error);
    free(normal);
    found_free(&parent);
    return r;
}

static int run_account(
    struct database *database, const struct account_request *request, struct error *ret_error)
{
    json_t *users = NULL;
    int r = accounts_run(database, request, &users, ret_error);
    json_decref(users);
    return r;
}

static int print_counts(struct database *database, struct sink *output, struct error *ret_error)
{
    uint64_t users, devices, streams;
    char text[128];
    int r = catalog_counts(database->catalog, &users, &devices, &streams, ret_error);
    if (r < 0)
        return r;
    (void)snprintf(text, sizeof(text), "%llu users, %llu devices, %llu streams; see also connectordb status",
        (unsigned long long)users, (unsigned long long)devices, (unsigned long long)streams);
    return print_name(output, text);
}

static int run_command(struct database *database, const char *const *words, const char *argument,
    const char *second, struct sink *output, struct error *ret_error)
{
    const char *name = words[0];
    if (!strcmp(name, "help"))
        return sink_write(output, SHELL_HELP, sizeof(SHELL_HELP) - 1);
    if (!strcmp(name, "ls"))
        return list(database, argument, output, ret_error);
    if (!strcmp(name, "cat"))
        return print_object(database, argument, output, ret_error);
    if (!strcmp(name, "rm"))
        return delete_object(database, argument, ret_error);
    if (!strcmp(name, "adduser"))
        return run_account(database,
            &(struct account_request){
                .action = ACCOUNT_ADD, .name = argument, .email = second, .password = words[3]},
            ret_error);
    if (!strcmp(name, "adddev"))
        return add_device(database, argument, output, ret_error);
    if (!strcmp(name, "addstream"))
        return add_stream(database, argument, second, ret_error);
    if (!strcmp(name, "lsadmin"))
        return list_users(database->catalog, "admin", output, ret_error);
    if (!strcmp(name, "dbinfo"))
        return print_counts(database, output, ret_error);
    return run_account(database, /* mkadmin, rmadmin */
        &(struct account_request){
            .action = ACCOUNT_ROLE, .name = argument, .role = *name == 'm' ? "admin" : "user"},
        ret_error);
}

int shell_run(struct database *database, const char *const *words, size_t count, struct sink *output,
    struct error *ret_error)
{
    bool writes;
    int r = shell_check(words, count, &writes, ret_error);
    if (r == 0)
        r = run_command(
            database, words, count > 1 ? words[1] : NULL, count > 2 ? words[2] : NULL, output, ret_error);
    if (r == 0)
        r = sink_flush(output);
    return r < 0 && output->failed ? error_set(ret_error, output->error.code, "%s", output->error.message)
                                   : r;
}
