/* shell: one command of the shell of ConnectorDB 0.3, by the server when one runs, else by this process. */
#include "commands.h"

#include "command_user.h"
#include "control.h"
#include "database_paths.h"
#include "job.h"
#include "open_here.h"
#include "options.h"
#include "output.h"
#include "output_sink.h"
#include "shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct shell_work {
    const char *const *words;
    size_t count;
    struct sink *output;
};

static int run_here(struct database *database, void *context, struct error *ret_error)
{
    const struct shell_work *work = context;
    return shell_run(database, work->words, work->count, work->output, ret_error);
}

static int run_words(const char *database, const char *const *words, size_t count, bool writes,
    struct sink *output, struct error *ret_error)
{
    struct control_connection connection;
    struct database_paths paths;
    int r = database_paths_find(database, &paths, ret_error);
    if (r == 0)
        r = control_reach(paths.directory, &connection, ret_error);
    if (r < 0)
        return r;
    if (r == 0)
        return with_database_here(
            &paths, "shell", writes, run_here, &(struct shell_work){words, count, output}, ret_error);
    r = control_shell(&connection, words, count, output, ret_error);
    control_free(&connection);
    return r;
}

/* Every user of the machine can read arguments: a copy of the password, and stars in its place. */
static char *hide(char *argument)
{
    char *copy = strdup(argument);
    if (copy)
        memset(argument, '*', strlen(argument));
    return copy;
}

int command_shell(int argc, char **argv)
{
    const struct command_line line = {"shell DB COMMAND [ARGUMENT...]",
        "Runs one command of the shell of ConnectorDB 0.3; `help` lists them. Works while a server runs on "
        "DB\n"
        "and without. For people, user and passwd do more, and show passwords to nobody.",
        NULL, 0, 2, 1 + SHELL_WORDS_MAX};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    const char *words[SHELL_WORDS_MAX];
    size_t count = 0;
    while (count < SHELL_WORDS_MAX && arguments[1 + count]) {
        words[count] = arguments[1 + count];
        count++;
    }
    if (strcmp(words[0], "passwd") == 0 && (count == 2 || count == 3))
        return account_password(arguments[0], words[1], arguments[3]);
    struct error error = {0};
    bool writes = false;
    if (shell_check(words, count, &writes, &error) < 0)
        return usage_error(argv[0], "%s", error.message);
    char *password = NULL;
    int r = job_open_log(&error);
    if (strcmp(words[0], "adduser") == 0) {
        words[3] = password = hide(arguments[4]);
        if (!password)
            r = error_set(&error, ENOMEM, "out of memory");
    }
    struct sink output = {0};
    if (r == 0)
        r = output_sink_open(&output, &error);
    if (r == 0)
        r = run_words(arguments[0], words, count, writes, &output, &error);
    output_sink_free(&output);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return r < 0 ? command_failed("%s", error.message) : EXIT_GOOD;
}
