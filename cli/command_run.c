#include "commands.h"

#include "log.h"
#include "options.h"
#include "serve_options.h"
#include "service.h"

#include <stdio.h>

static int serve(const struct serve_plan *plan, bool backend, struct error *ret_error)
{
    struct service *service;
    const struct service_options options = {.paths = &plan->paths,
        .role = SERVICE_ROLE_RUN,
        .configuration = &plan->configuration,
        .reread = serve_plan_reread,
        .context = plan,
        .backend = backend,
        .logfile = *plan->logfile ? plan->logfile : NULL,
        .loglevel = plan->loglevel};
    int r = service_open(&options, &service, ret_error);
    if (r < 0)
        return r;
    if (!common_options.quiet)
        print_line("%s; Ctrl-C stops it", service_greeting(service));
    (void)fflush(stdout);
    service_wait(service);
    return service_close(service, ret_error);
}

int command_run(int argc, char **argv)
{
    struct serve_options options;
    serve_options_init(&options);
    const struct command_line line = {"run DB",
        "Serves the database in the foreground until Ctrl-C or connectordb stop. The log goes to standard "
        "error\n"
        "unless the configuration or --logfile names a file.",
        options.entries, SERVE_OPTION_COUNT, 1, 1};
    struct serve_plan plan;
    struct error error = {0};
    char **arguments;
    int exit_code;
    if (!command_line_parse(&line, argc, argv, &arguments, &exit_code))
        return exit_code;
    int r = serve_plan_make(&options, arguments[0], NULL, &plan, &error);
    if (r < 0)
        return command_failed("%s", error.message);
    service_block_signals(*plan.logfile != '\0');
    r = log_open(plan.logfile, plan.loglevel, &error);
    if (r == 0)
        r = serve(&plan, options.backend, &error);
    serve_plan_free(&plan);
    log_close();
    return r < 0 ? command_failed("%s", error.message) : EXIT_GOOD;
}
