/* Whole connections to a server with a database: request lines, header fields, logins, cookies, bodies, one
 * request after the other. The input is what a client sends before it ends its half of the connection. The
 * server must answer what it answers in the right form, and live.
 *
 * Requests change the database, so an input may not repeat what it did in the run that found it. A fresh
 * database every DATABASE_INPUTS inputs keeps it small. Leaks are looked for then, too: what the server keeps
 * between requests hangs on pages of mmap, where LeakSanitizer does not look (run it with -detect_leaks=0).
 */
#include "catalog.h"
#include "check.h"
#include "configuration.h"
#include "configuration_text.h"
#include "database.h"
#include "log.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DATABASE_INPUTS = 2000,
    ADDRESSES = 250, /* 127.0.0.1 and up */
    ANSWER_BYTES_MAX = 64 << 10,
    PATH_BYTES = 512,
    REF_BYTES = 36,
};

static char folder[PATH_BYTES], directory[PATH_BYTES + 16];
static struct configuration configuration;
static struct database *database;
static struct server *server;
static uint64_t input_count;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* AddressSanitizer's. At exit the threads' data of OpenSSL would count as leaked. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "leak_check_at_exit=0";
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void remove_folder(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the server ---- */

/* The admin test:test, whose device "user" has the key "user-key", and a stream of numbers with some points.
 */
static void make_objects(struct catalog *catalog)
{
    struct error error = {0};
    struct user user = {.name = "test",
        .nickname = "",
        .email = "test@localhost",
        .description = "",
        .icon = "",
        .role = "admin"};
    struct device device = {.name = "phone",
        .nickname = "",
        .description = "",
        .icon = "",
        .apikey = (char *)"a-key-of-the-phone",
        .role = "user",
        .enabled = true};
    struct stream stream = {.name = "s",
        .nickname = "",
        .description = "",
        .icon = "",
        .schema = "{\"type\":\"number\"}",
        .datatype = ""};
    CHECK(catalog_create_user(catalog, &user, "test", &device.user_id, &error) == 0);
    CHECK(catalog_create_device(catalog, &device, &stream.device_id, &error) == 0);
    CHECK(catalog_create_stream(catalog, &stream, NULL, &error) == 0);
}

static void stop_server(void)
{
    struct error error = {0};
    if (!server)
        return;
    server_stop(server);
    server = NULL;
    CHECK(database_close(database, &error) == 0);
    remove_folder(directory);
}

static void start_server(void)
{
    struct error error = {0};
    CHECK(database_create(directory, NULL, &error) == 0);
    CHECK(database_open(directory, NULL, &database, &error) == 0);
    make_objects(database->catalog);
    CHECK(server_start(database, &configuration, &server, &error) == 0);
}

static void end(void)
{
    stop_server();
    remove_folder(folder);
}

/* Small limits, so that short inputs reach them; nobody is delayed. */
static const char CONFIGURATION[] = "{\"port\": 0, \"fsync\": \"never\", \"journal_bytes\": 1048576,"
                                    "\"failed_login_delay\": 0, \"failed_logins_max\": 0,"
                                    "\"insert_limit_bytes\": 2000, \"connections_max\": 4,"
                                    "\"allowcrossorigin\": true}";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error error = {0};
    const char *parent = getenv("TMPDIR");
    (void)argc;
    (void)argv;
    (void)snprintf(folder, sizeof(folder), "%s/connectordb-fuzz-XXXXXX", parent ? parent : "/tmp");
    CHECK(mkdtemp(folder));
    (void)snprintf(directory, sizeof(directory), "%s/database", folder);
    CHECK(log_open("/dev/null", LOG_ERROR, &error) == 0);
    CHECK(configuration_parse(CONFIGURATION, sizeof(CONFIGURATION) - 1, "built-in", &configuration, &error) ==
          0);
    (void)atexit(end);
    return 0;
}

/* ---- a client ---- */

/* After connect was interrupted by libFuzzer's timer: it goes on by itself. False: another error, in errno.
 */
