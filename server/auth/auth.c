#include "auth.h"

#include "client.h"
#include "clock.h"
#include "log.h"
#include "url.h"

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
static bool login_failed(
    struct auth *auth, struct http_exchange *exchange, const char *message, struct problem *problem)
{
    unsigned most = auth->configuration->connections_max / LOGIN_DELAYS_SHARE;
    if (atomic_fetch_add(&auth->failing_logins, 1) <= most)
        http_pause(exchange, auth->configuration->failed_login_delay_ms);
    atomic_fetch_sub(&auth->failing_logins, 1);
    (void)http_answer_header(exchange, "WWW-Authenticate", "Basic realm=\"ConnectorDB\"");
    return problem_set(problem, 401, "%s", message);
}

static void log_failure(const struct auth *auth, const char *from, const char *account)
{
    const char *then =
        limiter_wait_ns(auth->limiter, from, clock_monotonic_ns()) ? "; its next ones have to wait" : "";
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
static bool judge(struct auth *auth, struct http_exchange *exchange, const char *account, const char *secret,
    struct identity *ret_identity, struct problem *problem)
{
    char address[CLIENT_ADDRESS_BYTES];
    const char *from = client_address(exchange, auth->configuration, address);
    struct error error = {0};
    struct guess guess;
    uint64_t wait_ns = limiter_guess(auth->limiter, from, account, clock_monotonic_ns(), &guess);
    if (wait_ns > 0)
        return refuse_for(wait_ns, problem);
    int r = account ? catalog_identity_by_password(auth->catalog, account, secret, ret_identity, &error)
                    : catalog_identity_by_key(auth->catalog, secret, ret_identity, &error);
    enum verdict verdict = r == 0 ? GUESS_RIGHT : is_wrong(r) ? GUESS_WRONG : GUESS_UNDECIDED;
    limiter_judged(auth->limiter, &guess, verdict, clock_monotonic_ns());
    if (verdict != GUESS_WRONG)
        return r == 0 || problem_failed(problem, exchange->path, r, &error);
    log_failure(auth, from, account);
    return login_failed(auth, exchange,
        account ? "Login failed. Check your user name or password"
                : "The requested device was not found: the API key is wrong",
        problem);
}

/* What memory knows is right, but is refused as well while the address has to wait: among its guesses it
 * would be told from the wrong ones. */
static bool log_in(struct auth *auth, struct http_exchange *exchange, const char *account, const char *secret,
    struct login *ret_login, struct problem *problem)
{
    struct identity *identity = &ret_login->identity;
    char address[CLIENT_ADDRESS_BYTES];
    uint64_t wait_ns = limiter_wait_ns(
        auth->limiter, client_address(exchange, auth->configuration, address), exchange->started_ns);
    if (wait_ns > 0)
        return refuse_for(wait_ns, problem);
    bool known = account ? catalog_identity_remembered_password(auth->catalog, account, secret, identity)
                         : catalog_identity_remembered_key(auth->catalog, secret, identity);
    ret_login->authenticated = known || judge(auth, exchange, account, secret, identity, problem);
    return ret_login->authenticated;
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

bool authenticate(struct auth *auth, struct http_exchange *exchange, const char *key, struct login *ret_login,
    struct problem *problem)
{
    char credentials[CREDENTIALS_BYTES_MAX];
    char *password = NULL;
    if (basic_split(http_request_header(exchange, "Authorization"), credentials, &password)) {
        bool done = origin_check(exchange, auth->configuration, auth->site, problem) &&
                    log_in(auth, exchange, *credentials ? credentials : NULL, password, ret_login, problem);
        explicit_bzero(credentials, sizeof(credentials));
        return done;
    }
    return !*key || log_in(auth, exchange, NULL, key, ret_login, problem);
}

/* ---- other guesses ---- */

bool auth_guess_begin(
    struct auth *auth, const struct http_exchange *exchange, struct guess *ret_guess, struct problem *problem)
{
    char address[CLIENT_ADDRESS_BYTES];
    const char *from = client_address(exchange, auth->configuration, address);
    uint64_t wait_ns = limiter_guess(auth->limiter, from, NULL, clock_monotonic_ns(), ret_guess);
    return wait_ns == 0 || refuse_for(wait_ns, problem);
}

void auth_guess_judged(struct auth *auth, const struct guess *guess, enum verdict verdict)
{
    limiter_judged(auth->limiter, guess, verdict, clock_monotonic_ns());
}
