#include "job.h"

#include "inherited.h"
#include "log.h"
#include "options.h"
#include "database_paths.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool cancelled; /* set by signals */

static void cancel(int signal_number)
{
    (void)signal_number;
    atomic_store(&cancelled, true);
}

/* The first signal cancels the work, a second one ends the process. A signal that was ignored when this
 * process was started (nohup, a job in the background of a script) stays ignored; SIGTERM always ends it. */
void job_catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGHUP, SIGTERM};
    struct sigaction action = {.sa_handler = cancel, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (signals[i] == SIGTERM || !signal_is_ignored(signals[i]))
            (void)sigaction(signals[i], &action, NULL);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

int job_folder_path(const char *path, char absolute[PATH_MAX], bool is_new, struct error *ret_error)
{
    char parent[PATH_MAX], copy[PATH_MAX];
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    if (size >= PATH_MAX || size == 0)
        return error_set(ret_error, ENAMETOOLONG, "'%.100s' is no usable path", path);
    if (!is_new) {
        if (!realpath(path, absolute))
            return error_set(ret_error, errno, "%s: %s", path, strerrordesc_np(errno));
        return 0;
    }
    memcpy(copy, path, size);
    copy[size] = '\0';
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    if (!strcmp(name, ".") || !strcmp(name, "..") || !*name)
        return error_set(ret_error, EEXIST, "%s exists: this goes into a new folder", path);
    const char *above = !slash ? "." : slash == copy ? "/" : copy;
    if (slash)
        *slash = '\0';
    if (!realpath(*above ? above : "/", parent))
        return error_set(ret_error, errno, "%s: %s", *above ? above : "/", strerrordesc_np(errno));
    return path_join(strcmp(parent, "/") ? parent : "", name, absolute, ret_error);
}

const atomic_bool *job_cancelled(void)
{
    return &cancelled;
}

int job_open_log(struct error *ret_error)
{
    enum log_level level = LOG_WARN;
    if (common_options.loglevel)
        (void)log_level_parse(common_options.loglevel, &level); /* valid, or the command line was refused */
    return log_open(common_options.logfile, level, ret_error);
}
