#include "commands.h"

#include "database.h"
#include "inherited.h"
#include "log.h"
#include "options.h"
#include "serve_options.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 1024, LOG_FILE_MODE = 0600 };

/* The message of the daemon to the process that started it, through a pipe: one byte, then a line of text. */
enum { REPORT_GOOD = '+', REPORT_FAILED = '-' };

static void report(int pipe_end, char kind, const char *text)
{
    char line[REPORT_BYTES_MAX];
    int size = snprintf(line, sizeof(line), "%c%s", kind, text);
    if (size >= (int)sizeof(line))
        size = (int)sizeof(line) - 1;
    if (write(pipe_end, line, (size_t)size) < 0)
        log_warn("nobody waits for the start: %s", strerrordesc_np(errno));
    (void)close(pipe_end);
}

/* From now on nothing of the terminal is held; what libraries print goes to the log file. */
static int leave_terminal(const char *logfile, struct error *ret_error)
{
    (void)setsid(); /* a child of fork leads no group yet, so that this works */
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int log = open(logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, LOG_FILE_MODE);
    int r = 0;
    if (log < 0)
        r = error_set(ret_error, errno, "%s: cannot open the log: %s", logfile, strerrordesc_np(errno));
    else if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
             dup2(log, STDERR_FILENO) < 0 || chdir("/") < 0)
        r = error_set(ret_error, errno, "cannot leave the terminal: %s", strerrordesc_np(errno));
    if (null >= 0)
        (void)close(null);
    if (log >= 0)
        (void)close(log);
    return r;
}

/* Closes every descriptor but 0-2 and `pipe_end`, which gets the next number: a daemon that kept what it
 * inherited would hold other programs' locks, pipes and deleted files for as long as it runs. Returns the
 * pipe's new number. */
static int keep_only(int pipe_end)
{
    const int kept = STDERR_FILENO + 1;
    if (pipe_end != kept && dup3(pipe_end, kept, O_CLOEXEC) < 0)
        return pipe_end; /* cannot happen: both numbers are valid */
    close_descriptors_from(kept + 1);
    return kept;
}

static int be_daemon(const struct serve_plan *plan, bool backend, int pipe_end)
{
    const struct service_options options = {.paths = &plan->paths,
        .role = SERVICE_ROLE_START,
        .configuration = &plan->configuration,
        .reread = serve_plan_reread,
        .context = plan,
        .backend = backend,
        .logfile = plan->logfile,
        .loglevel = plan->loglevel};
    struct service *service = NULL;
    struct error error = {0};
    service_block_signals(true);
    int r = leave_terminal(plan->logfile, &error);
    if (r < 0) { /* what is logged now would be a second line on the terminal */
        report(pipe_end, REPORT_FAILED, error.message);
        return EXIT_FAILED;
    }
    r = log_open(plan->logfile, plan->loglevel, &error);
    if (r == 0)
        r = service_open(&options, &service, &error);
    if (r < 0) {
        log_error("%s", error.message);
        report(pipe_end, REPORT_FAILED, error.message);
        return EXIT_FAILED;
    }
    report(pipe_end, REPORT_GOOD, service_greeting(service));
    service_wait(service);
    r = service_close(service, &error);
    if (r < 0)
        log_error("%s", error.message);
    else
        log_info("stopped");
    log_close();
    return r < 0 ? EXIT_FAILED : EXIT_GOOD;
}

/* Waits until the daemon answers or fails. */
static int await_report(int pipe_end, pid_t daemon, const struct serve_plan *plan)
{
    char line[REPORT_BYTES_MAX];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof(line) - 1 && (got = read(pipe_end, line + size, sizeof(line) - 1 - size)) != 0) {
        if (got > 0)
            size += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    line[size] = '\0';
    if (size == 0)
        return command_failed("the server ended before it answered: see %s", plan->logfile);
    if (line[0] != REPORT_GOOD)
        return command_failed("%s", line + 1);
    if (!common_options.quiet)
        print_line("%s; log: %s; process %d; connectordb stop %s stops it", line + 1, plan->logfile, daemon,
            plan->paths.directory);
    return EXIT_GOOD;
}

static int start(const struct serve_plan *plan, bool backend)
{
    int ends[2];
    struct error error = {0};
    if (getpid() == 1)
        return command_failed(
            "start: this is the first process of a container, which would end with it: use connectordb run");
    print_warnings(plan->configuration.unknown); /* the log has them too; but who mistypes a key looks here */
    if (database_await(plan->paths.directory, &error) < 0)
        return command_failed("%s", error.message);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return command_failed("cannot make a pipe: %s", strerrordesc_np(errno));
    (void)fflush(stdout);
    pid_t daemon = fork();
    if (daemon < 0)
        return command_failed("cannot start a process: %s", strerrordesc_np(errno));
    if (daemon == 0)
        exit(be_daemon(plan, backend, keep_only(ends[1])));
    (void)close(ends[1]);
    int exit_code = await_report(ends[0], daemon, plan);
    (void)close(ends[0]);
    if (exit_code != EXIT_GOOD)
        (void)waitpid(daemon, NULL, 0);
    return exit_code;
}

int command_start(int argc, char **argv)
{
    struct serve_options options;
    serve_options_init(&options);
    const struct command_line line = {"start DB",
        "Serves the database as a daemon and returns when it answers. It listens on 127.0.0.1:3124 unless "
        "the\n"
        "configuration (DB/connectordb.conf) or --host and --port say otherwise; the log goes to\n"
        "DB/connectordb.log unless the configuration or --logfile names another file.",
        options.entries, SERVE_OPTION_COUNT, 1, 1};
    struct serve_plan plan;
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    if (serve_plan_make(&options, arguments[0], DATABASE_LOG_FILE_NAME, &plan, &error) < 0)
        return command_failed("%s", error.message);
    exit_code = start(&plan, options.backend);
    serve_plan_free(&plan);
    return exit_code;
}
