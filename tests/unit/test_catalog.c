#include "catalog_fixture.h"

/* ---- users ---- */

static void test_new_user_has_its_devices(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct user user = {.name = text("alice"),
        .email = text("a@b"),
        .nickname = text("Alice é"),
        .description = text("d\n\"<&>"),
        .icon = text("material:face"),
        .is_public = true};
    int64_t id;
    assert_int_equal(catalog_create_user(f.catalog, &user, "pw", &id, &f.error), 0);
    fixture_reopen(&f);
    struct user stored;
    assert_int_equal(catalog_user_by_name(f.catalog, "alice", &stored, &f.error), 0);
    assert_int_equal(stored.id, id);
    assert_string_equal(stored.nickname, "Alice é");
    assert_string_equal(stored.email, "a@b");
    assert_string_equal(stored.description, "d\n\"<&>");
    assert_string_equal(stored.icon, "material:face");
    assert_string_equal(stored.role, "user");
    assert_true(stored.is_public);
    assert_string_equal(stored.password_scheme, "bcrypt-hmac-sha256");
    assert_memory_equal(stored.password, "$2b$10$", 7);
    assert_int_equal(strlen(stored.password), 60);
    assert_int_equal(strlen(stored.password_salt), 36);
    struct device device;
    assert_int_equal(catalog_device_by_name(f.catalog, "alice", "user", &device, &f.error), 0);
    assert_string_equal(device.description, "Holds manually inserted data for the user");
    assert_string_equal(device.icon, "material:person");
    assert_string_equal(device.role, "user");
    assert_int_equal(strlen(device.apikey), 36);
    assert_string_not_equal(device.apikey, stored.password_salt);
    assert_true(device.enabled && device.visible && device.user_editable && !device.is_public);
    device_free(&device);
    assert_int_equal(catalog_device_by_name(f.catalog, "alice", "meta", &device, &f.error), 0);
    assert_string_equal(device.description, "The meta device holds automatically generated streams");
    assert_string_equal(device.icon, "material:bug_report");
    assert_string_equal(device.role, "");
    assert_string_equal(device.apikey, "");
    assert_true(device.enabled && !device.visible && !device.user_editable && !device.is_public);
    device_free(&device);
    user_free(&stored);
    assert_int_equal(catalog_user_by_id(f.catalog, id, &stored, &f.error), 0);
    assert_string_equal(stored.name, "alice");
    user_free(&stored);
    fixture_close(&f);
}

