#include "commands.h"

#include "access.h"
#include "configuration.h"
#include "file.h"
#include "options.h"

#include <string.h>

enum { CONFIGURATION_MODE = 0600 };

static int write_new(const char *path, const char *text)
{
    struct error error;
    if (file_write_new(path, CONFIGURATION_MODE, text, strlen(text), true, &error) < 0)
        return command_failed("%s", error.message);
    return EXIT_GOOD;
}

int command_write(int argc, char **argv)
{
    const struct command_line line = {"write config|permissions FILE",
        "Writes the default configuration or permissions, with comments, to the new file FILE. A database's\n"
        "own configuration is DB/connectordb.conf; connectordb create --config takes another one. Its key\n"
        "\"permissions\" names a file of permissions.",
        NULL, 0, 2, 2};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (strcmp(arguments[0], "config") == 0)
        return write_new(arguments[1], configuration_default_text());
    if (strcmp(arguments[0], "permissions") == 0)
        return write_new(arguments[1], permissions_default_text());
    return usage_error(argv[0], "can write config and permissions, not '%s'", arguments[0]);
}
