/* A database being served: opened, answering HTTP (unless it is a backend only) and the control socket, until
 * a signal ends it. */
#ifndef CONNECTORDB_SERVICE_H
#define CONNECTORDB_SERVICE_H

#include "configuration.h"
#include "error.h"
#include "log.h"
#include "database_paths.h"

#include <stdbool.h>

struct service;

/* The record of a server in the LOCK. */
#define SERVICE_ROLE_RUN "run"
#define SERVICE_ROLE_START "start"

struct service_options {
    const struct database_paths *paths;
    const char *role;                          /* the command, recorded in the LOCK */
    const struct configuration *configuration; /* borrowed until service_close */
    /* Reads the configuration once more; any thread. 0 or -errno. */
    int (*reread)(const void *context, struct configuration *ret_configuration, struct error *ret_error);
    const void *context;
    bool backend;        /* without HTTP */
    const char *logfile; /* reopened on SIGHUP; NULL: standard error, and SIGHUP ends the service that has
                            neither TLS nor a service manager */
    enum log_level loglevel;
};

/* Before service_open, and before any thread: blocks the signals that service_wait takes. has_logfile:
 * whether options.logfile will be set. */
void service_block_signals(bool has_logfile);
/* Takes the database's LOCK, opens it, writes the pid file, starts the server and the control socket, and
 * tells the service manager that it is ready. -EBUSY: another process has the database. */
int service_open(
    const struct service_options *options, struct service **ret_service, struct error *ret_error);
/* One line for the user: where it is to be found. Valid until service_close. */
const char *service_greeting(const struct service *service);
/* Returns when SIGTERM or SIGINT (or, without a log file, SIGHUP) came, and tells the service manager.
 * SIGINT, and SIGHUP without a log file, are left ignored when the process was started so. */
void service_wait(struct service *service);
/* Ends it cleanly. 0, or what failed (everything is freed all the same). Accepts NULL. */
int service_close(struct service *service, struct error *ret_error);

#endif
