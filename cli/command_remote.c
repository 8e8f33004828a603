/* export and import over the REST API of a server: DB is a URL. */
#include "command_remote.h"

#include "job.h"
#include "options.h"
#include "password_input.h"
#include "progress_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- credentials ---- */

/* Both come from the environment at best: arguments can be read by every user of the machine. */
static int find_credentials(const struct remote_login *login, struct remote_options *options,
    char password[PASSWORD_INPUT_BYTES_MAX + 1], struct error *ret_error)
{
    const char *key = getenv("CONNECTORDB_APIKEY"), *from_environment = getenv("CONNECTORDB_PASSWORD");
    options->user = login->user;
    options->password = password;
    if (!login->user) {
        if (!key || !*key)
            return error_set(ret_error, EINVAL,
                "who logs in? Give --user NAME, or the API key of a device in CONNECTORDB_APIKEY");
        options->password = key;
        return 0;
    }
    if (login->password_file)
        return password_read(login->password_file, password, ret_error);
    if (from_environment && *from_environment) {
        options->password = from_environment;
        return 0;
    }
    int r = password_ask(login->user, false, password, ret_error);
    return r == -ENOTTY ? error_set(ret_error, EINVAL,
                              "there is no terminal to ask for the password: use --password-file FILE or "
                              "CONNECTORDB_PASSWORD")
                        : r;
}

/* ---- running ---- */

static void print_losses(const struct remote_result *result)
{
    if (result->senders_lost > 0)
        print_line("%llu datapoints lost their sender: the REST API cannot set it",
            (unsigned long long)result->senders_lost);
    if (result->streams_skipped > 0)
        print_line("%llu stream%s of meta devices %s left out: the server writes them itself",
            (unsigned long long)result->streams_skipped, result->streams_skipped == 1 ? "" : "s",
            result->streams_skipped == 1 ? "was" : "were");
}

int run_remote(bool import, char **arguments, const struct remote_login *login,
    const struct transfer_options *transfer, long threads)
{
    char password[PASSWORD_INPUT_BYTES_MAX + 1] = "", directory[PATH_MAX];
    struct remote_options options = {.url = arguments[0],
        .ca_file = login->ca_file,
        .skip_verify = login->skip_verify,
        .transfer = *transfer};
    struct remote_result result = {0};
    struct progress_line line;
    struct error error = {0};
    struct stat status;
    job_catch_signals();
    progress_line_init(&line);
    options.transfer.threads = (unsigned)threads;
    options.transfer.cancel = job_cancelled();
    options.transfer.filters = (const char *const *)&arguments[2];
    while (arguments[2 + options.transfer.filter_count])
        options.transfer.filter_count++;
    if (!common_options.quiet) {
        options.transfer.progress = progress_line_show;
        options.transfer.context = &line;
    }
    int r = job_open_log(&error);
    bool is_new = !import && stat(arguments[1], &status) < 0;
    if (r == 0)
        r = job_folder_path(arguments[1], directory, is_new, &error);
    if (r == 0)
        r = find_credentials(login, &options, password, &error);
    if (r == 0)
        r = (import ? remote_import : remote_export)(directory, &options, &result, &error);
    explicit_bzero(password, sizeof(password));
    progress_line_clear(&line);
    if (r < 0)
        return command_failed("%s", error.message);
    if (!common_options.quiet) {
        progress_line_summary(import ? "imported" : "exported", &result.transfer);
        print_losses(&result);
    }
    return EXIT_GOOD;
}
