/* Sessions in cookies: what is read back, what is refused, and log-outs that the disk refuses. */
#include "test.h"

#include "sessions.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KEY_BYTES = 32, RECORD_BYTES = SESSION_ID_BYTES + 8 }; /* of the file */

struct fixture {
    char *directory, *path;
    struct sessions *sessions;
};

static void open_sessions(struct fixture *fixture)
{
    struct error error = {0};
    if (sessions_open(fixture->path, &fixture->sessions, &error) < 0)
        fail_msg("%s", error.message);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->directory = test_directory_create();
    fixture->path = test_path(fixture->directory, "sessions");
    open_sessions(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sessions_close(fixture->sessions);
    test_directory_remove(fixture->directory);
    free(fixture->path);
    free(fixture);
    return 0;
}

static void reopen(struct fixture *fixture)
{
    sessions_close(fixture->sessions);
    open_sessions(fixture);
}

/* Its cookie expires in so many seconds. */
static struct session issue(struct fixture *fixture, int64_t seconds, char text[SESSION_TEXT_BYTES])
{
    struct session session = {
        .user_id = 7, .device_id = INT64_MAX, .expires_s = time(NULL) + seconds, .proof = "fifteen bytes.."};
    assert_true(sessions_issue(fixture->sessions, &session, text));
    return session;
}

static enum session_state state_of(struct fixture *fixture, const char *text)
{
    struct session session;
    return sessions_read(fixture->sessions, text, strlen(text), &session);
}

/* No file can grow: appending and writing anew fail. */
static void fill_disk(struct rlimit *ret_before)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, ret_before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_max = ret_before->rlim_max}), 0);
}

static void free_disk(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, before), 0);
}

static void test_a_cookie_is_read_back(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES];
    struct session read, session = issue(fixture, 60, text);
    for (int open = 0; open < 2; open++) {
        assert_int_equal(sessions_read(fixture->sessions, text, strlen(text), &read), SESSION_VALID);
        assert_memory_equal(&read, &session, sizeof(read));
        reopen(fixture);
    }
}

static void test_time_ends_a_session(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES];
    (void)issue(fixture, -1, text);
    assert_int_equal(state_of(fixture, text), SESSION_ENDED);
    (void)issue(fixture, 0, text);
    assert_int_equal(state_of(fixture, text), SESSION_ENDED);
}

static void test_what_is_no_cookie_of_ours(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES], changed[SESSION_TEXT_BYTES];
    struct session session;
    (void)issue(fixture, 60, text);
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) { /* each character another one */
        memcpy(changed, text, size + 1);
        changed[i] = text[i] == 'A' ? 'B' : 'A';
        assert_int_equal(state_of(fixture, changed), SESSION_FOREIGN);
        assert_int_equal(sessions_read(fixture->sessions, text, i, &session), SESSION_FOREIGN);
    }
    char *large = calloc(1, 1 << 20);
    assert_non_null(large);
    memset(large, 'A', (1 << 20) - 1);
    memcpy(large, text, size);
    assert_int_equal(state_of(fixture, large), SESSION_FOREIGN);
    free(large);
    assert_int_equal(state_of(fixture, ""), SESSION_FOREIGN);
    assert_int_equal(unlink(fixture->path), 0); /* another key */
    reopen(fixture);
    assert_int_equal(state_of(fixture, text), SESSION_FOREIGN);
}

static void test_an_ended_session_stays_ended(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES], other[SESSION_TEXT_BYTES];
    struct session session = issue(fixture, 60, text);
    (void)issue(fixture, 60, other);
    assert_int_equal(sessions_end(fixture->sessions, &session, NULL), 0);
    assert_int_equal(sessions_end(fixture->sessions, &session, NULL), 0);
    for (int open = 0; open < 2; open++) {
        assert_int_equal(state_of(fixture, text), SESSION_ENDED);
        assert_int_equal(state_of(fixture, other), SESSION_VALID);
        reopen(fixture);
    }
}

/* Before: the second log-out was answered well without writing anything, and after a restart the cookie was
 * valid again. */
