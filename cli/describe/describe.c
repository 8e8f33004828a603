/* Describes the commands of the program from their tables: manual pages in scdoc's language and the
 * completion for bash. A program of the build; docs/decisions/0026-packaging.md says why.
 *
 * usage: describe FOLDER SOURCES
 *
 * FOLDER gets connectordb.1.scd, connectordb-COMMAND.1.scd for each command, connectordb.conf.5.scd, and
 * connectordb.bash. Files that
 * would not change are not written. SOURCES is this layer's folder: manual/COMMAND.scd continues a page,
 * describe/completion.bash is what all completions share. */
#include "completion.h"
#include "man_page.h"
#include "output.h"

#include "configuration.h"
#include "file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 1 << 20, FILE_MODE = 0666 };

/* A file that grows in memory. */
struct text {
    char *data;
    size_t size;
    FILE *file;
};

struct description {
    const char *folder, *sources;
    const struct command *command; /* the one that is asked for its command line */
    struct text options, values, arguments;
};

static void fail(const struct error *error)
{
    exit(command_failed("%s", error->message));
}

static FILE *open_text(struct text *text)
{
    text->file = open_memstream(&text->data, &text->size);
    if (!text->file)
        exit(command_failed("out of memory"));
    return text->file;
}

static void close_text(struct text *text)
{
    if (fclose(text->file) != 0)
        exit(command_failed("out of memory"));
}

/* The content of SOURCES/folder/name, ended by a NUL. Of a file that is not there: "" if it is optional. */
static char *read_source(const char *sources, const char *folder, const char *name, bool optional)
{
    char path[PATH_MAX];
    struct buffer bytes = {0};
    struct error error = {0};
    (void)snprintf(path, sizeof(path), "%s/%s/%s", sources, folder, name);
    int r = file_read(path, TEXT_BYTES_MAX, &bytes, &error);
    if (r < 0 && !(optional && r == -ENOENT))
        fail(&error);
    if (buffer_append(&bytes, "", 1) < 0)
        exit(command_failed("out of memory"));
    return (char *)bytes.data;
}

/* Writes FOLDER/name unless it has this content; frees the text. */
static void write_text(const char *folder, const char *name, struct text *text)
{
    char path[PATH_MAX];
    struct buffer old = {0};
    struct error error = {0};
    close_text(text);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    bool same = file_read(path, TEXT_BYTES_MAX, &old, &error) == 0 && old.size == text->size &&
                memcmp(old.data, text->data, old.size) == 0;
    buffer_free(&old);
    if (!same) {
        (void)unlink(path);
        if (file_write_new(path, FILE_MODE, text->data, text->size, false, &error) < 0)
            fail(&error);
    }
    free(text->data);
}

static void write_configuration(const struct description *description)
{
    struct text page;
    char *prose = read_source(description->sources, "manual", "connectordb.conf.scd", false);
    man_page_of_configuration(open_text(&page), configuration_default_text(), prose);
    free(prose);
    write_text(description->folder, "connectordb.conf.5.scd", &page);
}

static void write_program(struct description *description, const struct command_line *line)
{
    struct text page, script;
    char *prose = read_source(description->sources, "manual", "connectordb.scd", false);
    man_page_of_program(open_text(&page), line, prose);
    free(prose);
    write_text(description->folder, "connectordb.1.scd", &page);
    close_text(&description->options);
    close_text(&description->values);
    close_text(&description->arguments);
    char *logic = read_source(description->sources, "describe", "completion.bash", false);
    completion_write(open_text(&script), description->options.data, description->values.data,
        description->arguments.data, line, logic);
    free(logic);
    write_text(description->folder, "connectordb.bash", &script);
}

static void describe(void *context, const struct command_line *line)
{
    struct description *description = context;
    struct text page;
    char name[NAME_MAX + 1];
    const struct completion completion = {
        description->options.file, description->values.file, description->arguments.file};
    (void)snprintf(name, sizeof(name), "%s.scd", description->command->name);
    char *prose = read_source(description->sources, "manual", name, true);
    man_page_of_command(open_text(&page), description->command, line, prose);
    free(prose);
    (void)snprintf(name, sizeof(name), "connectordb-%s.1.scd", description->command->name);
    write_text(description->folder, name, &page);
    completion_add(&completion, description->command, line);
    if (!description->command[1].name)
        write_program(description, line);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return usage_error(NULL, "usage: describe FOLDER SOURCES");
    struct description description = {.folder = argv[1], .sources = argv[2], .command = commands};
    (void)open_text(&description.options);
    (void)open_text(&description.values);
    (void)open_text(&description.arguments);
    command_line_observe(describe, &description);
    for (; description.command->name; description.command++) {
        char name[NAME_MAX + 1];
        char *arguments[] = {name, NULL};
        (void)snprintf(name, sizeof(name), "%s", description.command->name);
        (void)description.command->run(1, arguments);
    }
    write_configuration(&description);
    free(description.options.data);
    free(description.values.data);
    free(description.arguments.data);
    return EXIT_GOOD;
}
