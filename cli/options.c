#include "options.h"

#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct common_options common_options;

static bool help_wanted;
static command_line_observer *observer;
static void *observer_context;

static const struct option_entry COMMON[] = {
    {.name = "help", .letter = 'h', .type = OPTION_FLAG, .help = "shows this", .target = &help_wanted},
    {.name = "loglevel",
        .letter = 'l',
        .type = OPTION_TEXT,
        .value = "debug|info|warn|error",
        .help = "logs lines of this severity and above; default info",
        .target = &common_options.loglevel},
    {.name = "logfile",
        .type = OPTION_TEXT,
        .value = "FILE",
        .help = "appends the log to FILE",
        .target = &common_options.logfile},
    {.name = "quiet",
        .letter = 'q',
        .type = OPTION_FLAG,
        .help = "says nothing but errors",
        .target = &common_options.quiet},
    {.name = "as-owner",
        .type = OPTION_FLAG,
        .help = "root only: works as the user that DB belongs to",
        .target = &common_options.as_owner},
    {.name = "cpuprofile", .type = OPTION_OBSOLETE_TEXT, .value = "FILE", .help = "use perf to profile"},
};

enum {
    COMMON_COUNT = sizeof(COMMON) / sizeof(COMMON[0]),
    OPTIONS_MAX = 32,
    CODE_BASE = 256, /* getopt's code of the first option: above all letters */
};

bool option_is_obsolete(const struct option_entry *entry)
{
    return entry->type == OPTION_OBSOLETE || entry->type == OPTION_OBSOLETE_TEXT;
}

bool option_takes_value(const struct option_entry *entry)
{
    return entry->type == OPTION_TEXT || entry->type == OPTION_NUMBER || entry->type == OPTION_OBSOLETE_TEXT;
}

size_t command_line_option_count(const struct command_line *line)
{
    return line->option_count + COMMON_COUNT;
}

const struct option_entry *command_line_option(const struct command_line *line, size_t i)
{
    return i < line->option_count ? &line->options[i] : &COMMON[i - line->option_count];
}

static void print_help(const struct command_line *line)
{
    enum { COLUMN = 28 };
    printf("connectordb %s\n\n%s\n\nOptions:\n", line->usage, line->about);
    for (size_t i = 0; i < command_line_option_count(line); i++) {
        const struct option_entry *entry = command_line_option(line, i);
        char left[COLUMN + 64];
        if (option_is_obsolete(entry))
            continue;
        (void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s", entry->letter ? '-' : ' ',
            entry->letter ? entry->letter : ' ', entry->letter ? ',' : ' ', entry->name,
            entry->value ? " " : "", entry->value ? entry->value : "");
        if (strlen(left) > COLUMN)
            printf("  %s\n  %-*s %s\n", left, COLUMN, "", entry->help);
        else
            printf("  %-*s %s\n", COLUMN, left, entry->help);
    }
}

static int set_number(const char *command, const struct option_entry *entry, const char *text)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < entry->minimum || number > entry->maximum)
        return usage_error(command, "--%s must be a number from %ld to %ld, not '%s'", entry->name,
            entry->minimum, entry->maximum, text);
    *(long *)entry->target = number;
    return EXIT_GOOD;
}

static int set_option(const char *command, const struct option_entry *entry, const char *text)
{
    switch (entry->type) {
    case OPTION_FLAG:
        *(bool *)entry->target = true;
        return EXIT_GOOD;
    case OPTION_TEXT:
        *(const char **)entry->target = text;
        return EXIT_GOOD;
    case OPTION_NUMBER:
        return set_number(command, entry, text);
    case OPTION_OBSOLETE:
    case OPTION_OBSOLETE_TEXT:
        (void)fprintf(
            stderr, "connectordb %s: note: --%s has no effect: %s\n", command, entry->name, entry->help);
        return EXIT_GOOD;
    }
    return EXIT_GOOD;
}

/* getopt's form of the table. A "+" or ":" at the front of `letters` is getopt's syntax: report a missing
 * value as ':'. */
static void fill_getopt(const struct command_line *line, struct option *long_options, char *letters)
{
    *letters++ = ':';
    for (size_t i = 0; i < command_line_option_count(line); i++) {
        const struct option_entry *entry = command_line_option(line, i);
        *long_options++ = (struct option){entry->name,
            option_takes_value(entry) ? required_argument : no_argument, NULL, CODE_BASE + (int)i};
        if (!entry->letter)
            continue;
        *letters++ = entry->letter;
        if (option_takes_value(entry))
            *letters++ = ':';
    }
    *long_options = (struct option){0};
    *letters = '\0';
}

static const struct option_entry *find_entry(const struct command_line *line, int code)
{
    if (code >= CODE_BASE)
        return command_line_option(line, (size_t)(code - CODE_BASE));
    for (size_t i = 0; i < command_line_option_count(line); i++) {
        if (command_line_option(line, i)->letter == (char)code)
            return command_line_option(line, i);
    }
    return NULL;
}

static int check_arguments(const struct command_line *line, const char *command, int count, char **arguments)
{
    enum log_level level;
    if (count < line->arguments_min)
        return usage_error(command, "usage: connectordb %s", line->usage);
    if (line->arguments_max >= 0 && count > line->arguments_max)
        return usage_error(command, "does not know what to do with '%s'", arguments[line->arguments_max]);
    if (common_options.loglevel && !log_level_parse(common_options.loglevel, &level))
        return usage_error(
            command, "--loglevel must be debug, info, warn or error, not '%s'", common_options.loglevel);
    return EXIT_GOOD;
}

/* ConnectorDB 0.3 took -l=error and -p=0 as well: a value behind a letter may begin with '='. */
static const char *option_value(int code, const char *text)
{
    return code < CODE_BASE && text && *text == '=' ? text + 1 : text;
}

void command_line_observe(command_line_observer *function, void *context)
{
    observer = function;
    observer_context = context;
}

bool command_line_parse(
    const struct command_line *line, int argc, char **argv, char ***ret_arguments, int *ret_exit_code)
{
    struct option long_options[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 2];
    const char *command = argv[0];
    int code;
    *ret_exit_code = EXIT_GOOD;
    if (observer) {
        observer(observer_context, line);
        return false;
    }
    fill_getopt(line, long_options, letters);
    optind = 0; /* glibc: start anew */
    opterr = 0;
    while (
        *ret_exit_code == EXIT_GOOD && (code = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        if (code == '?')
            *ret_exit_code = usage_error(command, "unknown option '%s'", argv[optind - 1]);
        else if (code == ':')
            *ret_exit_code = usage_error(command, "%s needs a value", argv[optind - 1]);
        else
            *ret_exit_code = set_option(command, find_entry(line, code), option_value(code, optarg));
    }
    if (*ret_exit_code == EXIT_GOOD && help_wanted) {
        print_help(line);
        return false;
    }
    if (*ret_exit_code == EXIT_GOOD)
        *ret_exit_code = check_arguments(line, command, argc - optind, argv + optind);
    *ret_arguments = argv + optind;
    return *ret_exit_code == EXIT_GOOD;
}
