#include "auth.h"

#include "log.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int login_failed(struct request *request, const char *message)
{
    struct server *server = request->server;
    unsigned most = server->configuration->connections_max / LOGIN_DELAYS_SHARE;
    if (atomic_fetch_add(&server->failing_logins, 1) > most) {
        answer_later(request, 429, "Too many failed logins at once");
    } else {
        http_pause(request->exchange, server->configuration->failed_login_delay_ms);
        (void)http_answer_header(request->exchange, "WWW-Authenticate", "Basic realm=\"ConnectorDB\"");
        answer_error(request, 401, "%s", message);
    }
    atomic_fetch_sub(&server->failing_logins, 1);
    return -EACCES;
}

static int login_result(struct request *request, int r, const char *message, const struct error *error)
{
    if (r == 0) {
        request->authenticated = true;
        return 0;
    }
    if (r == -EACCES || r == -ENOENT || r == -EINVAL)
        return login_failed(request, message);
    answer_failure(request, 404, r, error);
    return -EACCES;
}

static int login_by_key(struct request *request, const char *key)
{
    struct error error = {0};
    int r = *key
                ? catalog_identity_by_key(request->server->database->catalog, key, &request->identity, &error)
                : -ENOENT;
    return login_result(request, r, "The requested device was not found: the API key is wrong", &error);
}

static int login_by_password(struct request *request, const char *name, const char *password)
{
    struct error error = {0};
    int r = catalog_identity_by_password(
        request->server->database->catalog, name, password, &request->identity, &error);
    return login_result(request, r, "Login failed. Check your user name or password", &error);
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

int authenticate(struct request *request)
{
    char credentials[CREDENTIALS_BYTES_MAX];
    char *password = NULL;
    int r = 0;
    if (basic_split(http_request_header(request->exchange, "Authorization"), credentials, &password)) {
        r = *credentials ? login_by_password(request, credentials, password)
                         : login_by_key(request, password);
        explicit_bzero(credentials, sizeof(credentials));
        return r;
    }
    const char *key = query_value(&request->query, "apikey");
    return *key ? login_by_key(request, key) : 0;
}
