#include "completion.h"

#include <string.h>

/* "--config -c " */
static void put_names(FILE *options, const struct option_entry *entry)
{
    if (option_is_obsolete(entry))
        return;
    (void)fprintf(options, "--%s ", entry->name);
    if (entry->letter)
        (void)fprintf(options, "-%c ", entry->letter);
}

/* command: "*" for all */
static void put_value(FILE *values, const char *command, const struct option_entry *entry)
{
    if (!option_takes_value(entry))
        return;
    (void)fprintf(values, "    %s:--%s", command, entry->name);
    if (entry->letter)
        (void)fprintf(values, " | %s:-%c", command, entry->letter);
    (void)fprintf(values, ") echo '%s' ;;\n", entry->value);
}

/* "export DB|URL DIR [PATH...]": a case for each word behind the first. */
static void put_arguments(FILE *arguments, const char *usage)
{
    int name_size = (int)strcspn(usage, " ");
    const char *at = usage + name_size;
    for (int number = 1; *at; number++) {
        at += strspn(at, " [");
        if (*at == '-') /* options that are always given */
            return;
        int size = (int)strcspn(at, " ].");
        const char *end = at + strcspn(at, " ");
        if (at[size] == '.') /* any number of them */
            (void)fprintf(arguments, "    %.*s:*) echo '%.*s' ;;\n", name_size, usage, size, at);
        else
            (void)fprintf(arguments, "    %.*s:%d) echo '%.*s' ;;\n", name_size, usage, number, size, at);
        at = end;
    }
}

void completion_add(
    const struct completion *completion, const struct command *command, const struct command_line *line)
{
    (void)fprintf(completion->options, "    %s) echo '", command->name);
    for (size_t i = 0; i < line->option_count; i++) {
        put_names(completion->options, &line->options[i]);
        put_value(completion->values, command->name, &line->options[i]);
    }
    (void)fputs("' ;;\n", completion->options);
    put_arguments(completion->arguments, line->usage);
}

void completion_write(FILE *script, const char *options, const char *values, const char *arguments,
    const struct command_line *line, const char *logic)
{
    size_t count = command_line_option_count(line);
    (void)fputs("# Completion of connectordb in bash, made from its tables of options.\n\n"
                "_connectordb_commands='",
        script);
    for (const struct command *command = commands; command->name; command++)
        (void)fprintf(script, "%s%s", command == commands ? "" : "|", command->name);
    (void)fprintf(script,
        "'\n\n# COMMAND: its options\n_connectordb_options() {\n    case $1 in\n%s"
        "    '') echo '--version --semver' ;;\n    esac\n    echo '",
        options);
    for (size_t i = line->option_count; i < count; i++)
        put_names(script, command_line_option(line, i));
    (void)fprintf(script,
        "'\n}\n\n# COMMAND OPTION: what it takes, nothing if it takes none\n"
        "_connectordb_value() {\n    case $1:$2 in\n%s",
        values);
    for (size_t i = line->option_count; i < count; i++)
        put_value(script, "*", command_line_option(line, i));
    (void)fprintf(script,
        "    esac\n}\n\n# COMMAND NUMBER: what the argument of that number is\n"
        "_connectordb_argument() {\n    case $1:$2 in\n%s    esac\n}\n\n%s",
        arguments, logic);
}
