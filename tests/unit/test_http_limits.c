/* Starting and serving where the process may have little. Each case runs in a process of its own. */
#include "test.h"

#include "http.h"
#include "http_peer.h"
#include "sanitizers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WANTED = 256, FAILED = 77, ANOTHER_USER = 54321 };

static atomic_uint failed_accepts;

static void handle(void *context, struct http_exchange *exchange)
{
    (void)context;
    http_answer(exchange, 200, HTTP_TEXT, "hello", 5);
}

static void refuse(void *context, struct http_exchange *exchange, int status, const char *text)
{
    (void)context;
    http_answer(exchange, status, HTTP_TEXT, text, strlen(text));
}

static void report(void *context, const char *text)
{
    (void)context;
    if (strncmp(text, "cannot accept", 13) == 0)
        atomic_fetch_add(&failed_accepts, 1);
    (void)fprintf(stderr, "%s\n", text);
}

static const struct http_options OPTIONS = {
    .address = "",
    .connections_max = WANTED,
    .read_timeout_ms = 5000,
    .handle = handle,
    .refuse = refuse,
    .report = report,
};

/* Takes little memory itself. */
static void ask_once(const struct http *http)
{
    static const char REQUEST[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    char reply[64];
    int file = peer_dial(http_port(http), 0);
    peer_say(file, REQUEST, sizeof(REQUEST) - 1);
    ssize_t count = recv(file, reply, sizeof(reply) - 1, 0);
    assert_true(count > 0);
    reply[count] = '\0';
    peer_assert_status(reply, 200);
    close(file);
}

static void limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limits = {.rlim_cur = most, .rlim_max = most};
    assert_int_equal(setrlimit(resource, &limits), 0);
}

static int run_apart(void (*run)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == FAILED)
        skip();
    return status;
}

/* ---- threads ---- */

static void serve_with_few_threads(void)
{
    struct http *http = NULL;
    struct error error = {0};
    struct http_counts counts;
    if (setuid(ANOTHER_USER) < 0)
        _exit(FAILED); /* root's threads are not limited */
    limit(RLIMIT_NPROC, 20);
    assert_int_equal(http_start(&OPTIONS, &http, &error), 0);
    http_serve(http);
    http_count(http, &counts);
    assert_in_range(counts.connections_max, 4, 20);
    ask_once(http);
    http_stop(http);
}

static void start_without_threads(void)
{
    struct http *http = NULL;
    struct error error = {0};
    if (setuid(ANOTHER_USER) < 0)
        _exit(FAILED);
    limit(RLIMIT_NPROC, 1);
    assert_int_equal(http_start(&OPTIONS, &http, &error), -EAGAIN);
    assert_non_null(strstr(error.message, "thread"));
}

/* It aborted: a part of the server was freed while threads used it. */
static void test_few_threads(void **state)
{
    (void)state;
    assert_int_equal(run_apart(serve_with_few_threads), 0);
}

static void test_no_threads(void **state)
{
    (void)state;
    assert_int_equal(run_apart(start_without_threads), 0);
}

/* ---- descriptors ---- */

static void serve_with_few_files(void)
{
    enum { CLIENTS = 120, FILES = 64 };
    struct http *http = NULL;
    struct error error = {0};
    struct http_counts counts;
    int ports[2], files[CLIENTS];
    struct rlimit limits = {.rlim_cur = 32, .rlim_max = FILES};
    assert_int_equal(pipe(ports), 0);
    pid_t server = fork();
    if (server == 0) {
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limits), 0);
        assert_int_equal(http_start(&OPTIONS, &http, &error), 0);
        http_serve(http);
        http_count(http, &counts);
        assert_in_range(counts.connections_max, 4, FILES);
        uint16_t port = http_port(http);
        assert_int_equal(write(ports[1], &port, sizeof(port)), sizeof(port));
        (void)pause();
        _exit(1);
    }
    uint16_t port = 0;
    assert_int_equal(read(ports[0], &port, sizeof(port)), sizeof(port));
    for (int i = 0; i < CLIENTS; i++)
        files[i] = peer_dial(port, 0);
    char *reply =
        peer_ask(port, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", NULL); /* behind all the silent ones */
    peer_assert_status(reply, 200);
    free(reply);
    for (int i = 0; i < CLIENTS; i++)
        close(files[i]);
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(waitpid(server, NULL, 0), server);
}

static void test_few_files(void **state)
{
    (void)state;
    assert_int_equal(run_apart(serve_with_few_files), 0);
}

static void start_without_files(void)
{
    struct http *http = NULL;
    struct error error = {0};
    limit(RLIMIT_NOFILE, 40);
    assert_int_equal(http_start(&OPTIONS, &http, &error), -EMFILE);
    assert_non_null(strstr(error.message, "ulimit -n"));
}

static void test_no_files(void **state)
{
    (void)state;
    assert_int_equal(run_apart(start_without_files), 0);
}

/* Somebody else uses the descriptors up: it was a loop on EMFILE that took a whole core, and nothing said
 * why. */
static void wait_for_files(void)
{
    struct http *http = NULL;
    struct error error = {0};
    int used[256], count = 0;
    limit(RLIMIT_NOFILE, 200);
    assert_int_equal(http_start(&OPTIONS, &http, &error), 0);
    http_serve(http);
    int client = peer_dial(http_port(http), 0);
    while (count < 256 && (used[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    close(used[--count]); /* for this client */
    int waiting = peer_dial(http_port(http), 0);
    while (atomic_load(&failed_accepts) == 0)
        (void)usleep(1000);
    while (count > 0)
        close(used[--count]);
    static const char REQUEST[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    peer_say(waiting, REQUEST, sizeof(REQUEST) - 1);
    char *reply = peer_hear_all(waiting, NULL);
    peer_assert_status(reply, 200);
    assert_int_equal(atomic_load(&failed_accepts), 1);
    free(reply);
    close(client);
    http_stop(http);
}

static void test_accept_waits_for_files(void **state)
{
    (void)state;
    assert_int_equal(run_apart(wait_for_files), 0);
}

/* ---- memory ---- */

static void serve_with_little_memory(void)
{
    struct http *http = NULL;
    struct error error = {0};
    limit(RLIMIT_AS, 200 << 20);
    int r = http_start(&OPTIONS, &http, &error);
    if (r == 0) {
        http_serve(http);
        ask_once(http);
        http_stop(http);
    }
    _exit(r == 0 || *error.message ? 0 : 1);
}

static void test_little_memory(void **state)
{
    (void)state;
#ifdef MEMORY_SANITIZED
    skip(); /* it reserves terabytes */
#endif
    assert_int_equal(run_apart(serve_with_little_memory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_threads),
        cmocka_unit_test(test_no_threads),
        cmocka_unit_test(test_few_files),
        cmocka_unit_test(test_no_files),
        cmocka_unit_test(test_accept_waits_for_files),
        cmocka_unit_test(test_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
