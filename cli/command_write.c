#include "commands.h"

#include "configuration.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONFIGURATION_MODE = 0600 };

static int write_new(const char *path, const char *text)
{
    size_t size = strlen(text);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, CONFIGURATION_MODE);
    if (file < 0)
        return command_failed("%s: cannot create: %s", path, strerrordesc_np(errno));
    bool written = write(file, text, size) == (ssize_t)size && fsync(file) == 0;
    int code = errno;
    if (close(file) < 0 || !written) {
        (void)unlink(path);
        return command_failed("%s: cannot write: %s", path, strerrordesc_np(code));
    }
    return EXIT_GOOD;
}

int command_write(int argc, char **argv)
{
    const struct command_line line = {"write config FILE",
        "Writes the default configuration, with comments, to the new file FILE. A database's own is\n"
        "DB/connectordb.conf; connectordb create --config takes another one.",
        NULL, 0, 2, 2};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (strcmp(arguments[0], "config"))
        return usage_error(argv[0], "can write config, not '%s'", arguments[0]);
    return write_new(arguments[1], configuration_default_text());
}
