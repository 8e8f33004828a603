/* user, passwd, shell: accounts, by the server when one runs, else by this process. */
#include "commands.h"

#include "access.h"
#include "accounts.h"
#include "control.h"
#include "database.h"
#include "database_paths.h"
#include "options.h"
#include "password_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account_command {
    struct account_request request;
    const char *database;
    const char *password_file; /* NULL: the password is asked for */
    char *password_argument;   /* of `shell DB passwd`, in argv; NULL = none */
    bool json;
    char password[PASSWORD_INPUT_BYTES_MAX + 1];
};

/* ---- doing it ---- */

/* Before a password is asked for. */
static int check_role(const struct database_paths *paths, const struct configuration *configuration,
    const char *role, struct error *ret_error)
{
    struct permissions *permissions = NULL;
    char path[PATH_MAX];
    const char *name = configuration->permissions;
    int r = 0;
    if (!role)
        return 0;
    if (*name != '/' && strcmp(name, "default") != 0) {
        r = path_join(paths->directory, name, path, ret_error);
        name = path;
    }
    if (r == 0)
        r = permissions_load(name, &permissions, ret_error);
    if (r == 0 && !permissions_has_user_role(permissions, role))
        r = error_set(ret_error, EINVAL, "there is no role '%.100s' for users", role);
    permissions_free(permissions);
    return r;
}

static int find_password(struct account_command *command, struct error *ret_error)
{
    enum account_action action = command->request.action;
    if (action != ACCOUNT_ADD && action != ACCOUNT_PASSWORD)
        return 0;
    command->request.password = command->password;
    if (command->password_argument) {
        size_t size = strlen(command->password_argument);
        if (size == 0 || size > PASSWORD_INPUT_BYTES_MAX)
            return error_set(ret_error, EINVAL, "a password has 1 to %d bytes", PASSWORD_INPUT_BYTES_MAX);
        memcpy(command->password, command->password_argument, size + 1);
        memset(command->password_argument, '*', size); /* every user of the machine can read it */
        return 0;
    }
    if (command->password_file)
        return password_read(command->password_file, command->password, ret_error);
    int r = password_ask(command->request.name, true, command->password, ret_error);
    return r == -ENOTTY ? error_set(ret_error, EINVAL,
                              "there is no terminal to ask for the password: use --password-file FILE")
                        : r;
}

static int run_here(const struct database_paths *paths, const struct configuration *configuration,
    const struct account_request *request, json_t **ret_users, struct error *ret_error)
{
    struct database *database = NULL;
    struct error close_error;
    int r = (request->action == ACCOUNT_LIST ? database_open_for_reading : database_open_as)(
        paths->directory, "user", &configuration->store, &database, ret_error);
    if (r == 0)
        r = accounts_run(database, request, ret_users, ret_error);
    int closed = database_close(database, &close_error);
    if (r == 0 && closed < 0)
        r = error_set(ret_error, close_error.code, "%s", close_error.message);
    return r;
}

static int run_account(struct account_command *command, json_t **ret_users, struct error *ret_error)
{
    struct database_paths paths;
    struct configuration configuration;
    struct control_connection connection;
    int r = 0;
    if (command->password_file) /* before --as-owner: root's file is readable for root alone */
        r = find_password(command, ret_error);
    if (r == 0)
        r = database_paths_find(command->database, &paths, ret_error);
    if (r == 0)
        r = database_paths_read_configuration(&paths, &configuration, ret_error);
    if (r < 0)
        return r;
    r = check_role(&paths, &configuration, command->request.role, ret_error);
    if (r == 0 && !command->password_file)
        r = find_password(command, ret_error);
    if (r == 0)
        r = control_reach(paths.directory, &connection, ret_error);
    if (r == 1) {
        r = control_account(&connection, &command->request, ret_users, ret_error);
        control_free(&connection);
    } else if (r == 0) {
        r = run_here(&paths, &configuration, &command->request, ret_users, ret_error);
    }
    configuration_free(&configuration);
    return r;
}