static void test_a_refused_log_out_is_made_durable_by_the_next(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES], other[SESSION_TEXT_BYTES];
    struct rlimit before;
    struct error error = {0};
    struct session session = issue(fixture, 60, text), second = issue(fixture, 60, other);
    fill_disk(&before);
    assert_int_equal(sessions_end(fixture->sessions, &session, &error), -EFBIG);
    assert_non_null(strstr(error.message, fixture->path));
    assert_int_equal(state_of(fixture, text), SESSION_ENDED);
    assert_int_equal(sessions_settle(fixture->sessions, &error), -EFBIG);
    assert_int_equal(sessions_end(fixture->sessions, &session, &error), -EFBIG);
    free_disk(&before);
    assert_int_equal(sessions_settle(fixture->sessions, &error), 0);
    reopen(fixture);
    assert_int_equal(state_of(fixture, text), SESSION_ENDED);

    fill_disk(&before);
    assert_int_equal(sessions_end(fixture->sessions, &second, &error), -EFBIG);
    free_disk(&before);
    assert_int_equal(sessions_end(fixture->sessions, &second, &error), 0);
    reopen(fixture);
    assert_int_equal(state_of(fixture, other), SESSION_ENDED);
    assert_int_equal(state_of(fixture, text), SESSION_ENDED);
}

/* With too many ended sessions all of them end by a new key. Before, a key that could not be written was
 * forgotten by the next log-out, and the old one came back with a restart. */
static void test_a_new_key_that_was_refused_is_made_durable_by_the_next_log_out(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES];
    struct rlimit before;
    struct error error = {0};
    size_t size = KEY_BYTES + (size_t)SESSIONS_ENDED_MAX * RECORD_BYTES, key_size;
    struct session session = issue(fixture, 60, text);
    sessions_close(fixture->sessions);
    char *key = test_file_read(fixture->path, &key_size);
    assert_int_equal(key_size, KEY_BYTES);
    uint8_t *file = calloc(1, size);
    assert_non_null(file);
    memcpy(file, key, KEY_BYTES);
    for (uint32_t i = 0; i < SESSIONS_ENDED_MAX; i++) {
        uint8_t *record = file + KEY_BYTES + (size_t)i * RECORD_BYTES;
        record[0] = (uint8_t)(i >> 16); /* ascending ids that expire far ahead */
        record[1] = (uint8_t)(i >> 8);
        record[2] = (uint8_t)i;
        record[SESSION_ID_BYTES + 6] = 1; /* little endian */
    }
    test_file_write(fixture->path, file, size);
    open_sessions(fixture);
    assert_int_equal(state_of(fixture, text), SESSION_VALID);

    fill_disk(&before);
    assert_int_equal(sessions_end(fixture->sessions, &session, &error), -EFBIG);
    assert_int_equal(state_of(fixture, text), SESSION_FOREIGN);
    free_disk(&before);
    assert_int_equal(sessions_settle(fixture->sessions, &error), 0);
    reopen(fixture);
    assert_int_equal(state_of(fixture, text), SESSION_FOREIGN);
    free(key);
    free(file);
}

/* The directory cannot take the new file; the old one takes the record. */
static void test_a_name_that_is_taken(void **state)
{
    struct fixture *fixture = *state;
    char text[SESSION_TEXT_BYTES], other[SESSION_TEXT_BYTES];
    struct rlimit before;
    struct error error = {0};
    struct session session = issue(fixture, 60, text), second = issue(fixture, 60, other);
    char *taken = test_path(fixture->directory, "sessions.new");
    assert_int_equal(mkdir(taken, 0700), 0);
    assert_int_equal(sessions_end(fixture->sessions, &session, &error), 0);
    fill_disk(&before);
    assert_true(sessions_end(fixture->sessions, &second, &error) < 0);
    free_disk(&before);
    assert_int_equal(sessions_settle(fixture->sessions, &error), -EEXIST);
    assert_int_equal(rmdir(taken), 0);
    assert_int_equal(sessions_settle(fixture->sessions, &error), 0);
    reopen(fixture);
    assert_int_equal(state_of(fixture, text), SESSION_ENDED);
    assert_int_equal(state_of(fixture, other), SESSION_ENDED);
    free(taken);
}

static void test_a_proof_changes_with_the_password_and_the_key(void **state)
{
    struct fixture *fixture = *state;
    uint8_t proof[SESSION_PROOF_BYTES], same[SESSION_PROOF_BYTES], other[SESSION_PROOF_BYTES];
    assert_true(sessions_proof(fixture->sessions, "hash", "key", proof));
    assert_true(sessions_proof(fixture->sessions, "hash", "key", same));
    assert_memory_equal(proof, same, sizeof(proof));
    assert_true(sessions_proof(fixture->sessions, "hashk", "ey", other));
    assert_memory_not_equal(proof, other, sizeof(proof));
    assert_true(sessions_proof(fixture->sessions, "hash", "other", other));
    assert_memory_not_equal(proof, other, sizeof(proof));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_cookie_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_ends_a_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_cookie_of_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_ended_session_stays_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_refused_log_out_is_made_durable_by_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_new_key_that_was_refused_is_made_durable_by_the_next_log_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_a_proof_changes_with_the_password_and_the_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
