#include "output.h"

#include "escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES_MAX = 16384 }; /* some paths; what is longer is cut */

static void write_line(
    FILE *file, const char *prefix, const char *format, va_list arguments, const char *suffix)
{
    char text[LINE_BYTES_MAX], line[LINE_BYTES_MAX];
    (void)vsnprintf(text, sizeof(text), format, arguments);
    (void)escape_text(line, sizeof(line), text, strlen(text));
    (void)fprintf(file, "%s%s%s\n", prefix, line, suffix);
}

void print_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(stdout, "", format, arguments, "");
    va_end(arguments);
}

static void print_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void print_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(stderr, "connectordb: warning: ", format, arguments, "");
    va_end(arguments);
}

void print_warnings(const char *lines)
{
    (void)fflush(stdout);
    while (lines && *lines) {
        size_t length = strcspn(lines, "\n");
        print_warning("%.*s", (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

int command_failed(const char *format, ...)
{
    va_list arguments;
    (void)fflush(stdout);
    va_start(arguments, format);
    write_line(stderr, "connectordb: ", format, arguments, "");
    va_end(arguments);
    return EXIT_FAILED;
}

int usage_error(const char *command, const char *format, ...)
{
    char prefix[64], suffix[64];
    const char *name = command ? command : "", *blank = command ? " " : "";
    va_list arguments;
    (void)fflush(stdout);
    (void)snprintf(prefix, sizeof(prefix), "connectordb%s%s: ", blank, name);
    (void)snprintf(suffix, sizeof(suffix), "; see connectordb %s%s--help", name, blank);
    va_start(arguments, format);
    write_line(stderr, prefix, format, arguments, suffix);
    va_end(arguments);
    return EXIT_USAGE;
}