static void test_users_that_are_refused(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    make_user(&f, "alice", "alice@example.com");
    static const struct {
        const char *name, *email, *password, *icon, *role;
        int code;
        const char *said;
    } cases[] = {
        {"alice", "new@example.com", "x", "", "", EEXIST, "user 'alice' already exists"},
        {"alice2", "alice@example.com", "x", "", "", EEXIST, "email address already exists"},
        {"", "n@b", "x", "", "", EINVAL, "name"},
        {"a b", "n@b", "x", "", "", EINVAL, "name"},
        {"www", "n@b", "x", "", "", EINVAL, "'www' is not allowed"},
        {"bob", "", "x", "", "", EINVAL, "email"},
        {"bob", "noat", "x", "", "", EINVAL, "email"},
        {"bob", "n@b", "", "", "", EINVAL, "password"},
        {"bob", "n@b", "x", "bad icon", "", EINVAL, "icon"},
        {"bob", "n@b", "x", "", "a role", EINVAL, "role"},
        {"bob", "n@b", "x", "", "\xff", EINVAL, "role"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct user user = some_user(cases[i].name, cases[i].email);
        user.icon = text(cases[i].icon);
        user.role = text(cases[i].role);
        int64_t id = -1;
        assert_error(&f, catalog_create_user(f.catalog, &user, cases[i].password, &id, &f.error),
            cases[i].code, cases[i].said);
        assert_int_equal(id, -1);
    }
    struct user user = some_user("bob", "n@b");
    user.nickname = text("\xc0\x80");
    assert_error(&f, catalog_create_user(f.catalog, &user, "x", NULL, &f.error), EINVAL, "nickname");
    char *huge = malloc(TEXT_BYTES_MAX + 2);
    memset(huge, 'x', TEXT_BYTES_MAX + 1);
    huge[TEXT_BYTES_MAX + 1] = '\0';
    user.nickname = NULL;
    user.description = huge;
    assert_error(&f, catalog_create_user(f.catalog, &user, "x", NULL, &f.error), EINVAL, "description");
    free(huge);
    uint64_t users, devices, streams;
    assert_int_equal(catalog_counts(f.catalog, &users, &devices, &streams, &f.error), 0);
    assert_int_equal(users, 1);
    assert_int_equal(devices, 2);
    make_user(&f, "Alice", "ALICE@example.com"); /* names and addresses differ by case */
    assert_error(
        &f, catalog_user_by_name(f.catalog, "aLICE", &user, &f.error), ENOENT, "user 'aLICE' not found");
    assert_error(&f, catalog_user_by_name(f.catalog, "\xff", &user, &f.error), ENOENT, "user not found");
    assert_error(&f, catalog_user_by_id(f.catalog, 99, &user, &f.error), ENOENT, "user not found");
    fixture_close(&f);
}

/* ---- devices ---- */

static void test_devices(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b"), bob = make_user(&f, "bob", "b@b");
    struct device device = {.user_id = alice,
        .name = text("d"),
        .nickname = text("n"),
        .description = text("x"),
        .icon = text("fa:x"),
        .apikey = text("mykey"),
        .role = text("reader"),
        .is_public = true,
        .visible = true};
    int64_t id;
    assert_int_equal(catalog_create_device(f.catalog, &device, &id, &f.error), 0);
    struct device stored;
    assert_int_equal(catalog_device_by_id(f.catalog, id, &stored, &f.error), 0);
    assert_int_equal(stored.user_id, alice);
    assert_string_equal(stored.name, "d");
    assert_string_equal(stored.nickname, "n");
    assert_string_equal(stored.description, "x");
    assert_string_equal(stored.icon, "fa:x");
    assert_string_equal(stored.apikey, "mykey");
    assert_string_equal(stored.role, "reader");
    assert_true(stored.is_public && stored.visible && !stored.enabled && !stored.user_editable);
    device_free(&stored);
    assert_error(
        &f, catalog_create_device(f.catalog, &device, NULL, &f.error), EEXIST, "device 'd' already exists");
    device.user_id = bob;
    assert_error(&f, catalog_create_device(f.catalog, &device, NULL, &f.error), ENOTUNIQ, "API key");
    assert_null(strstr(f.error.message, "mykey"));
    device.apikey = text("");
    assert_int_equal(catalog_create_device(f.catalog, &device, NULL, &f.error), 0);
    assert_int_equal(catalog_device_by_name(f.catalog, "bob", "d", &stored, &f.error), 0);
    assert_int_equal(strlen(stored.apikey), 36);
    device_free(&stored);
    device.user_id = 99;
    device.name = text("e");
    assert_error(&f, catalog_create_device(f.catalog, &device, NULL, &f.error), ENOENT, "user not found");
    device.user_id = bob;
    device.icon = text("no icon");
    assert_error(&f, catalog_create_device(f.catalog, &device, NULL, &f.error), EINVAL, "icon");
    device.icon = NULL;
    device.name = text("1");
    assert_error(&f, catalog_create_device(f.catalog, &device, NULL, &f.error), EINVAL, "name");
    device.name = text("e");
    device.apikey = text("\xff");
    assert_error(&f, catalog_create_device(f.catalog, &device, NULL, &f.error), EINVAL, "API key");
    assert_error(&f, catalog_device_by_name(f.catalog, "bob", "e", &stored, &f.error), ENOENT,
        "device 'bob/e' not found");
    assert_error(
        &f, catalog_device_by_name(f.catalog, "bob", "/", &stored, &f.error), ENOENT, "device not found");
    assert_error(&f, catalog_device_by_id(f.catalog, 99, &stored, &f.error), ENOENT, "device not found");
    fixture_close(&f);
}

/* All of it or nothing: not even a series is taken by what fails. */
static void test_a_device_comes_with_its_streams(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b"), id = -1;
    struct device device = {.user_id = alice, .name = text("d")}, stored;
    char *huge = malloc(TEXT_BYTES_MAX + 2);
    memset(huge, 'x', TEXT_BYTES_MAX + 1);
    huge[TEXT_BYTES_MAX + 1] = '\0';
    uint64_t before, after, users, devices, stream_count;
    assert_int_equal(catalog_reserve_series(f.catalog, 1, &before, &f.error), 0);
    const struct {
        struct stream second;
        int code;
        const char *said;
    } cases[] = {
        {{.name = text("s")}, EEXIST,
            "stream 's' already exists"}, /* as the first one's: found by the second row */
        {{.name = text("1")}, EINVAL, "name"},
        {{.name = text("t"), .icon = text("no icon")}, EINVAL, "icon"},
        {{.name = text("t"), .schema = text("[]")}, EINVAL, "schema"},
        {{.name = text("t"), .description = huge}, EINVAL, "description"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct stream streams[] = {{.name = text("s"), .downlink = true}, cases[i].second};
        assert_error(&f, catalog_create_device_with_streams(f.catalog, &device, streams, 2, &id, &f.error),
            cases[i].code, cases[i].said);
        assert_int_equal(id, -1);
        assert_error(
            &f, catalog_device_by_name(f.catalog, "alice", "d", &stored, &f.error), ENOENT, "not found");
    }
    assert_int_equal(catalog_counts(f.catalog, &users, &devices, &stream_count, &f.error), 0);
    assert_int_equal(devices, 2);
    assert_int_equal(stream_count, 0);
    assert_int_equal(catalog_reserve_series(f.catalog, 1, &after, &f.error), 0);
    assert_int_equal(after, before + 1);
    const struct stream streams[] = {
        {.device_id = 99, .name = text("s"), .downlink = true}, {.name = text("t"), .schema = text("{ }")}};
    assert_int_equal(catalog_create_device_with_streams(f.catalog, &device, streams, 2, &id, &f.error), 0);
    struct stream s = get_stream(&f, "alice", "d", "s"), t = get_stream(&f, "alice", "d", "t");
    assert_int_equal(s.device_id, id);
    assert_int_equal(t.device_id, id);
    assert_int_equal(s.series_id, after + 1);
    assert_int_equal(s.downlink_series_id, after + 2);
    assert_int_equal(t.series_id, after + 3);
    assert_string_equal(t.schema, "{}");
    stream_free(&s);
    stream_free(&t);
    free(huge);
    fixture_close(&f);
}

static void test_a_private_user_has_no_public_device(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct user user = imported_user("carol", "c@b");
    user.is_public = false;
    struct catalog_import *import;
    assert_int_equal(catalog_import_begin(f.catalog, &user, &import, &f.error), 0);
    assert_int_equal(catalog_import_commit(import, &f.error), 0);
    assert_int_equal(catalog_user_by_name(f.catalog, "carol", &user, &f.error), 0);
    struct device device = {.user_id = user.id, .name = text("d"), .is_public = true};
    assert_error(&f, catalog_create_device(f.catalog, &device, NULL, &f.error), EINVAL, "private user");
    device.is_public = false;
    assert_int_equal(catalog_create_device(f.catalog, &device, NULL, &f.error), 0);
    user_free(&user);
    fixture_close(&f);
}

/* ---- streams ---- */

static void test_streams(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b");
    int64_t device = make_device(&f, alice, "d");
    struct stream stream = {.device_id = device,
        .name = text("s"),
        .nickname = text("n"),
        .description = text("x"),
        .icon = text("fa:x"),
        .schema = text("{ \"type\": \"number\" }"),
        .datatype = text("t.u"),
        .ephemeral = true,
        .downlink = true,
        .series_id = 77,
        .downlink_series_id = 78};
    int64_t id;
    assert_int_equal(catalog_create_stream(f.catalog, &stream, &id, &f.error), 0);
    struct stream stored = get_stream(&f, "alice", "d", "s");
    assert_int_equal(stored.id, id);
    assert_int_equal(stored.device_id, device);
    assert_string_equal(stored.nickname, "n");
    assert_string_equal(stored.description, "x");
    assert_string_equal(stored.icon, "fa:x");
    assert_string_equal(stored.schema, "{\"type\":\"number\"}");
    assert_string_equal(stored.datatype, "t.u");
    assert_true(stored.ephemeral && stored.downlink);
    assert_int_equal(stored.series_id, 1);
    assert_int_equal(stored.downlink_series_id, 2);
    stream_free(&stored);
    assert_error(
        &f, catalog_create_stream(f.catalog, &stream, NULL, &f.error), EEXIST, "stream 's' already exists");
    make_stream(&f, device, "plain", false);
    stored = get_stream(&f, "alice", "d", "plain");
    assert_string_equal(stored.schema, "{}");
    assert_int_equal(stored.series_id, 3); /* refused ones take none */
    assert_int_equal(stored.downlink_series_id, 0);
    stream_free(&stored);
    stream.device_id = 99;
    stream.name = text("t");
    assert_error(&f, catalog_create_stream(f.catalog, &stream, NULL, &f.error), ENOENT, "device not found");
    stream.device_id = device;
    stream.schema = text("[]");
    assert_error(&f, catalog_create_stream(f.catalog, &stream, NULL, &f.error), EINVAL, "schema");
    stream.schema = NULL;
    stream.icon = text("bad icon");
    assert_error(&f, catalog_create_stream(f.catalog, &stream, NULL, &f.error), EINVAL, "icon");
    stream.icon = NULL;
    stream.name = text("a/b");
    assert_error(&f, catalog_create_stream(f.catalog, &stream, NULL, &f.error), EINVAL, "name");
    assert_error(&f, catalog_stream_by_name(f.catalog, "alice", "d", "t", &stored, &f.error), ENOENT,
        "stream 'alice/d/t' not found");
    assert_error(
        &f, catalog_stream_by_name(f.catalog, "alice", "", "t", &stored, &f.error), ENOENT, "not found");
    fixture_close(&f);
}

static void test_downlink_off_and_on_again(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t device = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    make_stream(&f, device, "s", true);
    struct stream stream = get_stream(&f, "alice", "d", "s");
    static const struct {
        bool downlink;
        uint64_t dropped, series;
    } steps[] = {
        {true, 0, 2},
        {false, 2, 0},
        {false, 0, 0},
        {true, 0, 3},
        {true, 0, 3},
        {false, 3, 0},
        {true, 0, 4},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct stream update = {.id = stream.id,
            .name = stream.name,
            .downlink = steps[i].downlink,
            .nickname = text("N"),
            .schema = text("{ }"),
            .datatype = text("T"),
            .series_id = 99};
        uint64_t dropped = 99;
        assert_int_equal(
            catalog_change_stream(f.catalog, update.id, &update, UINT32_MAX, NULL, &dropped, &f.error), 0);
        assert_int_equal(dropped, steps[i].dropped);
        struct stream stored = get_stream(&f, "alice", "d", "s");
        assert_int_equal(stored.downlink, steps[i].downlink);
        assert_int_equal(stored.downlink_series_id, steps[i].series);
        assert_int_equal(stored.series_id, 1);
        assert_int_equal(stored.device_id, device);
        assert_string_equal(stored.nickname, "N");
        assert_string_equal(stored.schema, "{}");
        assert_string_equal(stored.datatype, "T");
        stream_free(&stored);
        struct stream_place place;
        assert_int_equal(catalog_stream_place(f.catalog, "alice", "d", "s", &place, &f.error), 0);
        assert_int_equal(place.downlink_series_id, steps[i].series);
        assert_int_equal(place.downlink, steps[i].downlink);
    }
    uint64_t dropped = 99;
    struct stream update = {.id = stream.id, .name = stream.name, .icon = text("bad icon")};
    assert_error(&f,
        catalog_change_stream(f.catalog, update.id, &update, UINT32_MAX, NULL, &dropped, &f.error), EINVAL,
        "icon");
    update = (struct stream){.id = stream.id, .name = stream.name, .schema = text("x")};
    assert_error(&f,
        catalog_change_stream(f.catalog, update.id, &update, UINT32_MAX, NULL, &dropped, &f.error), EINVAL,
        "schema");
    update = (struct stream){.id = 99, .name = stream.name};
    assert_error(&f,
        catalog_change_stream(f.catalog, update.id, &update, UINT32_MAX, NULL, &dropped, &f.error), ENOENT,
        "stream not found");
    assert_int_equal(dropped, 99);
    stream_free(&stream);
    fixture_close(&f);
}

/* ---- deleting ---- */

static int compare_ids(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void assert_series(uint64_t *series, size_t count, const uint64_t *expected, size_t expected_count)
{
    assert_int_equal(count, expected_count);
    if (count > 0)
        qsort(series, count, sizeof(*series), compare_ids);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(series[i], expected[i]);
    free(series);
}

static void test_deleting_takes_what_is_below(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b"), bob = make_user(&f, "bob", "b@b");
    int64_t first = make_device(&f, alice, "first"), second = make_device(&f, alice, "second");
    int64_t other = make_device(&f, bob, "other");
    int64_t gone = make_stream(&f, first, "gone", true); /* 1, 2 */
    make_stream(&f, first, "a", false);                  /* 3 */
    make_stream(&f, first, "b", true);                   /* 4, 5 */
    make_stream(&f, second, "c", true);                  /* 6, 7 */
    make_stream(&f, other, "kept", true);                /* 8, 9 */
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_delete_stream(f.catalog, gone, &series, &count, &f.error), 0);
    assert_series(series, count, (uint64_t[]){1, 2}, 2);
    assert_error(
        &f, catalog_delete_stream(f.catalog, gone, &series, &count, &f.error), ENOENT, "stream not found");
    assert_int_equal(catalog_delete_device(f.catalog, first, &series, &count, &f.error), 0);
    assert_series(series, count, (uint64_t[]){3, 4, 5}, 3);
    assert_error(
        &f, catalog_delete_device(f.catalog, first, &series, &count, &f.error), ENOENT, "device not found");
    static const char *const fixed[] = {"user", "meta"};
    for (int i = 0; i < 2; i++) {
        struct device device;
        assert_int_equal(catalog_device_by_name(f.catalog, "alice", fixed[i], &device, &f.error), 0);
        assert_error(
            &f, catalog_delete_device(f.catalog, device.id, &series, &count, &f.error), EPERM, fixed[i]);
        device_free(&device);
    }
    assert_int_equal(catalog_delete_user(f.catalog, alice, &series, &count, &f.error), 0);
    assert_series(series, count, (uint64_t[]){6, 7}, 2);
    assert_error(
        &f, catalog_delete_user(f.catalog, alice, &series, &count, &f.error), ENOENT, "user not found");
    assert_int_equal(catalog_series(f.catalog, &series, &count, &f.error), 0);
    assert_series(series, count, (uint64_t[]){8, 9}, 2);
    uint64_t users, devices, streams;
    assert_int_equal(catalog_counts(f.catalog, &users, &devices, &streams, &f.error), 0);
    assert_int_equal(users, 1);
    assert_int_equal(devices, 3);
    assert_int_equal(streams, 1);
    fixture_close(&f);
}

static void test_ids_are_never_given_out_twice(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t user = make_user(&f, "alice", "a@b");
    int64_t device = make_device(&f, user, "d");
    int64_t stream = make_stream(&f, device, "s", true);
    uint64_t first;
    assert_int_equal(catalog_reserve_series(f.catalog, 10, &first, &f.error), 0);
    assert_int_equal(first, 3);
    assert_error(&f, catalog_reserve_series(f.catalog, 0, &first, &f.error), EINVAL, "0 series");
    assert_error(&f, catalog_reserve_series(f.catalog, UINT64_MAX, &first, &f.error), EINVAL, "series");
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_delete_user(f.catalog, user, &series, &count, &f.error), 0);
    free(series);
    fixture_reopen(&f);
    assert_true(make_user(&f, "alice", "a@b") > user);
    struct device found;
    assert_int_equal(catalog_device_by_name(f.catalog, "alice", "meta", &found, &f.error), 0);
    assert_true(found.id > device);
    int64_t again = make_stream(&f, found.id, "s", false);
    device_free(&found);
    assert_true(again > stream);
    struct stream stored = get_stream(&f, "alice", "meta", "s");
    assert_int_equal(stored.series_id, 13);
    stream_free(&stored);
    fixture_close(&f);
}

/* ---- import ---- */

static void test_an_import_appears_at_once(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    uint64_t first;
    assert_int_equal(catalog_reserve_series(f.catalog, 3, &first, &f.error), 0);
    struct user user = {.name = text("test"),
        .nickname = text("T"),
        .email = text(""),
        .role = text("admin"),
        .password = text(cheap_hash),
        .password_salt = text("salt"),
        .password_scheme = text("bcrypt")};
    struct device meta = {.name = text("meta"), .apikey = text("never"), .description = text("M")};
    struct device device = {.name = text("chrome"), .apikey = text("key"), .user_editable = true};
    struct stream log = {.name = text("log"), .icon = text("an old icon"), .series_id = first};
    struct stream tree = {.name = text("tree"),
        .schema = text("{\"type\":\"boolean\"}"),
        .downlink = true,
        .series_id = first + 1,
        .downlink_series_id = first + 2};
    struct catalog_import *import;
    assert_int_equal(catalog_import_begin(f.catalog, &user, &import, &f.error), 0);
    assert_int_equal(catalog_import_device(import, &meta, &f.error), 0);
    assert_int_equal(catalog_import_stream(import, &log, &f.error), 0);
    assert_int_equal(catalog_import_device(import, &device, &f.error), 0);
    assert_int_equal(catalog_import_stream(import, &tree, &f.error), 0);
    struct user stored;
    assert_error(&f, catalog_user_by_name(f.catalog, "test", &stored, &f.error), ENOENT, "not found");
    struct identity identity;
    assert_error(&f, catalog_identity_by_key(f.catalog, "key", &identity, &f.error), ENOENT, "API key");
    assert_int_equal(catalog_import_commit(import, &f.error), 0);
    assert_int_equal(catalog_user_by_name(f.catalog, "test", &stored, &f.error), 0);
    assert_string_equal(stored.password, cheap_hash);
    assert_string_equal(stored.password_salt, "salt");
    assert_string_equal(stored.role, "admin");
    user_free(&stored);
    struct device found;
    assert_int_equal(catalog_device_by_name(f.catalog, "test", "meta", &found, &f.error), 0);
    assert_string_equal(found.apikey, "");
    assert_string_equal(found.description, "M");
    device_free(&found);
    assert_int_equal(catalog_device_by_name(f.catalog, "test", "user", &found, &f.error), 0);
    assert_int_equal(strlen(found.apikey), 36);
    device_free(&found);
    struct stream stream = get_stream(&f, "test", "chrome", "tree");
    assert_int_equal(stream.series_id, first + 1);
    assert_int_equal(stream.downlink_series_id, first + 2);
    stream_free(&stream);
    stream = get_stream(&f, "test", "meta", "log");
    assert_int_equal(stream.series_id, first);
    assert_string_equal(stream.icon, "an old icon");
    stream_free(&stream);
    assert_int_equal(catalog_identity_by_key(f.catalog, "key", &identity, &f.error), 0);
    assert_string_equal(identity.device, "chrome");
    fixture_close(&f);
}

static void test_imports_that_are_refused(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t device_id = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    make_stream(&f, device_id, "s", true); /* series 1, 2 */
    uint64_t first;
    assert_int_equal(catalog_reserve_series(f.catalog, 2, &first, &f.error), 0);
    struct catalog_import *import = NULL;
    struct user user = imported_user("alice", "x@b");
    assert_error(&f, catalog_import_begin(f.catalog, &user, &import, &f.error), EEXIST, "user 'alice'");
    user = imported_user("bob", "a@b");
    assert_error(&f, catalog_import_begin(f.catalog, &user, &import, &f.error), EEXIST, "email");
    user = imported_user("bob", "b@b");
    user.password_scheme = text("md5");
    assert_error(&f, catalog_import_begin(f.catalog, &user, &import, &f.error), EINVAL, "scheme");
    assert_null(import);
    user = imported_user("bob", "b@b");
    assert_int_equal(catalog_import_begin(f.catalog, &user, &import, &f.error), 0);
    struct stream stream = {.name = text("s"), .series_id = first};
    assert_error(&f, catalog_import_stream(import, &stream, &f.error), EINVAL, "before its device");
    struct device device = {.name = text("d"), .apikey = text("k")};
    assert_int_equal(catalog_import_device(import, &device, &f.error), 0);
    assert_error(&f, catalog_import_device(import, &device, &f.error), EEXIST, "device 'd' already exists");
    device.name = text("e");
    assert_error(&f, catalog_import_device(import, &device, &f.error), ENOTUNIQ, "API key");
    device.name = text("no/name");
    assert_error(&f, catalog_import_device(import, &device, &f.error), EINVAL, "name");
    static const struct {
        uint64_t series, downlink_series;
        bool downlink;
        int code;
        const char *said;
    } cases[] = {
        {0, 0, false, EINVAL, "reserved"},
        {5, 0, false, EINVAL, "reserved"},
        {1, 0, false, EEXIST, "another stream"},
        {2, 0, false, EEXIST, "another stream"},
        {3, 2, true, EEXIST, "another stream"},
        {3, 0, true, EINVAL, "second"},
        {3, 4, false, EINVAL, "second"},
        {3, 3, true, EINVAL, "same"},
        {UINT64_MAX, 0, false, EINVAL, "reserved"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        stream = (struct stream){.name = text("s"),
            .series_id = cases[i].series,
            .downlink = cases[i].downlink,
            .downlink_series_id = cases[i].downlink_series};
        assert_error(&f, catalog_import_stream(import, &stream, &f.error), cases[i].code, cases[i].said);
    }
    stream = (struct stream){.name = text("s"), .series_id = first, .schema = text("nonsense")};
    assert_error(&f, catalog_import_stream(import, &stream, &f.error), EINVAL, "schema");
    stream.schema = NULL;
    assert_int_equal(catalog_import_stream(import, &stream, &f.error), 0);
    stream.series_id = first + 1;
    assert_error(&f, catalog_import_stream(import, &stream, &f.error), EEXIST, "stream 's' already exists");
    catalog_import_rollback(import);
    catalog_import_rollback(NULL);
    assert_error(&f, catalog_user_by_name(f.catalog, "bob", &user, &f.error), ENOENT, "not found");
    make_user(&f, "bob", "b@b"); /* nothing is left of it */
    fixture_close(&f);
}

/* ---- snapshots ---- */

struct visits {
    struct catalog_snapshot *snapshot;
    char names[256];
    const char *stop_at;
};

static int visit_stream(void *context, const struct stream *stream)
{
    struct visits *visits = context;
    strcat(strcat(visits->names, " "), stream->name);
    return visits->stop_at && strcmp(stream->name, visits->stop_at) == 0 ? 42 : 0;
}

static int visit_device(void *context, const struct device *device)
{
    struct visits *visits = context;
    strcat(strcat(visits->names, " "), device->name);
    return catalog_each_stream(visits->snapshot, device->id, visit_stream, visits, NULL);
}

static int visit_user(void *context, const struct user *user)
{
    struct visits *visits = context;
    strcat(strcat(visits->names, " "), user->name);
    return catalog_each_device(visits->snapshot, user->id, visit_device, visits, NULL);
}

static void test_a_snapshot_is_one_moment(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t bob = make_user(&f, "bob", "b@b"), alice = make_user(&f, "alice", "a@b");
    int64_t device = make_device(&f, bob, "d");
    make_stream(&f, device, "y", false);
    make_stream(&f, device, "x", true);
    struct visits visits = {0};
    assert_int_equal(catalog_snapshot_open(f.catalog, &visits.snapshot, &f.error), 0);
    make_stream(&f, device, "later", false);
    make_user(&f, "carol", "c@b");
    uint64_t *series;
    size_t count;
    assert_int_equal(catalog_delete_user(f.catalog, alice, &series, &count, &f.error), 0);
    free(series);
    assert_int_equal(catalog_each_user(visits.snapshot, visit_user, &visits, &f.error), 0);
    assert_string_equal(visits.names, " alice meta user bob d x y meta user");
    visits.names[0] = '\0';
    visits.stop_at = "x";
    assert_int_equal(catalog_each_user(visits.snapshot, visit_user, &visits, &f.error), 42);
    assert_string_equal(visits.names, " alice meta user bob d x");
    catalog_snapshot_close(visits.snapshot);
    catalog_snapshot_close(NULL);
    visits = (struct visits){0};
    assert_int_equal(catalog_snapshot_open(f.catalog, &visits.snapshot, &f.error), 0);
    assert_int_equal(catalog_each_user(visits.snapshot, visit_user, &visits, &f.error), 0);
    assert_string_equal(visits.names, " bob d later x y meta user carol meta user");
    catalog_snapshot_close(visits.snapshot);
    fixture_close(&f);
}

static void test_pages(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t bob = make_user(&f, "bob", "b@b"), device = make_device(&f, bob, "d");
    char name[16], after[NAME_BYTES_MAX + 1] = "";
    for (int i = 0; i < CATALOG_PAGE_ROWS + 6; i++) {
        (void)snprintf(name, sizeof(name), "s%03d", i);
        make_stream(&f, device, name, false);
    }
    struct stream streams[CATALOG_PAGE_ROWS];
    int next = 0, count;
    while ((count = catalog_streams_page(f.catalog, device, after, streams, &f.error)) > 0) {
        assert_int_equal(count, next == 0 ? CATALOG_PAGE_ROWS : 6);
        for (int i = 0; i < count; i++) {
            (void)snprintf(name, sizeof(name), "s%03d", next++);
            assert_string_equal(streams[i].name, name);
            stream_free(&streams[i]);
        }
        strcpy(after, name);
    }
    assert_int_equal(count, 0);
    assert_int_equal(next, CATALOG_PAGE_ROWS + 6);
    struct user users[CATALOG_PAGE_ROWS];
    struct device devices[CATALOG_PAGE_ROWS];
    assert_int_equal(catalog_users_page(f.catalog, "boa", users, &f.error), 1);
    user_free(&users[0]);
    assert_int_equal(catalog_users_page(f.catalog, "bob", users, &f.error), 0);
    assert_int_equal(catalog_devices_page(f.catalog, bob, "d", devices, &f.error), 2);
    assert_string_equal(devices[0].name, "meta");
    assert_string_equal(devices[1].name, "user");
    device_free(&devices[0]);
    device_free(&devices[1]);
    assert_int_equal(catalog_devices_page(f.catalog, 12345, "", devices, &f.error), 0);
    fixture_close(&f);
}

/* A page ends early when its texts are long. */
static void test_pages_of_long_texts(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t bob = make_user(&f, "bob", "b@b"), device = make_device(&f, bob, "d");
    char *text = calloc(1, CATALOG_PAGE_BYTES);
    assert_non_null(text);
    memset(text, 'x', CATALOG_PAGE_BYTES / 2);
    for (int i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s%d", i);
        struct stream stream = {.device_id = device,
            .name = name,
            .nickname = "",
            .description = text,
            .icon = "",
            .schema = "{}",
            .datatype = ""};
        assert_int_equal(catalog_create_stream(f.catalog, &stream, NULL, &f.error), 0);
    }
    struct stream streams[CATALOG_PAGE_ROWS];
    int count = catalog_streams_page(f.catalog, device, "", streams, &f.error);
    assert_int_equal(count, 2);
    for (int i = 0; i < count; i++)
        stream_free(&streams[i]);
    free(text);
    fixture_close(&f);
}

/* At user "b" walks over all users again. */
static int visit_again(void *context, const struct user *user)
{
    struct visits *visits = context;
    strcat(strcat(visits->names, " "), user->name);
    if (strcmp(user->name, "b") != 0 || strlen(visits->names) > 2)
        return 0;
    return catalog_each_user(visits->snapshot, visit_again, visits, NULL);
}

static void test_a_walk_within_the_same_walk(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    make_user(&f, "b", "b@b");
    make_user(&f, "c", "c@b");
    struct visits visits = {0};
    assert_int_equal(catalog_snapshot_open(f.catalog, &visits.snapshot, &f.error), 0);
    for (int round = 0; round < 2; round++) {
        visits.names[0] = '\0';
        assert_int_equal(catalog_each_user(visits.snapshot, visit_again, &visits, &f.error), 0);
        assert_string_equal(visits.names, " b b c c");
    }
    catalog_snapshot_close(visits.snapshot);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_user_has_its_devices),
        cmocka_unit_test(test_users_that_are_refused),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_a_device_comes_with_its_streams),
        cmocka_unit_test(test_a_private_user_has_no_public_device),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_downlink_off_and_on_again),
        cmocka_unit_test(test_deleting_takes_what_is_below),
        cmocka_unit_test(test_ids_are_never_given_out_twice),
        cmocka_unit_test(test_an_import_appears_at_once),
        cmocka_unit_test(test_imports_that_are_refused),
        cmocka_unit_test(test_a_snapshot_is_one_moment),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_pages_of_long_texts),
        cmocka_unit_test(test_a_walk_within_the_same_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
