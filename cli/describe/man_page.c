#include "man_page.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Text without markup: every character that scdoc could take for one is escaped. The lines of a paragraph,
 * which are broken for the help on a terminal, are joined. */
static void put_text(FILE *page, const char *text)
{
    for (; *text; text++) {
        if (ispunct((unsigned char)*text))
            (void)fputc('\\', page);
        (void)fputc(*text == '\n' ? ' ' : *text, page);
    }
}

/* "export DB|URL DIR [PATH...]": words to be typed are bold, words that stand for something underlined. */
static void put_usage(FILE *page, const char *usage)
{
    char mark = '\0', wanted;
    for (;; usage++) {
        wanted = islower((unsigned char)*usage) || (*usage == '-' && mark != '_') ? '*'
                 : isupper((unsigned char)*usage)                                 ? '_'
                 : isdigit((unsigned char)*usage)                                 ? mark
                                                                                  : '\0';
        if (mark && mark != wanted)
            (void)fputc(mark, page);
        if (wanted && mark != wanted)
            (void)fputc(wanted, page);
        mark = wanted;
        if (!*usage)
            return;
        if (ispunct((unsigned char)*usage) && *usage != '|') /* behind an escape scdoc underlines nothing */
            (void)fputc('\\', page);
        (void)fputc(*usage, page);
    }
}

static void put_option(FILE *page, const struct option_entry *entry)
{
    if (entry->letter)
        (void)fprintf(page, "*\\-%c*, ", entry->letter);
    (void)fputs("*\\-\\-", page);
    put_text(page, entry->name);
    (void)fputc('*', page);
    if (entry->value) {
        (void)fputc(' ', page);
        put_usage(page, entry->value);
    }
    (void)fputs("\n\t", page);
    put_text(page, entry->help);
    if (entry->type == OPTION_NUMBER)
        (void)fprintf(page, " \\(%ld to %ld\\)", entry->minimum, entry->maximum);
    (void)fputs("\n\n", page);
}

static void put_obsolete(FILE *page, const struct command_line *line, size_t from, size_t to)
{
    bool any = false;
    for (size_t i = from; i < to; i++) {
        const struct option_entry *entry = command_line_option(line, i);
        if (!option_is_obsolete(entry))
            continue;
        (void)fputs(any ? ", " : "Options of ConnectorDB 0.3 that are accepted and have no effect: ", page);
        (void)fputs("*\\-\\-", page);
        put_text(page, entry->name);
        (void)fputc('*', page);
        any = true;
    }
    (void)fputs(any ? ".\n\n" : "", page);
}

static void put_options(FILE *page, const struct command_line *line, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (!option_is_obsolete(command_line_option(line, i)))
            put_option(page, command_line_option(line, i));
    }
    put_obsolete(page, line, from, to);
}

/* The end of the text before the first heading of the prose. */
static size_t introduction_size(const char *prose)
{
    if (!strncmp(prose, "# ", 2))
        return 0;
    const char *heading = strstr(prose, "\n# ");
    return heading ? (size_t)(heading + 1 - prose) : strlen(prose);
}

static void put_exit_status(FILE *page)
{
    (void)fputs("# EXIT STATUS\n\n"
                "*0*\n\tSuccess.\n\n"
                "*1*\n\tFailure. One line on standard error says what failed, where, and what to do.\n\n"
                "*2*\n\tWrong usage. Nothing was done.\n\n",
        page);
}

void man_page_of_command(
    FILE *page, const struct command *command, const struct command_line *line, const char *prose)
{
    size_t introduction = introduction_size(prose);
    (void)fprintf(
        page, "connectordb-%s(1) \"ConnectorDB %s\" \"ConnectorDB\"\n\n", command->name, CONNECTORDB_VERSION);
    (void)fprintf(page, "# NAME\n\nconnectordb-%s - ", command->name);
    put_text(page, command->summary);
    (void)fputs("\n\n# SYNOPSIS\n\n*connectordb* ", page);
    put_usage(page, line->usage);
    (void)fputs(" \\[_OPTION_\\.\\.\\.\\]\n\n# DESCRIPTION\n\n", page);
    put_text(page, line->about);
    (void)fprintf(page, "\n\n%.*s\n# OPTIONS\n\n", (int)introduction, prose);
    put_options(page, line, 0, command_line_option_count(line));
    (void)fprintf(page, "%s\n", prose + introduction);
    put_exit_status(page);
    (void)fputs("# SEE ALSO\n\n*connectordb*(1)\n", page);
}

void man_page_of_program(FILE *page, const struct command_line *line, const char *prose)
{
    size_t introduction = introduction_size(prose);
    (void)fprintf(page, "connectordb(1) \"ConnectorDB %s\" \"ConnectorDB\"\n\n", CONNECTORDB_VERSION);
    (void)fputs("# NAME\n\nconnectordb - keeps datapoints of sensors, phones and people\n\n"
                "# SYNOPSIS\n\n*connectordb* _COMMAND_ \\[_ARGUMENT_\\.\\.\\.\\] \\[_OPTION_\\.\\.\\.\\]\n\n"
                "*connectordb* *\\-\\-help*|*\\-\\-version*|*\\-\\-semver*\n\n# DESCRIPTION\n\n",
        page);
    (void)fprintf(page, "%.*s\n# COMMANDS\n\n", (int)introduction, prose);
    for (const struct command *command = commands; command->name; command++) {
        (void)fprintf(page, "*connectordb\\-%s*(1)\n\t", command->name);
        put_text(page, command->summary);
        (void)fputs("\n\n", page);
    }
    (void)fputs("# OPTIONS\n\nEvery command takes these, before or behind its name.\n\n", page);
    put_options(page, line, line->option_count, command_line_option_count(line));
    (void)fputs(
        "*\\-\\-version*, *\\-\\-semver*\n\tprint the version and exit; only in place of a command\n\n",
        page);
    (void)fprintf(page, "%s\n", prose + introduction);
    put_exit_status(page);
    (void)fputs("# SEE ALSO\n\n*connectordb.conf*(5)\n\n" CONNECTORDB_DOCUMENTATION "/\n", page);
}

/* A block that scdoc prints as it is. */
static void put_literal(FILE *page, const char *text)
{
    (void)fputs("```\n", page);
    for (; *text; text++) {
        if (*text == '\\' || *text == '`')
            (void)fputc('\\', page);
        (void)fputc(*text, page);
    }
    (void)fputs("```\n\n", page);
}

void man_page_of_configuration(FILE *page, const char *text, const char *prose)
{
    size_t introduction = introduction_size(prose);
    (void)fprintf(page, "connectordb.conf(5) \"ConnectorDB %s\" \"ConnectorDB\"\n\n", CONNECTORDB_VERSION);
    (void)fprintf(page,
        "# NAME\n\nconnectordb.conf - configuration of a ConnectorDB database\n\n# DESCRIPTION\n\n%.*s\n",
        (int)introduction, prose);
    put_literal(page, text);
    (void)fprintf(page, "%s\n# SEE ALSO\n\n*connectordb*(1), *connectordb-write*(1)\n", prose + introduction);
}
