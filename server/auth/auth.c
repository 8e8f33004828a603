#include "auth.h"

#include "client.h"
#include "clock.h"
#include "log.h"
#include "url.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define COOKIE "connectordb-session="

enum {
    UNREMEMBERED_S_MAX =
        7 * 24 * 3600, /* a session that ends with the browser ends after this at the latest */
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
    if (!origin_is_own_script(exchange)) /* the browser would ask for a password over the page */
        (void)http_answer_header(exchange, "WWW-Authenticate", "Basic realm=\"ConnectorDB\"");
    return problem_set(problem, 401, "%s", message);
}

static void note_failure(struct auth *auth, const char *from, const char *account)
{
    atomic_fetch_add(&auth->failed_logins, 1);
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
    note_failure(auth, from, account);
    return login_failed(auth, exchange,
        account ? "Login failed. Check your user name or password"
                : "The requested device was not found: the API key is wrong",
        problem);
}

/* A login that memory knows to be correct is refused as well while the address has to wait: among its guesses
 * it would be told from the wrong ones. */
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

/* ---- sessions ---- */

/* The value of the session's cookie, NULL when there is none. */
static const char *session_cookie(const struct http_exchange *exchange, size_t *ret_size)
{
    const char *at = http_request_header(exchange, "Cookie");
    while (at && *at) {
        at += strspn(at, "; \t");
        size_t length = strcspn(at, ";");
        if (length >= sizeof(COOKIE) - 1 && strncmp(at, COOKIE, sizeof(COOKIE) - 1) == 0) {
            *ret_size = length - (sizeof(COOKIE) - 1);
            return at + sizeof(COOKIE) - 1;
        }
        at += length;
    }
    return NULL;
}

/* max_age_s: < 0 = until the browser ends; 0 = removes the cookie. */
static void set_cookie(
    const struct auth *auth, struct http_exchange *exchange, const char *value, int64_t max_age_s)
{
    char header[SESSION_TEXT_BYTES + 128], age[40] = "";
    bool secure = client_is_secure(exchange, auth->configuration) || strncmp(auth->site, "https://", 8) == 0;
    if (max_age_s >= 0)
        (void)snprintf(age, sizeof(age), "; Max-Age=%lld", (long long)max_age_s);
    (void)snprintf(header, sizeof(header), COOKIE "%s; Path=/%s; HttpOnly; SameSite=Lax%s", value, age,
        secure ? "; Secure" : "");
    (void)http_answer_header(exchange, "Set-Cookie", header);
}

static bool copy_name(char to[NAME_BYTES_MAX + 1], const char *name)
{
    return snprintf(to, NAME_BYTES_MAX + 1, "%s", name ? name : "") <= NAME_BYTES_MAX;
}

/* The identity of the device and the proof of what it logs in with now. -ENOENT: it has gone. */
static int load_account(struct auth *auth, int64_t user_id, int64_t device_id, struct identity *ret_identity,
    uint8_t ret_proof[SESSION_PROOF_BYTES], struct error *ret_error)
{
    struct user user = {0};
    struct device device = {0};
    int r = catalog_user_by_id(auth->catalog, user_id, &user, ret_error);
    if (r == 0)
        r = catalog_device_by_id(auth->catalog, device_id, &device, ret_error);
    if (r == 0 && device.user_id != user_id)
        r = -ENOENT;
    if (r == 0 && !sessions_proof(auth->sessions, user.password ? user.password : "",
                      device.apikey ? device.apikey : "", ret_proof))
        r = error_set(ret_error, ENOMEM, "out of memory");
    if (r == 0) {
        *ret_identity = (struct identity){.user_id = user_id, .device_id = device_id};
        bool fits = copy_name(ret_identity->user, user.name) &&
                    copy_name(ret_identity->device, device.name) &&
                    copy_name(ret_identity->user_role, user.role) &&
                    copy_name(ret_identity->device_role, device.role);
        r = fits ? 0 : error_set(ret_error, EBADMSG, "a name in the catalog is too long");
    }
    user_free(&user);
    device_free(&device);
    return r;
}

static bool session_over(const struct auth *auth, struct http_exchange *exchange, struct problem *problem)
{
    set_cookie(auth, exchange, "", 0);
    return problem_set(problem, 401, "The session has ended; log in again");
}

/* A cookie that is not ours counts as none. */
static bool session_log_in(
    struct auth *auth, struct http_exchange *exchange, struct login *ret_login, struct problem *problem)
{
    struct session session;
    struct error error = {0};
    uint8_t proof[SESSION_PROOF_BYTES];
    size_t size;
    const char *text = session_cookie(exchange, &size);
    enum session_state state = text ? sessions_read(auth->sessions, text, size, &session) : SESSION_FOREIGN;
    if (state == SESSION_FOREIGN)
        return true;
    if (!origin_check(exchange, auth->configuration, auth->site, problem))
        return false;
    if (state == SESSION_ENDED)
        return session_over(auth, exchange, problem);
    int r = load_account(auth, session.user_id, session.device_id, &ret_login->identity, proof, &error);
    if (r == -ENOENT || (r == 0 && CRYPTO_memcmp(proof, session.proof, sizeof(proof)) != 0))
        return session_over(auth, exchange, problem);
    ret_login->authenticated = r == 0;
    return r == 0 || problem_failed(problem, exchange->path, r, &error);
}

bool auth_begin_session(struct auth *auth, struct http_exchange *exchange, const struct login *login,
    bool remember, struct problem *problem)
{
    char text[SESSION_TEXT_BYTES];
    struct error error = {0};
    struct identity identity;
    uint32_t age_s = auth->configuration->session_max_age_s;
    struct session session = {.user_id = login->identity.user_id,
        .device_id = login->identity.device_id,
        .expires_s = time(NULL) + (remember || age_s < UNREMEMBERED_S_MAX ? age_s : UNREMEMBERED_S_MAX)};
    int r = load_account(auth, session.user_id, session.device_id, &identity, session.proof, &error);
    if (r == -ENOENT)
        return problem_set(problem, 401, "The account has gone");
    if (r == 0 && !sessions_issue(auth->sessions, &session, text))
        r = error_set(&error, ENOMEM, "no memory or randomness for a session");
    if (r < 0)
        return problem_failed(problem, exchange->path, r, &error);
    set_cookie(auth, exchange, text, remember ? (int64_t)age_s : -1);
    return true;
}

bool auth_end_session(struct auth *auth, struct http_exchange *exchange, struct problem *problem)
{
    struct session session;
    struct error error = {0};
    size_t size;
    const char *text = session_cookie(exchange, &size);
    if (text) {
        bool valid = sessions_read(auth->sessions, text, size, &session) == SESSION_VALID;
        if (valid && !origin_check_any(exchange, auth->configuration, auth->site, problem))
            return false;
        int r =
            valid ? sessions_end(auth->sessions, &session, &error) : sessions_settle(auth->sessions, &error);
        if (r < 0)
            return problem_failed(problem, exchange->path, r, &error);
    }
    set_cookie(auth, exchange, "", 0);
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
    if (*key)
        return log_in(auth, exchange, NULL, key, ret_login, problem);
    return session_log_in(auth, exchange, ret_login, problem);
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
