/* Shared by the commands that run for a while, in the server or by themselves. */
#ifndef CONNECTORDB_JOB_H
#define CONNECTORDB_JOB_H

#include "error.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

/* SIGINT, SIGHUP and SIGTERM set job_cancelled from now on. */
void job_catch_signals(void);
/* The flag that those signals set; static. */
const atomic_bool *job_cancelled(void);
/* Opens the log as the common options say. */
int job_open_log(struct error *ret_error);
/* The folder as an absolute path, as the server needs it; a new one's parent must exist. */
int job_folder_path(const char *path, char absolute[PATH_MAX], bool is_new, struct error *ret_error);

#endif
