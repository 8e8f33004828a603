/* No space: a full disk (ENOSPC), an exhausted quota (EDQUOT) and a limit of a file's size (EFBIG) are
 * answered and survived alike, by the store and by the catalog. */
#include "test.h"

#include "catalog_fixture.h"
#include "database.h"
#include "io_fault.h"
#include "server.h"
#include "sql.h"
#include "store_helpers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct no_space {
    int code;
    const char *reason; /* part of every message */
} cases[] = {
    {ENOSPC, "the disk is full"},
    {EDQUOT, "the disk quota is exhausted"},
    {EFBIG, "the file size limit is reached"},
};

/* ---- SQLite's writes ---- */

static atomic_int sqlite_code; /* what they fail with; 0 = they do not */

static ssize_t (*plain_pwrite)(int file, const void *data, size_t size, off_t offset);

static ssize_t failing_pwrite(int file, const void *data, size_t size, off_t offset)
{
    int code = atomic_load(&sqlite_code);
    if (code == 0)
        return plain_pwrite(file, data, size, offset);
    errno = code;
    return -1;
}

static int replace_pwrite(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"pwrite", "pwrite64"}; /* SQLite is built with one of them */
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        sqlite3_syscall_ptr plain = vfs->xGetSystemCall(vfs, NAMES[i]);
        if (plain) {
            plain_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))plain;
            return vfs->xSetSystemCall(vfs, NAMES[i], (sqlite3_syscall_ptr)failing_pwrite) == SQLITE_OK ? 0
                                                                                                        : -1;
        }
    }
    return -1;
}

/* ---- a served database ---- */

struct served {
    char *root, *path;
    struct io *io;
    struct configuration configuration;
    struct database *database;
    struct server *server;
};

static void require(int r, const struct error *error)
{
    if (r < 0)
        fail_msg("%s", error->message);
}

static void serve(struct served *served)
{
    struct error error = {0};
    struct io *inner;
    const struct user user = {.name = text("alice"),
        .email = text("a@example.com"),
        .nickname = text(""),
        .description = text(""),
        .icon = text(""),
        .role = text("user")};
    served->root = test_directory_create_fast();
    served->path = test_path(served->root, "db");
    require(database_create_with_user(served->path, "{}", &user, "pw", &error), &error);
    require(io_open_posix(&inner, &error), &error);
    require(io_open_fault(inner, &(struct io_fault_plan){0}, &served->io), &error);
    require(configuration_read(NULL, true, &served->configuration, &error), &error);
    served->configuration.port = 0;
    served->configuration.store.io = served->io;
    served->configuration.store.journal_bytes = 64 << 10;
    served->configuration.store.wait_ms_max =
        60000; /* an answer that took that long was no answer about space */
    require(database_open(served->path, &served->configuration.store, &served->database, &error), &error);
    require(server_start(served->database, &served->configuration, &served->server, &error), &error);
}

static void serve_no_more(struct served *served)
{
    struct error error = {0};
    server_stop(served->server);
    require(database_close(served->database, &error), &error);
    configuration_free(&served->configuration);
    io_close(served->io);
    free(served->path);
    test_directory_remove(served->root);
}

