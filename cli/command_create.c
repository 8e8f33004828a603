#include "commands.h"

#include "configuration.h"
#include "database.h"
#include "file.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct creation {
    const char *configuration_file; /* NULL: the default one */
    const char *user;               /* "name:password" or NULL */
    const char *email;
    char name[NAME_BYTES_MAX + 1]; /* of user */
    const char *password;
};

/* Splits name:password and checks it before anything is made. */
static int check_user(struct creation *creation, struct error *ret_error)
{
    const char *colon = strchr(creation->user, ':');
    size_t size = colon ? (size_t)(colon - creation->user) : 0;
    if (!colon || size == 0 || !colon[1])
        return error_set(ret_error, EINVAL, "--user needs name:password");
    if (size > NAME_BYTES_MAX)
        return error_set(ret_error, EINVAL, "--user: a name has at most %d bytes", NAME_BYTES_MAX);
    memcpy(creation->name, creation->user, size);
    creation->password = colon + 1;
    if (!name_valid(creation->name))
        return error_set(ret_error, EINVAL,
            "--user: '%s' is no name: a letter, then letters, digits, _ and -", creation->name);
    if (!user_name_allowed(creation->name))
        return error_set(ret_error, EINVAL, "--user: the name %s is reserved", creation->name);
    if (!email_valid(creation->email))
        return error_set(ret_error, EINVAL, "--email: '%s' is no address", creation->email);
    return 0;
}

/* The text of a file that is a valid configuration, malloc'ed. */
static int read_configuration(const char *path, char **ret_text, struct error *ret_error)
{
    struct configuration configuration;
    int r = configuration_read(path, false, &configuration, ret_error);
    if (r < 0)
        return r;
    configuration_free(&configuration);
    struct buffer text = {0};
    r = file_read(path, CONFIGURATION_BYTES_MAX, &text, ret_error);
    if (r == 0 && buffer_append(&text, "", 1) < 0)
        r = error_set(ret_error, ENOMEM, "%s: out of memory", path);
    if (r < 0) {
        buffer_free(&text);
        return r;
    }
    *ret_text = (char *)text.data;
    return 0;
}

static int create(const char *path, struct creation *creation, struct error *ret_error)
{
    char empty[] = "", role[] = "admin", *text = NULL;
    int r = creation->user ? check_user(creation, ret_error) : 0;
    if (r == 0 && creation->configuration_file)
        r = read_configuration(creation->configuration_file, &text, ret_error);
    char *email = r == 0 ? strdup(creation->email) : NULL;
    if (r == 0 && !email)
        r = error_set(ret_error, ENOMEM, "out of memory");
    const struct user user = {.name = creation->name,
        .nickname = empty,
        .email = email,
        .description = empty,
        .icon = empty,
        .role = role};
    if (r == 0)
        r = database_create_with_user(path, text ? text : configuration_default_text(),
            creation->user ? &user : NULL, creation->password, ret_error);
    free(email);
    free(text);
    return r;
}

int command_create(int argc, char **argv)
{
    static const char no_other_server[] = "ConnectorDB is one program now and needs no other server";
    struct creation creation = {.email = "root@localhost"};
    const struct option_entry options[] = {
        {"config", 'c', OPTION_TEXT, "FILE", "configuration to start with (see connectordb write config)",
            &creation.configuration_file, 0, 0},
        {"user", 0, OPTION_TEXT, "NAME:PASSWORD", "makes a user with the role admin", &creation.user, 0, 0},
        {"email", 0, OPTION_TEXT, "ADDRESS", "of that user; default root@localhost", &creation.email, 0, 0},
        {"sqlbackend", 0, OPTION_OBSOLETE_TEXT, "NAME", no_other_server, NULL, 0, 0},
        {"redis", 0, OPTION_OBSOLETE, NULL, no_other_server, NULL, 0, 0},
        {"nats", 0, OPTION_OBSOLETE, NULL, no_other_server, NULL, 0, 0},
        {"sql", 0, OPTION_OBSOLETE, NULL, no_other_server, NULL, 0, 0},
        {"test", 0, OPTION_OBSOLETE, NULL, "there is no special configuration for tests", NULL, 0, 0},
    };
    const struct command_line line = {"create DB",
        "Makes a database in the new directory DB. Without --user it holds no user: import some.", options,
        sizeof(options) / sizeof(options[0]), 1, 1};
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (create(arguments[0], &creation, &error) < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet)
        print_line("created %s; connectordb start %s serves it", arguments[0], arguments[0]);
    return EXIT_GOOD;
}
