#include "serve_options.h"

#include "database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_OTHER_SERVER "ConnectorDB is one program now and needs no other server"
#define NO_WEBSITE "there is no website to join on"

void serve_options_init(struct serve_options *options)
{
    *options = (struct serve_options){.port = -1};
    const struct option_entry entries[] = {
        {"backend", 0, OPTION_FLAG, NULL, "opens the database without HTTP", &options->backend, 0, 0},
        {"port", 'p', OPTION_NUMBER, "N", "port of HTTP; 0 picks a free one", &options->port, 0, 65535},
        {"host", 0, OPTION_TEXT, "H", "address to listen on; :: is every one; default 127.0.0.1, ::1",
            &options->host, 0, 0},
        {"http", 0, OPTION_FLAG, NULL, "plain HTTP, whatever the configuration says of TLS", &options->http,
            0, 0},
        {"force", 0, OPTION_FLAG, NULL,
            "clears what a killed server left (done anyway); never a live server's LOCK", &options->force, 0,
            0},
        {"join", 0, OPTION_OBSOLETE, NULL, NO_WEBSITE, NULL, 0, 0},
        {"frontend", 0, OPTION_OBSOLETE, NULL, NO_OTHER_SERVER, NULL, 0, 0},
        {"redis", 0, OPTION_OBSOLETE, NULL, NO_OTHER_SERVER, NULL, 0, 0},
        {"nats", 0, OPTION_OBSOLETE, NULL, NO_OTHER_SERVER, NULL, 0, 0},
        {"sql", 0, OPTION_OBSOLETE, NULL, NO_OTHER_SERVER, NULL, 0, 0},
        {"vvv", 0, OPTION_OBSOLETE, NULL, "use --loglevel debug", NULL, 0, 0},
        {"pprof", 0, OPTION_OBSOLETE, NULL, "use perf to profile", NULL, 0, 0},
    };
    _Static_assert(sizeof(entries) == sizeof(options->entries), "SERVE_OPTION_COUNT");
    memcpy(options->entries, entries, sizeof(entries));
}

static int set_text(char **text, const char *value, struct error *ret_error)
{
    char *copy = strdup(value);
    if (!copy)
        return error_set(ret_error, ENOMEM, "out of memory");
    free(*text);
    *text = copy;
    return 0;
}

/* Relative names on the command line are meant from here, those in the configuration from the database. */
static int choose_log(struct serve_plan *plan, const char *fallback, struct error *ret_error)
{
    const char *level = plan->configuration.loglevel;
    if (!log_level_parse(level, &plan->loglevel))
        return error_set(ret_error, EINVAL, "loglevel must be debug, info, warn or error, not '%s'", level);
    const char *file = common_options.logfile;
    char here[PATH_MAX];
    const char *from = here;
    if (file && !getcwd(here, sizeof(here)))
        return error_set(ret_error, errno, "the current directory: %s", strerrordesc_np(errno));
    if (!file) {
        file = *plan->configuration.logfile ? plan->configuration.logfile : fallback;
        from = plan->paths.directory;
    }
    if (!file)
        return 0;
    if (file[0] == '/')
        return path_join("", file + 1, plan->logfile, ret_error);
    return path_join(from, file, plan->logfile, ret_error);
}

/* Applies the options that override the configuration. */
static int apply_options(
    const struct serve_options *options, struct configuration *configuration, struct error *ret_error)
{
    int r = 0;
    if (options->host)
        r = set_text(&configuration->hostname, options->host, ret_error);
    if (r == 0 && common_options.loglevel)
        r = set_text(&configuration->loglevel, common_options.loglevel, ret_error);
    if (options->port >= 0)
        configuration->port = (uint16_t)options->port;
    if (options->http)
        configuration_drop_tls(configuration);
    return r;
}

int serve_plan_reread(const void *context, struct configuration *ret_configuration, struct error *ret_error)
{
    const struct serve_plan *plan = context;
    struct configuration configuration;
    int r = database_paths_read_configuration(&plan->paths, &configuration, ret_error);
    if (r < 0)
        return r;
    r = apply_options(plan->options, &configuration, ret_error);
    if (r < 0)
        configuration_free(&configuration);
    else
        *ret_configuration = configuration;
    return r;
}

int serve_plan_make(const struct serve_options *options, const char *database, const char *logfile,
    struct serve_plan *ret_plan, struct error *ret_error)
{
    *ret_plan = (struct serve_plan){0};
    int r = database_paths_find(database, &ret_plan->paths, ret_error);
    if (r == 0) /* before the log is opened, which is a file of the database, too */
        r = database_check_owner(ret_plan->paths.directory, ret_error);
    if (r == 0)
        r = database_paths_read_configuration(&ret_plan->paths, &ret_plan->configuration, ret_error);
    if (r < 0)
        return r;
    ret_plan->options = options;
    r = apply_options(options, &ret_plan->configuration, ret_error);
    if (r == 0)
        r = choose_log(ret_plan, logfile, ret_error);
    if (r < 0)
        serve_plan_free(ret_plan);
    return r;
}

void serve_plan_free(struct serve_plan *plan)
{
    configuration_free(&plan->configuration);
}
