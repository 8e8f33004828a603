#include "configuration_text.h"

/* The index behind the string that starts at `at`. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"' && text[at] != '\n'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at < size ? at + 1 : size;
}

static size_t blank_line(char *text, size_t size, size_t at)
{
    while (at < size && text[at] != '\n')
        text[at++] = ' ';
    return at;
}

/* As blank_line for the other kind; `size + 1` when it does not end. */
static size_t blank_block(char *text, size_t size, size_t at)
{
    for (size_t end = at + 2; end + 1 < size; end++) {
        if (text[end] != '*' || text[end + 1] != '/')
            continue;
        for (; at < end + 2; at++) {
            if (text[at] != '\n')
                text[at] = ' ';
        }
        return at;
    }
    return size + 1;
}

unsigned configuration_strip_comments(char *text, size_t size)
{
    unsigned line = 1;
    for (size_t at = 0; at < size;) {
        size_t start = at;
        char next = at + 1 < size ? text[at + 1] : '\0';
        if (text[at] == '"')
            at = skip_string(text, size, at);
        else if (text[at] == '/' && next == '/')
            at = blank_line(text, size, at);
        else if (text[at] == '/' && next == '*')
            at = blank_block(text, size, at);
        else
            at++;
        if (at > size)
            return line;
        for (; start < at; start++)
            line += text[start] == '\n';
    }
    return 0;
}

const char *configuration_default_text(void)
{
    return "// Configuration of a ConnectorDB database. JSON with comments; every key may be left out.\n"
           "// Keys of ConnectorDB 0.3 that have no meaning any more are accepted and ignored.\n"
           "{\n"
           "    \"version\": 1,\n"
           "\n"
           "    // Address and port to listen on. \"\" is 127.0.0.1: only programs on this machine can connect.\n"
           "    \"hostname\": \"\",\n"
           "    \"port\": 3124,\n"
           "    // false: open the database without HTTP (as start --backend does).\n"
           "    \"frontend_enabled\": true,\n"
           "    // How others reach this server, for links. \"\" = the host name.\n"
           "    \"siteurl\": \"\",\n"
           "    // true: pages of other sites may use the API with their visitors' rights.\n"
           "    \"allowcrossorigin\": false,\n"
           "    // HTTP connections served at once.\n"
           "    \"connections_max\": 1024,\n"
           "    // Seconds a request may take to arrive.\n"
           "    \"http_read_timeout\": 5,\n"
           "    // Milliseconds to wait before a failed login is answered.\n"
           "    \"failed_login_delay\": 300,\n"
           "    // Wrong logins that one address may send at once; one more each second. 0 = not limited.\n"
           "    \"failed_logins_max\": 20,\n"
           "    // Addresses of reverse proxies before this server, e.g. [\"127.0.0.1\"]: the client is then who the last\n"
           "    // entry of X-Forwarded-For names.\n"
           "    \"trusted_proxies\": [],\n"
           "    // The largest body of a request, in bytes.\n"
           "    \"insert_limit_bytes\": 10485760,\n"
           "    // How many seconds ahead of now the time of an inserted datapoint may be; ten years. Later ones are refused,\n"
           "    // most likely they are milliseconds. 0 = no limit.\n"
           "    \"time_ahead_max\": 315360000,\n"
           "\n"
           "    // debug, info, warn or error, to a file; \"\" = standard error.\n"
           "    \"loglevel\": \"info\",\n"
           "    \"logfile\": \"\",\n"
           "\n"
           "    // When inserts are synced to the disk: \"always\" (an acknowledged insert survives power loss),\n"
           "    // \"interval:<milliseconds>\" (power loss may cost that much), \"never\" (the system decides, up to half a minute).\n"
           "    \"fsync\": \"always\",\n"
           "    // The largest size of a journal file in bytes, which busy databases reach; at least 65536. The largest\n"
           "    // insert must fit in one.\n"
           "    \"journal_bytes\": 67108864\n"
           "}\n";
}
