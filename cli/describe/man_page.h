/* Pages of the manual in the language of scdoc(5), made from the tables of commands and options. */
#ifndef CONNECTORDB_MAN_PAGE_H
#define CONNECTORDB_MAN_PAGE_H

#include "commands.h"
#include "options.h"

#include <stdio.h>

/* Writes connectordb-NAME(1). prose: what a person wrote about the command, in scdoc; "" = nothing. What of
 * it is before its first heading continues the description; its sections follow the options. */
void man_page_of_command(
    FILE *page, const struct command *command, const struct command_line *line, const char *prose);
/* Writes connectordb(1), which lists the commands. Any command line will do: only the common options of it
 * are described. */
void man_page_of_program(FILE *page, const struct command_line *line, const char *prose);
/* Writes connectordb.conf(5): the text of the default configuration, whose comments explain every key. */
void man_page_of_configuration(FILE *page, const char *text, const char *prose);

#endif
