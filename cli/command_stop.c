#include "commands.h"

#include "control.h"
#include "database.h"
#include "options.h"
#include "database_paths.h"
#include "service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
    STOP_SECONDS_MAX = 300, /* a clean end writes what is in flight; it takes a second */
    ATTEMPTS_MAX = 10,      /* a server may end, and another one start, between two looks */
};

static bool is_server(const struct database_holder *holder)
{
    return !holder->role[0] || !strcmp(holder->role, SERVICE_ROLE_RUN) ||
           !strcmp(holder->role, SERVICE_ROLE_START);
}

static int not_running(const char *directory, struct error *ret_error)
{
    return error_set(ret_error, ESRCH, "%s: no server is running", directory);
}

static int refuse_elsewhere(const char *directory, struct error *ret_error)
{
    return error_set(ret_error, EBUSY,
        "%s: its server runs in another container (PID namespace) or on another machine: run connectordb "
        "stop there",
        directory);
}

/* The pid that answers for the database: of the holder that the LOCK names, or of the server behind the
 * control socket where the holder cannot be told apart from another process with its pid. -ESRCH: no server
 * is running. */
static int find_server(const char *directory, pid_t *ret_pid, struct error *ret_error)
{
    struct database_holder holder;
    struct control_connection connection;
    int r = database_find_holder(directory, &holder, ret_error);
    if (r < 0)
        return r;
    if (r == 0)
        return not_running(directory, ret_error);
    if (holder.state == DATABASE_HOLDER_ELSEWHERE)
        return refuse_elsewhere(directory, ret_error);
    if (holder.state ==
        DATABASE_HOLDER_GONE) { /* until the kernel has released the LOCK of a killed process */
        r = database_await(directory, ret_error);
        return r < 0 ? r : not_running(directory, ret_error);
    }
    if (!is_server(&holder))
        return error_set(ret_error, EBUSY,
            "%s: no server is running; process %d (connectordb %s) has it open: wait for its end", directory,
            holder.pid, holder.role);
    if (holder.state == DATABASE_HOLDER_KNOWN) {
        *ret_pid = holder.pid;
        return 0;
    }
    r = control_connect(directory, &connection, ret_pid, ret_error);
    if (r < 0)
        return r;
    if (r == 0)
        return error_set(ret_error, EBUSY,
            "%s is in use by a process that cannot be identified: end it by its pid (LOCK names %d) when you "
            "know that it is right",
            directory, holder.pid);
    control_free(&connection);
    return *ret_pid == 0 ? refuse_elsewhere(directory, ret_error) : 0;
}

/* *ret_process: a pidfd of the server, which stays of that process whatever becomes of its pid. That it is
 * the server is certain only when the same pid answers after it was opened. */
static int open_server(const char *directory, pid_t *ret_pid, int *ret_process, struct error *ret_error)
{
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        pid_t pid, again;
        int r = find_server(directory, &pid, ret_error);
        if (r < 0)
            return r;
        int process = pidfd_open(pid, 0);
        if (process < 0 && errno != ESRCH)
            return error_set(ret_error, errno, "process %d: %s", pid, strerrordesc_np(errno));
        r = process < 0 ? 0 : find_server(directory, &again, ret_error);
        if (process >= 0 && r == 0 && again == pid) {
            *ret_pid = pid;
            *ret_process = process;
            return 0;
        }
        if (process >= 0)
            (void)close(process);
        if (r < 0)
            return r;
    }
    return error_set(ret_error, EAGAIN, "%s: one server after another has it: try again", directory);
}

static int await_end(int process, pid_t pid, struct error *ret_error)
{
    struct pollfd wait = {.fd = process, .events = POLLIN};
    int ended;
    do {
        ended = poll(&wait, 1, STOP_SECONDS_MAX * 1000);
    } while (ended < 0 && errno == EINTR);
    return ended == 1 ? 0 : error_set(ret_error, ETIMEDOUT, "process %d does not end: see its log", pid);
}

static int stop(const char *directory, struct error *ret_error)
{
    pid_t pid = 0;
    int process = -1;
    int r = open_server(directory, &pid, &process, ret_error);
    if (r < 0)
        return r;
    if (pidfd_send_signal(process, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
        r = error_set(ret_error, errno, "cannot stop process %d: %s%s", pid, strerrordesc_np(errno),
            errno == EPERM ? ": run connectordb stop as the user who started it" : "");
    if (r == 0)
        r = await_end(process, pid, ret_error);
    (void)close(process);
    return r;
}

int command_stop(int argc, char **argv)
{
    const struct command_line line = {"stop DB",
        "Stops the server of the database and returns when it is gone. What was acknowledged is on disk.",
        NULL, 0, 1, 1};
    struct database_paths paths;
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int r = database_paths_find(arguments[0], &paths, &error);
    if (r == 0)
        r = stop(paths.directory, &error);
    if (r < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet)
        print_line("stopped");
    return EXIT_GOOD;
}
