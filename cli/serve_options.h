/* Shared by start and run: their options, the configuration that these change, and the log. */
#ifndef CONNECTORDB_SERVE_OPTIONS_H
#define CONNECTORDB_SERVE_OPTIONS_H

#include "configuration.h"
#include "log.h"
#include "options.h"
#include "database_paths.h"

#include <stdbool.h>

enum { SERVE_OPTION_COUNT = 12 };

struct serve_options {
    bool backend, http, force;
    long port; /* -1: as configured */
    const char *host;
    struct option_entry entries[SERVE_OPTION_COUNT];
};

/* Sets the defaults and fills in the table, which points into *options. */
void serve_options_init(struct serve_options *options);

struct serve_plan {
    const struct serve_options *options;
    struct database_paths paths;
    struct configuration configuration;
    char logfile[PATH_MAX]; /* "" = standard error */
    enum log_level loglevel;
};

/* Reads the configuration of the database and applies the command line (borrowed while the plan is used).
 * logfile: the default one, NULL = standard error. Free with serve_plan_free. */
int serve_plan_make(const struct serve_options *options, const char *database, const char *logfile,
    struct serve_plan *ret_plan, struct error *ret_error);
/* The configuration as it is now, with the command line of the plan applied. As service_options.reread. */
int serve_plan_reread(const void *plan, struct configuration *ret_configuration, struct error *ret_error);
/* Frees what the plan owns; accepts a zeroed one. */
void serve_plan_free(struct serve_plan *plan);

#endif