static bool is_connected(int file)
{
    struct pollfd polled = {.fd = file, .events = POLLOUT};
    int code;
    socklen_t size = sizeof(code);
    if (errno != EINTR)
        return false;
    while (TEMP_FAILURE_RETRY(poll(&polled, 1, -1)) != 1)
        continue;
    CHECK(getsockopt(file, SOL_SOCKET, SO_ERROR, &code, &size) == 0);
    errno = code;
    return code == 0;
}

/* From another address for each database: a connection that has ended keeps its port for a minute, and one
 * address has 28,000 of them. */
static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    struct sockaddr_in own = {.sin_family = AF_INET};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(input_count / DATABASE_INPUTS % ADDRESSES));
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(file >= 0 && setsockopt(file, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0);
    CHECK(bind(file, (struct sockaddr *)&own, sizeof(own)) == 0);
    if (connect(file, (struct sockaddr *)&address, sizeof(address)) < 0 && !is_connected(file)) {
        fprintf(stderr, "cannot connect to the server: %s\n", strerror(errno));
        abort();
    }
    return file;
}

/* Sends everything and ends; what the server does not take because it has closed is no concern. */
static void send_input(int file, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = TEMP_FAILURE_RETRY(send(file, data, size, MSG_NOSIGNAL));
        if (sent <= 0)
            break;
        data += sent;
        size -= (size_t)sent;
    }
    (void)shutdown(file, SHUT_WR);
}

/* Up to the end of the connection; what is beyond the buffer is read and dropped. */
static size_t receive_answers(int file, char *to)
{
    static char rest[ANSWER_BYTES_MAX];
    size_t used = 0;
    for (;;) {
        bool full = used == ANSWER_BYTES_MAX - 1;
        char *place = full ? rest : to + used;
        size_t room = full ? sizeof(rest) : ANSWER_BYTES_MAX - 1 - used;
        ssize_t count = TEMP_FAILURE_RETRY(recv(file, place, room, 0));
        if (count <= 0)
            break;
        used += full ? 0 : (size_t)count;
    }
    to[used] = '\0';
    return used;
}

static void check_error(const char *body, size_t size, long status)
{
    json_t *said = json_loadb(body, size, 0, NULL);
    CHECK(json_is_object(said));
    CHECK(json_integer_value(json_object_get(said, "code")) == status);
    CHECK(json_string_length(json_object_get(said, "msg")) > 0);
    CHECK(json_string_length(json_object_get(said, "ref")) == REF_BYTES);
    json_decref(said);
}

/* The first answer: of those behind it, only the requests tell where they begin. */
static void check_answer(const char *text, size_t size, bool is_head)
{
    if (strncmp(text, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0) {
        text += 25;
        size -= 25;
    }
    if (size == 0)
        return;
    CHECK(strncmp(text, "HTTP/1.1 ", 9) == 0);
    long status = strtol(text + 9, NULL, 10);
    CHECK(status >= 200 && status < 600);
    const char *body = strstr(text, "\r\n\r\n");
    CHECK(body);
    body += 4;
    const char *length_field = strstr(text, "\r\nContent-Length: ");
    if (status < 400 || is_head || !length_field || length_field > body)
        return;
    size_t length = strtoul(length_field + 18, NULL, 10), came = size - (size_t)(body - text);
    if (strstr(text, "\r\nContent-Encoding: ") == NULL && came >= length)
        check_error(body, length, status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answers[ANSWER_BYTES_MAX];
    if (input_count++ % DATABASE_INPUTS == 0) {
        stop_server();
        if (__lsan_do_recoverable_leak_check)
            CHECK(__lsan_do_recoverable_leak_check() == 0);
        start_server();
    }
    int file = dial();
    send_input(file, data, size);
    size_t received = receive_answers(file, answers);
    (void)close(file);
    check_answer(answers, received, size >= 4 && memcmp(data, "HEAD", 4) == 0);
    return 0;
}