/* ---- saying it ---- */

static void print_users(const json_t *users)
{
    size_t i;
    const json_t *user;
    json_array_foreach(users, i, user)
    {
        print_line("%-29s %-12s %s%s", json_string_value(json_object_get(user, "name")),
            json_string_value(json_object_get(user, "role")),
            json_string_value(json_object_get(user, "email")),
            json_is_true(json_object_get(user, "public")) ? "" : " (private)");
    }
}

static void print_json(const json_t *users)
{
    char *text = json_dumps(users, 0);
    if (text)
        print_line("%s", text);
    free(text);
}

static void print_done(const struct account_command *command, const json_t *users)
{
    static const char *const DONE[] = {
        "", "added", "deleted", "changed the password of", "changed the role of"};
    if (command->request.action == ACCOUNT_LIST)
        (command->json ? print_json : print_users)(users);
    else if (!common_options.quiet)
        print_line("%s %s", DONE[command->request.action], command->request.name);
}

static int run(struct account_command *command)
{
    struct error error = {0};
    json_t *users = NULL;
    int r = run_account(command, &users, &error);
    explicit_bzero(command->password, sizeof(command->password));
    if (r < 0)
        return command_failed("%s", error.message);
    print_done(command, users);
    json_decref(users);
    return EXIT_GOOD;
}

/* ---- the commands ---- */

int command_user(int argc, char **argv)
{
    struct account_command command = {0};
    const struct option_entry options[] = {
        {"email", 0, OPTION_TEXT, "ADDRESS", "of a new user; default NAME@localhost", &command.request.email,
            0, 0},
        {"role", 0, OPTION_TEXT, "user|admin|ROLE",
            "of the user; default user. ROLE: another one of the permissions", &command.request.role, 0, 0},
        {"password-file", 0, OPTION_TEXT, "FILE", "takes the password from the first line of FILE",
            &command.password_file, 0, 0},
        {"json", 0, OPTION_FLAG, NULL, "lists as JSON", &command.json, 0, 0},
    };
    const struct command_line line = {"user DB list|add|delete|passwd|role [NAME]",
        "Lists the users of a database, adds one, deletes one with all devices and data, changes a password\n"
        "(sessions end, API keys go on) or a role (--role). Works while a server runs on DB and without.",
        options, sizeof(options) / sizeof(options[0]), 2, 3};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    struct account_request *request = &command.request;
    command.database = arguments[0];
    if (!account_action_parse(arguments[1], &request->action))
        return usage_error(
            argv[0], "does not know '%s', only list, add, delete, passwd and role", arguments[1]);
    request->name = arguments[2];
    if ((request->action == ACCOUNT_LIST) == (request->name != NULL))
        return usage_error(argv[0], request->name ? "list takes no NAME" : "%s needs a NAME", arguments[1]);
    if (request->action == ACCOUNT_ROLE && !request->role)
        return usage_error(argv[0], "role needs --role ROLE");
    return run(&command);
}

int command_passwd(int argc, char **argv)
{
    struct account_command command = {.request.action = ACCOUNT_PASSWORD};
    const struct option_entry options[] = {
        {"password-file", 0, OPTION_TEXT, "FILE", "takes the password from the first line of FILE",
            &command.password_file, 0, 0},
    };
    const struct command_line line = {"passwd DB NAME",
        "Changes the password of a user. Its sessions end, API keys go on. Works while a server runs on DB "
        "and\n"
        "without.",
        options, sizeof(options) / sizeof(options[0]), 2, 2};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    command.database = arguments[0];
    command.request.name = arguments[1];
    return run(&command);
}

int account_password(const char *database, const char *name, char *password)
{
    struct account_command command = {.request.action = ACCOUNT_PASSWORD, .database = database};
    command.request.name = name;
    command.password_argument = password;
    return run(&command);
}
