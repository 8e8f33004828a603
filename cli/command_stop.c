#include "commands.h"

#include "control.h"
#include "database.h"
#include "options.h"
#include "place.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { STOP_SECONDS_MAX = 300 }; /* a clean end writes what is in flight; it takes a second */

/* The process to signal: who answers the control socket; a server that is still opening or already closing
 * its database has none, but holds the LOCK and is written down. *ret_pid = 0: nobody serves the database. */
static int find_server(const struct place *place, pid_t *ret_pid, struct error *ret_error)
{
    struct wire wire;
    int r = database_is_locked(place->directory);
    if (r < 0)
        return error_set(ret_error, -r, "%s/LOCK: %s", place->directory, strerrordesc_np(-r));
    if (r == 0) {
        *ret_pid = 0;
        return 0;
    }
    r = control_connect(place->directory, &wire, ret_pid, ret_error);
    if (r == 1)
        wire_free(&wire);
    if (r == 0)
        *ret_pid = place_read_pid(place);
    if (r == 0 && *ret_pid == 0)
        return error_set(ret_error, EBUSY,
            "%s: a connectordb command that is no server works on it; end that one, or wait",
            place->directory);
    return r < 0 ? r : 0;
}

static int stop(const struct place *place, struct error *ret_error)
{
    pid_t pid, again;
    int r = find_server(place, &pid, ret_error);
    if (r < 0)
        return r;
    if (pid == 0)
        return error_set(ret_error, ESRCH, "%s: no server is running", place->directory);
    int process = pidfd_open(pid, 0);
    if (process < 0 && errno == ESRCH)
        return 0; /* it ended by itself meanwhile */
    if (process < 0)
        return error_set(ret_error, errno, "process %d: %s", pid, strerrordesc_np(errno));
    /* The descriptor is of one process for good; that it is still the server's shows only now. */
    r = find_server(place, &again, ret_error);
    if (r == 0 && again == pid && pidfd_send_signal(process, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
        r = error_set(ret_error, errno, "cannot stop process %d: %s", pid, strerrordesc_np(errno));
    struct pollfd wait = {.fd = process, .events = POLLIN};
    int ended = 1;
    if (r == 0 && again == pid) {
        do {
            ended = poll(&wait, 1, STOP_SECONDS_MAX * 1000);
        } while (ended < 0 && errno == EINTR);
    }
    (void)close(process);
    if (r == 0 && ended != 1)
        r = error_set(ret_error, ETIMEDOUT, "process %d does not end: see its log", pid);
    return r;
}

int command_stop(int argc, char **argv)
{
    const struct command_line line = {"stop DB",
        "Stops the server of the database and returns when it is gone. What was acknowledged is on disk.",
        NULL, 0, 1, 1};
    struct place place;
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int r = place_find(arguments[0], &place, &error);
    if (r == 0)
        r = stop(&place, &error);
    if (r < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet)
        printf("stopped\n");
    return EXIT_GOOD;
}
