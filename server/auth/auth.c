#include "auth.h"

#include "client.h"
#include "clock.h"
#include "log.h"
#include "origin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    ACCOUNT_GUESSES =
        10, /* for one account from all addresses at once, or half of an address's if that is more, */
    ACCOUNT_SECONDS = 10, /* and one more each */
};

static const uint64_t second_ns = UINT64_C(1000000000);

struct limiter_options auth_limits(const struct configuration *configuration)
{
    uint32_t guesses = configuration->failed_logins_max;
    return (struct limiter_options){
        .address_guesses = guesses,
        .address_interval_ns = second_ns,
        .account_guesses = guesses == 0 || guesses / 2 > ACCOUNT_GUESSES ? guesses / 2 : ACCOUNT_GUESSES,
        .account_interval_ns = ACCOUNT_SECONDS * second_ns,
    };
}

/* ---- refusals ---- */

/* Nothing was judged. */
static bool refuse_for(uint64_t wait_ns, struct problem *problem)
{
    unsigned seconds = (unsigned)((wait_ns + second_ns - 1) / second_ns);
    (void)problem_set(problem, 429, "Too many failed logins; the next is looked at in %u s", seconds);
    problem->retry_s = seconds;
    return false;
}

/* The answer comes after the configured delay, unless many wait already: the limiter is what slows guessing
 * down. */
static bool login_failed(struct request *request, const char *message, struct problem *problem)
{
    struct server *server = request->server;
    unsigned most = server->configuration->connections_max / LOGIN_DELAYS_SHARE;
    if (atomic_fetch_add(&server->failing_logins, 1) <= most)
        http_pause(request->exchange, server->configuration->failed_login_delay_ms);
    atomic_fetch_sub(&server->failing_logins, 1);
    (void)http_answer_header(request->exchange, "WWW-Authenticate", "Basic realm=\"ConnectorDB\"");
    return problem_set(problem, 401, "%s", message);
}

static void log_failure(struct request *request, const char *account)
{
    char address[CLIENT_ADDRESS_BYTES];
    const char *from = client_address(request, address);
    const char *then = limiter_wait_ns(request->server->limiter, from, clock_monotonic_ns())
                           ? "; its next ones have to wait"
                           : "";
    if (account)
        log_warn("failed login from %s as '%.100s'%s", from, account, then);
    else
        log_warn("failed login from %s with an unknown API key%s", from, then);
}

/* ---- logins ---- */

static bool is_wrong(int r)
{
    return r == -EACCES || r == -ENOENT || r == -EINVAL;
}

/* A login that memory does not know: account is NULL for an API key. */
static bool judge(struct request *request, const char *account, const char *secret, struct problem *problem)
{
    struct catalog *catalog = request->server->database->catalog;
    struct limiter *limiter = request->server->limiter;
    char address[CLIENT_ADDRESS_BYTES];
    const char *from = client_address(request, address);
    struct error error = {0};
    struct guess guess;
    uint64_t wait_ns = limiter_guess(limiter, from, account, clock_monotonic_ns(), &guess);
    if (wait_ns > 0)
        return refuse_for(wait_ns, problem);
    int r = account ? catalog_identity_by_password(catalog, account, secret, &request->identity, &error)
                    : catalog_identity_by_key(catalog, secret, &request->identity, &error);
    enum verdict verdict = r == 0 ? GUESS_RIGHT : is_wrong(r) ? GUESS_WRONG : GUESS_UNDECIDED;
    limiter_judged(limiter, &guess, verdict, clock_monotonic_ns());
    if (verdict != GUESS_WRONG)
        return r == 0 || request_failed(request, r, &error, problem);
    log_failure(request, account);
    return login_failed(request,
        account ? "Login failed. Check your user name or password"
                : "The requested device was not found: the API key is wrong",
        problem);
}

/* What memory knows is right, but is refused as well while the address has to wait: among its guesses it
 * would be told from the wrong ones. */
static bool log_in(struct request *request, const char *account, const char *secret, struct problem *problem)
{
    struct catalog *catalog = request->server->database->catalog;
    char address[CLIENT_ADDRESS_BYTES];
    uint64_t wait_ns = limiter_wait_ns(
        request->server->limiter, client_address(request, address), request->exchange->started_ns);
    if (wait_ns > 0)
        return refuse_for(wait_ns, problem);
    bool known = account ? catalog_identity_remembered_password(catalog, account, secret, &request->identity)
                         : catalog_identity_remembered_key(catalog, secret, &request->identity);
    request->authenticated = known || judge(request, account, secret, problem);
    return request->authenticated;
}

/* Decodes "Basic <base64 of name:password>". False: another scheme or malformed. */
static bool basic_split(const char *header, char to[CREDENTIALS_BYTES_MAX], char **ret_password)
{
    if (!header || strncasecmp(header, "Basic ", 6) != 0)
        return false;
    header += 6;
    header += strspn(header, " ");
    long length = base64_decode(header, to, CREDENTIALS_BYTES_MAX);
    if (length < 0 || strlen(to) != (size_t)length)
        return false;
    char *colon = strchr(to, ':');
    if (!colon)
        return false;
    *colon = '\0';
    *ret_password = colon + 1;
    return true;
}

bool authenticate(struct request *request, struct problem *problem)
{
    char credentials[CREDENTIALS_BYTES_MAX];
    char *password = NULL;
    if (basic_split(http_request_header(request->exchange, "Authorization"), credentials, &password)) {
        bool done = origin_check(request, problem) &&
                    log_in(request, *credentials ? credentials : NULL, password, problem);
        explicit_bzero(credentials, sizeof(credentials));
        return done;
    }
    const char *key = query_value(&request->query, "apikey");
    return !*key || log_in(request, NULL, key, problem);
}

/* ---- other guesses ---- */

bool auth_guess_begin(struct request *request, struct guess *ret_guess, struct problem *problem)
{
    char address[CLIENT_ADDRESS_BYTES];
    uint64_t wait_ns = limiter_guess(
        request->server->limiter, client_address(request, address), NULL, clock_monotonic_ns(), ret_guess);
    return wait_ns == 0 || refuse_for(wait_ns, problem);
}

void auth_guess_judged(struct request *request, const struct guess *guess, enum verdict verdict)
{
    limiter_judged(request->server->limiter, guess, verdict, clock_monotonic_ns());
}