/* The whole answer as a text, to be freed. */
static char *ask(const struct served *served, const char *path, const char *body)
{
    enum { ANSWER_BYTES = 64 << 10 };
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons(server_port(served->server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *answer = calloc(1, ANSWER_BYTES), *request = NULL;
    int file = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(file, (const struct sockaddr *)&address, sizeof(address)), 0);
    int size = asprintf(&request,
        "POST /api/v1/crud/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "Authorization: Basic YWxpY2U6cHc=\r\nContent-Length: %zu\r\n\r\n%s",
        path, strlen(body), body);
    assert_int_equal(write(file, request, (size_t)size), size);
    size_t used = 0;
    for (ssize_t got; (got = read(file, answer + used, ANSWER_BYTES - 1 - used)) > 0;)
        used += (size_t)got;
    (void)close(file);
    free(request);
    return answer;
}

static bool is_good(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void assert_no_space(const char *answer, const struct no_space *expected)
{
    if (strncmp(answer, "HTTP/1.1 503", 12) != 0 || !strstr(answer, "\r\nRetry-After: ") ||
        !strstr(answer, expected->reason))
        fail_msg("expected 503, Retry-After and \"%s\": %s", expected->reason, answer);
}

/* Points that take about 20 KB of a journal; `from` counts on. */
static char *some_points(uint64_t *from)
{
    enum { POINTS = 1000, POINT_BYTES_MAX = 40 };
    char *body = malloc(POINTS * POINT_BYTES_MAX);
    size_t used = 0;
    for (int i = 0; i < POINTS; i++, (*from)++)
        used += (size_t)sprintf(
            body + used, "%c{\"t\":%llu,\"d\":%d}", i == 0 ? '[' : ',', (unsigned long long)*from, i);
    (void)sprintf(body + used, "]");
    return body;
}

/* ---- the tests ---- */

/* Inserts use up the journals that exist, are told that there is no space and why, and go on when there is.
 */
static void test_inserts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct served served;
        uint64_t time = 1;
        serve(&served);
        char *answer = ask(&served, "alice/user/numbers", "{}");
        assert_true(is_good(answer));
        io_fault_set(served.io,
            &(struct io_fault_plan){
                .fail_at = 1, .code = cases[i].code, .calls = 1u << IO_CALL_OPEN | 1u << IO_CALL_RENAME});
        for (int count = 0; is_good(answer); count++) {
            char *points = some_points(&time);
            free(answer);
            answer = ask(&served, "alice/user/numbers/data", points);
            free(points);
            assert_true(count < 1000);
        }
        assert_no_space(answer, &cases[i]);
        free(answer);
        io_fault_set(served.io, &(struct io_fault_plan){0});
        for (bool good = false; !good;) { /* the background looks again */
            char *points = some_points(&time);
            answer = ask(&served, "alice/user/numbers/data", points);
            good = is_good(answer);
            if (!good)
                assert_no_space(answer, &cases[i]);
            free(answer);
            free(points);
            (void)sched_yield();
        }
        serve_no_more(&served);
    }
}

static void test_new_streams(void **state)
{
    (void)state;
    struct served served;
    serve(&served);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "alice/user/stream%zu", i);
        atomic_store(&sqlite_code, cases[i].code);
        char *answer = ask(&served, name, "{}");
        assert_no_space(answer, &cases[i]);
        free(answer);
        atomic_store(&sqlite_code, 0);
        answer = ask(&served, name, "{}");
        assert_true(is_good(answer));
        free(answer);
    }
    serve_no_more(&served);
}

/* What the catalog and the backup say to those who call them. */
static void test_the_catalog_says_why(void **state)
{
    (void)state;
    struct fixture fixture = fixture_open();
    int64_t user = make_user(&fixture, "alice", "a@example.com");
    const struct device device = {.user_id = user, .name = text("phone"), .enabled = true};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct catalog_snapshot *snapshot;
        char *copy = test_path(fixture.directory, "copy");
        atomic_store(&sqlite_code, cases[i].code);
        assert_error(&fixture, catalog_create_device(fixture.catalog, &device, NULL, &fixture.error),
            cases[i].code, cases[i].reason);
        assert_int_equal(catalog_snapshot_open(fixture.catalog, &snapshot, &fixture.error), 0);
        assert_error(&fixture, catalog_snapshot_backup(snapshot, copy, &fixture.error), cases[i].code,
            cases[i].reason);
        catalog_snapshot_close(snapshot);
        assert_int_equal(access(copy, F_OK), -1);
        free(copy);
        atomic_store(&sqlite_code, 0);
    }
    assert_int_equal(catalog_create_device(fixture.catalog, &device, NULL, &fixture.error), 0);
    fixture_close(&fixture);
}

/* The real limit of the kernel instead of a pretended one. */
static void test_a_real_file_size_limit(void **state)
{
    (void)state;
    struct rlimit before;
    struct fixture fixture = fixture_open();
    int64_t user = make_user(&fixture, "alice", "a@example.com");
    const struct device device = {.user_id = user, .name = text("phone"), .enabled = true};
    (void)signal(SIGXFSZ, SIG_IGN); /* as main does */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max}), 0);
    int r = catalog_create_device(fixture.catalog, &device, NULL, &fixture.error);
    struct error store_error = {0};
    char *data = test_path(fixture.directory, "data");
    assert_int_equal(mkdir(data, 0700), 0);
    int created = store_create(data, NULL, NULL);
    struct store *store = NULL;
    int opened = store_open(data, &(struct store_options){.journal_bytes = 64 << 10}, &store, &store_error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    assert_non_null(strstr(fixture.error.message, "file size limit"));
    assert_int_equal(created, 0);
    assert_int_equal(opened, -EFBIG);
    free(data);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inserts),
        cmocka_unit_test(test_new_streams),
        cmocka_unit_test(test_the_catalog_says_why),
        cmocka_unit_test(test_a_real_file_size_limit),
    };
    return cmocka_run_group_tests(tests, replace_pwrite, NULL);
}
