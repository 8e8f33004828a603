#include "test.h"

#include "password.h"
#include "password_memory.h"

#include <jansson.h>

/* Of plain bcrypt as everybody computes it (John the Ripper's and OpenWall's known answers), through an empty
 * salt. */
static void test_known_bcrypt_answers(void **state)
{
    (void)state;
    static const struct {
        const char *password, *hash;
    } cases[] = {
        {"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
        {"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"},
        /* 72 bytes and what follows: the rest does not count */
        {"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
            "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"},
        {"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
            "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"},
        /* bytes over 0x7f, the second of them such that libxcrypt's own `$2a$` would be another hash */
        {"\xa3", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"},
        {"\xff\xff\xa3", "$2a$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
    };
    struct error error = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = password_verify(cases[i].password, "bcrypt", cases[i].hash, "", &error);
        if (r != 1)
            fail_msg("%s: %d %s", cases[i].hash, r, error.message);
        r = password_verify("U*U*?", "bcrypt", cases[i].hash, "", &error);
        assert_int_equal(r, 0);
    }
}

/* The user.json of a recorded export. */
static void check_recorded(const char *path, const char *password)
{
    char *text = test_shared_read(path, NULL);
    json_t *user = json_loads(text, 0, NULL);
    assert_non_null(user);
    const char *scheme = json_string_value(json_object_get(user, "password_scheme"));
    const char *hash = json_string_value(json_object_get(user, "password"));
    const char *salt = json_string_value(json_object_get(user, "password_salt"));
    struct error error = {0};
    if (password_verify(password, scheme, hash, salt, &error) != 1)
        fail_msg("%s: the password is refused %s", path, error.message);
    assert_false(password_outdated(scheme, hash));
    char wrong[64];
    (void)snprintf(wrong, sizeof(wrong), "%sx", password);
    assert_int_equal(password_verify(wrong, scheme, hash, salt, &error), 0);
    json_decref(user);
    free(text);
}

static void test_recorded_users_log_in(void **state)
{
    (void)state;
    check_recorded("data/export_test/test/user.json", "123");
    check_recorded("data/demo/demo/user.json", "demo");
    check_recorded("vectors/export/data/test/user.json", "test");
    check_recorded("vectors/export/data/bob/user.json", "secret:\xc3\xa9");
}

static void test_new_hashes(void **state)
{
    (void)state;
    struct error error = {0};
    struct password_hash first, second;
    assert_int_equal(password_hash("p\xc3\xa4ss:w\"ord", &first, &error), 0);
    assert_int_equal(password_hash("p\xc3\xa4ss:w\"ord", &second, &error), 0);
    assert_memory_equal(first.hash, "$2b$10$", 7);
    assert_int_equal(strlen(first.hash), 60);
    assert_int_equal(strlen(first.salt), 36);
    assert_string_equal(first.scheme, "bcrypt-hmac-sha256");
    assert_string_not_equal(first.hash, second.hash);
    assert_string_not_equal(first.salt, second.salt);
    assert_int_equal(password_verify("p\xc3\xa4ss:w\"ord", first.scheme, first.hash, first.salt, &error), 1);
    assert_int_equal(password_verify("p\xc3\xa4ss:w\"or", first.scheme, first.hash, first.salt, &error), 0);
    assert_int_equal(password_verify("p\xc3\xa4ss:w\"ord", first.scheme, first.hash, second.salt, &error), 0);
    assert_int_equal(password_verify("", first.scheme, first.hash, first.salt, &error), 0);
    assert_false(password_outdated(first.scheme, first.hash));
}

static char *repeated(char c, size_t count, const char *tail)
{
    static char text[2 * PASSWORD_BYTES_MAX];
    memset(text, c, count);
    strcpy(text + count, tail);
    return text;
}

/* Computed with Python's hmac, base64 and crypt. */
static void test_known_answers_of_the_new_scheme(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(password_verify("secret", "bcrypt-hmac-sha256",
                         "$2b$05$CCCCCCCCCCCCCCCCCCCCC.Ni7qNk/A/3XYUP4DnktYu8aA6ANmdYm", "salt", &error),
        1);
    assert_int_equal(password_verify(repeated('a', 72, "tail"), "bcrypt-hmac-sha256",
                         "$2b$05$CCCCCCCCCCCCCCCCCCCCC.PHzlo4PgQEmvKRC1WcvjOp5HRBLSVpK",
                         "f71f4d85-f9b1-4fb4-7a0c-6be8439e3fa2", &error),
        1);
}

static void test_every_byte_of_a_long_password_counts(void **state)
{
    (void)state;
    struct error error = {0};
    struct password_hash hash;
    static const size_t sizes[] = {35, 36, 37, 71, 72, 73, 511, 512, PASSWORD_BYTES_MAX - 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(password_hash(repeated('a', sizes[i], "b"), &hash, &error), 0);
        assert_int_equal(
            password_verify(repeated('a', sizes[i], "b"), hash.scheme, hash.hash, hash.salt, &error), 1);
        assert_int_equal(
            password_verify(repeated('a', sizes[i], "c"), hash.scheme, hash.hash, hash.salt, &error), 0);
        assert_int_equal(
            password_verify(repeated('a', sizes[i], ""), hash.scheme, hash.hash, hash.salt, &error), 0);
        assert_int_equal(
            password_verify(repeated('a', sizes[i], "b"), hash.scheme, hash.hash, "another", &error), 0);
    }
    assert_int_equal(password_hash(repeated('a', PASSWORD_BYTES_MAX + 1, ""), &hash, &error), -EINVAL);
    assert_int_equal(
        password_verify(repeated('a', PASSWORD_BYTES_MAX + 1, ""), hash.scheme, hash.hash, hash.salt, &error),
        0);
    assert_int_equal(password_hash("", &hash, &error), -EINVAL);
}

/* In 0.3 the first 72 bytes of password + salt count, and so they do for its hashes. */
static void test_long_passwords_of_0_3(void **state)
{
    (void)state;
    static const char cut[] =
        "$2a$04$CCCCCCCCCCCCCCCCCCCCC.bOPIHsrRTS3DxLLG5zPpQxRPqURmIXK"; /* of 72 times b */
    struct error error = {0};
    struct password_hash hash;
    assert_int_equal(password_verify(repeated('b', 72, ""), "bcrypt", cut, "salt", &error), 1);
    assert_int_equal(password_verify(repeated('b', 72, "tail"), "bcrypt", cut, "another salt", &error), 1);
    assert_int_equal(password_verify(repeated('b', 71, ""), "bcrypt", cut, "salt", &error), 0);
    /* The tail was not verified: a wrong one must not become the password. */
    assert_true(password_outdated("bcrypt", cut));
    assert_int_equal(password_upgrade(repeated('b', 72, "typo"), "bcrypt", "salt", &hash, &error), 0);
    assert_string_equal(hash.scheme, "bcrypt");
    assert_memory_equal(hash.hash, "$2a$10$", 7);
    assert_int_equal(
        password_verify(repeated('b', 72, "tail"), hash.scheme, hash.hash, hash.salt, &error), 1);
    /* of a short one every byte was */
    assert_int_equal(password_upgrade("secret", "bcrypt", "salt", &hash, &error), 0);
    assert_string_equal(hash.scheme, "bcrypt-hmac-sha256");
    assert_int_equal(password_upgrade(repeated('b', 72, "tail"), "SHA512", "salt", &hash, &error), 0);
    assert_string_equal(hash.scheme, "bcrypt-hmac-sha256");
    assert_int_equal(
        password_verify(repeated('b', 72, "typo"), hash.scheme, hash.hash, hash.salt, &error), 0);
}

static void test_hashes_that_an_import_may_bring(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *hash, *said; /* said: NULL = taken */
    } cases[] = {
        {"bcrypt", "$2a$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", NULL},
        {"bcrypt", "$2a$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", NULL},
        {"bcrypt-hmac-sha256", "$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", NULL},
        {"SHA512", "$2a$31$", NULL},
        {"bcrypt", "no hash", NULL},
        {"bcrypt", "$2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "cost 15; costs from 4 to 14"},
        {"bcrypt", "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "cost 31"},
        {"bcrypt-hmac-sha256", "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "cost 3"},
        {"md5", "x", "is unknown; bcrypt-hmac-sha256"},
        {"", "", "is unknown; bcrypt-hmac-sha256"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        int r = password_import_check(cases[i].scheme, cases[i].hash, &error);
        if (r != (cases[i].said ? -EINVAL : 0) || (cases[i].said && !strstr(error.message, cases[i].said)))
            fail_msg("%s %s: %d %s", cases[i].scheme, cases[i].hash, r, error.message);
    }
}

static void test_sha512(void **state)
{
    (void)state;
    /* printf testsalt | sha512sum */
    static const char hash[] = "6c838e934e3feefae6cfa53af11375d4954f85c6f5ed888c02cd7806a71696d1"
                               "cb449f2be78e9e6ea301a95c81f28ad8766f3ae582f9beaac33c7dc2b7ba9187";
    struct error error = {0};
    assert_int_equal(password_verify("test", "SHA512", hash, "salt", &error), 1);
    assert_int_equal(password_verify("testsalt", "SHA512", hash, "", &error), 1); /* it is only joined */
    assert_int_equal(password_verify("test", "SHA512", hash, "sals", &error), 0);
    assert_int_equal(password_verify("test", "SHA512", "", "salt", &error), 0);
    assert_true(password_outdated("SHA512", hash));
}

static void test_hashes_that_cannot_be_computed(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *hash;
    } cases[] = {
        {"md5", "x"},
        {"", ""},
        {"bcrypt", ""},
        {"bcrypt", "x"},
        {"bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe"},   /* one byte short */
        {"bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW"}, /* one too long */
        {"bcrypt", "$2c$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"bcrypt", "$6$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWx"},
        {"bcrypt", "$2a$xx$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"bcrypt",
            "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}, /* cost too low to exist */
        {"bcrypt", "$2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}, /* would take seconds, */
        {"bcrypt", "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}, /* hours */
        {"bcrypt-hmac-sha256", "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
        {"bcrypt", "$2a$05$CCCCCCCCCCCCCCC!CCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        if (password_verify("U*U", cases[i].scheme, cases[i].hash, "", &error) != -EINVAL)
            fail_msg("%s %s was computed", cases[i].scheme, cases[i].hash);
    }
}

static void test_uuids(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    char uuids[COUNT][UUID_TEXT_BYTES];
    struct error error = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(uuid_generate(uuids[i], &error), 0);
        assert_int_equal(strlen(uuids[i]), 36);
        assert_int_equal(strspn(uuids[i], "0123456789abcdef-"), 36);
        assert_int_equal(uuids[i][14], '4');
        assert_non_null(strchr("89ab", uuids[i][19]));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(uuids[i], uuids[k]);
    }
}

/* ---- remembered passwords ---- */

static const uint64_t second_ns = UINT64_C(1000000000);

static bool knows(
    struct password_memory *memory, const char *name, const char *password, uint64_t now_ns, int64_t user)
{
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    struct error error;
    assert_int_equal(password_memory_digest(memory, name, password, digest, &error), 0);
    int64_t found = -1;
    if (!password_memory_find(memory, digest, now_ns, &found))
        return false;
    assert_int_equal(found, user);
    return true;
}

static void remember(struct password_memory *memory, const char *name, const char *password, int64_t user,
    uint64_t generation, uint64_t now_ns)
{
    uint8_t digest[PASSWORD_DIGEST_BYTES];
    struct error error;
    assert_int_equal(password_memory_digest(memory, name, password, digest, &error), 0);
    password_memory_remember(memory, digest, user, generation, now_ns);
}

static void test_memory_forgets_in_time(void **state)
{
    (void)state;
    struct password_memory *memory;
    struct error error;
    assert_int_equal(password_memory_create(&memory, &error), 0);
    uint64_t start = 77 * second_ns;
    assert_false(knows(memory, "a", "pw", start, 5));
    remember(memory, "a", "pw", 5, password_memory_generation(memory), start);
    assert_true(knows(memory, "a", "pw", start, 5));
    assert_true(knows(memory, "a", "pw", start + PASSWORD_MEMORY_SECONDS * second_ns - 1, 5));
    assert_false(knows(memory, "a", "pw", start + PASSWORD_MEMORY_SECONDS * second_ns, 5));
    assert_false(knows(memory, "a", "pW", start, 5));
    assert_false(knows(memory, "ap", "w", start, 5));
    assert_false(knows(memory, "", "apw", start, 5));
    password_memory_free(memory);
}

static void test_memory_forgets_a_user(void **state)
{
    (void)state;
    struct password_memory *memory;
    struct error error;
    assert_int_equal(password_memory_create(&memory, &error), 0);
    uint64_t generation = password_memory_generation(memory);
    remember(memory, "a", "pw", 5, generation, 1);
    remember(memory, "a@b", "pw", 5, generation, 1);
    remember(memory, "c", "pw", 6, generation, 1);
    password_memory_forget(memory, 5);
    assert_false(knows(memory, "a", "pw", 1, 5));
    assert_false(knows(memory, "a@b", "pw", 1, 5));
    assert_true(knows(memory, "c", "pw", 1, 6));
    remember(
        memory, "a", "pw", 5, generation, 1); /* it was compared with a hash that may have been replaced */
    assert_false(knows(memory, "a", "pw", 1, 5));
    password_memory_forget_all(memory);
    assert_false(knows(memory, "c", "pw", 1, 6));
    password_memory_free(memory);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct password_memory *memory;
    struct error error;
    assert_int_equal(password_memory_create(&memory, &error), 0);
    uint64_t generation = password_memory_generation(memory);
    enum { NAMES = 3 * PASSWORD_MEMORY_ENTRIES };
    char name[16];
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(name, sizeof(name), "u%d", i);
        remember(memory, name, "pw", i + 1, generation, (uint64_t)i);
        assert_true(knows(memory, name, "pw", (uint64_t)i, i + 1));
    }
    int kept = 0;
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(name, sizeof(name), "u%d", i);
        kept += knows(memory, name, "pw", NAMES, i + 1);
    }
    assert_in_range(kept, PASSWORD_MEMORY_ENTRIES / 2, PASSWORD_MEMORY_ENTRIES);
    password_memory_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_bcrypt_answers),
        cmocka_unit_test(test_recorded_users_log_in),
        cmocka_unit_test(test_new_hashes),
        cmocka_unit_test(test_known_answers_of_the_new_scheme),
        cmocka_unit_test(test_every_byte_of_a_long_password_counts),
        cmocka_unit_test(test_long_passwords_of_0_3),
        cmocka_unit_test(test_hashes_that_an_import_may_bring),
        cmocka_unit_test(test_sha512),
        cmocka_unit_test(test_hashes_that_cannot_be_computed),
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_memory_forgets_in_time),
        cmocka_unit_test(test_memory_forgets_a_user),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
