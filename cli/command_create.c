#include "commands.h"

#include "configuration.h"
#include "database.h"
#include "file.h"
#include "options.h"
#include "password_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EMAIL_BYTES = NAME_BYTES_MAX + 16 };

struct creation {
    const char *configuration_file; /* NULL: the default one */
    char *user;                     /* "name:password" or "name", in argv; NULL: no user */
    const char *password_file;      /* NULL: none */
    const char *email;              /* NULL: name@localhost, which no other user has */
    char name[NAME_BYTES_MAX + 1];  /* of user */
    char default_email[EMAIL_BYTES];
    char password[PASSWORD_INPUT_BYTES_MAX + 1];
};

/* The password that the command line holds: taken, and written over there, where every user of the machine
 * can read it. */
static int take_argument(struct creation *creation, char *text, struct error *ret_error)
{
    size_t size = strlen(text);
    if (size == 0 || size > PASSWORD_INPUT_BYTES_MAX || creation->password_file) {
        explicit_bzero(text, size);
        return creation->password_file ? error_set(ret_error, EINVAL,
                                             "--user NAME:PASSWORD and --password-file exclude each other")
                                       : error_set(ret_error, EINVAL, "--user: a password has 1 to %d bytes",
                                             PASSWORD_INPUT_BYTES_MAX);
    }
    memcpy(creation->password, text, size + 1);
    memset(text, '*', size);
    return 0;
}

static int find_password(struct creation *creation, char *argument, struct error *ret_error)
{
    if (argument)
        return take_argument(creation, argument, ret_error);
    if (creation->password_file)
        return password_read(creation->password_file, creation->password, ret_error);
    int r = password_ask(creation->name, true, creation->password, ret_error);
    if (r == -ENOTTY)
        return error_set(ret_error, EINVAL,
            "--user %s: there is no terminal to ask for the password: use --password-file FILE or --user "
            "%s:PASSWORD",
            creation->name, creation->name);
    return r;
}

/* Checks the user before anything is made, and before a password is asked for. */
static int check_user(struct creation *creation, struct error *ret_error)
{
    char *colon = strchr(creation->user, ':');
    size_t size = colon ? (size_t)(colon - creation->user) : strlen(creation->user);
    if (size == 0 || size > NAME_BYTES_MAX)
        return error_set(ret_error, EINVAL, "--user: a name has 1 to %d bytes", NAME_BYTES_MAX);
    memcpy(creation->name, creation->user, size);
    if (!name_valid(creation->name))
        return error_set(ret_error, EINVAL,
            "--user: '%s' is no name: a letter, then letters, digits, _ and -", creation->name);
    if (!user_name_allowed(creation->name))
        return error_set(ret_error, EINVAL, "--user: the name %s is reserved; so are %s", creation->name,
            user_names_reserved());
    (void)snprintf(creation->default_email, sizeof(creation->default_email), "%s@localhost", creation->name);
    if (!creation->email)
        creation->email = creation->default_email;
    if (!email_valid(creation->email))
        return error_set(ret_error, EINVAL, "--email: '%s' is no address", creation->email);
    return find_password(creation, colon ? colon + 1 : NULL, ret_error);
}

/* The text of a file that is a valid configuration, malloc'ed. */
static int read_configuration(const char *path, char **ret_text, struct error *ret_error)
{
    struct configuration configuration;
    int r = configuration_read(path, false, &configuration, ret_error);
    if (r < 0)
        return r;
    print_warnings(configuration.unknown);
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
    char *email = r == 0 ? strdup(creation->email ? creation->email : "") : NULL;
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
    static char test_user[] = "test:test";
    struct creation creation = {0};
    bool test = false;
    const struct option_entry options[] = {
        {"config", 'c', OPTION_TEXT, "FILE", "configuration to start with (see connectordb write config)",
            &creation.configuration_file, 0, 0},
        {"user", 0, OPTION_TEXT, "NAME",
            "makes a user with the role admin; asks for the password (NAME:PASSWORD gives it)",
            &creation.user, 0, 0},
        {"password-file", 0, OPTION_TEXT, "FILE", "takes that password from the first line of FILE",
            &creation.password_file, 0, 0},
        {"email", 0, OPTION_TEXT, "ADDRESS", "of that user; default NAME@localhost", &creation.email, 0, 0},
        {"sqlbackend", 0, OPTION_OBSOLETE_TEXT, "NAME", no_other_server, NULL, 0, 0},
        {"redis", 0, OPTION_OBSOLETE, NULL, no_other_server, NULL, 0, 0},
        {"nats", 0, OPTION_OBSOLETE, NULL, no_other_server, NULL, 0, 0},
        {"sql", 0, OPTION_OBSOLETE, NULL, no_other_server, NULL, 0, 0},
        {"test", 0, OPTION_FLAG, NULL,
            "makes the administrator test with the password test: for trying it out", &test, 0, 0},
    };
    const struct command_line line = {"create DB",
        "Makes a database in the new directory DB. Without --user it holds no user: import some.", options,
        sizeof(options) / sizeof(options[0]), 1, 1};
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (test && creation.user)
        return usage_error(argv[0], "--test makes a user of its own: leave --user out");
    if (test)
        creation.user = test_user;
    if (!creation.user && creation.password_file)
        return usage_error(argv[0], "--password-file is of a user: give --user NAME");
    int r = create(arguments[0], &creation, &error);
    explicit_bzero(creation.password, sizeof(creation.password));
    if (r < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet)
        print_line("created %s; connectordb start %s serves it", arguments[0], arguments[0]);
    return EXIT_GOOD;
}
