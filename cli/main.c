#include "commands.h"
#include "inherited.h"
#include "directory_sync.h"
#include "log.h"
#include "options.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(void)
{
    printf("ConnectorDB %s keeps datapoints of sensors, phones and people.\n\n"
           "connectordb COMMAND ...\n\nCommands:\n",
        CONNECTORDB_VERSION);
    for (const struct command *command = commands; command->name; command++)
        printf("  %-10s %s\n", command->name, command->summary);
    printf("\nconnectordb COMMAND --help says more about one of them.\n"
           "connectordb --version and --semver print the version.\n");
}

/* 1: an option that is a command of its own; *ret_exit_code is set. */
static bool run_option(const char *name, int *ret_exit_code)
{
    *ret_exit_code = EXIT_GOOD;
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
        print_help();
    else if (!strcmp(name, "--version"))
        printf("ConnectorDB %s\n", CONNECTORDB_VERSION);
    else if (!strcmp(name, "--semver"))
        printf("%s\n", CONNECTORDB_VERSION);
    else
        return false;
    return true;
}

/* Options that stand before the command are the same as behind it. */
static int find_command_index(int argc, char **argv)
{
    int index = 1;
    while (index < argc && argv[index][0] == '-') {
        bool with_value = !strcmp(argv[index], "-l") || !strcmp(argv[index], "--loglevel") ||
                          !strcmp(argv[index], "--logfile") || !strcmp(argv[index], "--cpuprofile");
        index += with_value ? 2 : 1;
    }
    return index;
}

static void tell_unsupported_sync(const char *path)
{
    log_warn("%s: this file system does not support fsync of a directory: after a power loss the last "
             "changes to files may be lost",
        path);
}

int main(int argc, char **argv)
{
    int exit_code;
    open_standard_descriptors();
    (void)signal(
        SIGXFSZ, SIG_IGN); /* a file over the process's limit is an error like a full disk, no death */
    directory_sync_set_notice(tell_unsupported_sync);
    if (argc < 2)
        return usage_error(NULL, "which command?");
    if (run_option(argv[1], &exit_code))
        return fflush(stdout) == 0 ? exit_code : EXIT_FAILED;
    int index = find_command_index(argc, argv);
    if (index >= argc)
        return usage_error(NULL, "unknown option '%s'", argv[1]);
    const struct command *command = commands_find(argv[index]);
    if (!command)
        return usage_error(NULL, "unknown command '%s'", argv[index]);
    /* The command first, then the options that stood before it. */
    char *name = argv[index];
    memmove(&argv[2], &argv[1], (size_t)(index - 1) * sizeof(*argv));
    argv[1] = name;
    exit_code = command->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 && exit_code == EXIT_GOOD)
        return command_failed("cannot write to standard output");
    return exit_code;
}
