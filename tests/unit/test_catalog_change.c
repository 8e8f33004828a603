/* Changes of single fields, whole trees of new objects, limits, and the logs of users. */
#include "catalog_fixture.h"

#include "fields.h"

#include <pthread.h>

static uint32_t bit(const struct object_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (strcmp(kind->fields[i].name, name) == 0)
            return field_bit(kind, &kind->fields[i]);
    }
    fail_msg("no field %s", name);
    return 0;
}

/* ---- users ---- */

static void test_a_user_changes_what_is_named(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    /* an address that nobody could take today: it is not checked as long as it stays */
    int64_t alice = make_user(&f, "alice", "not an address"), bob = make_user(&f, "bob", "b@b");
    const uint32_t nickname = bit(&USER_KIND, "nickname"), email = bit(&USER_KIND, "email");
    struct user changes = {.name = text("other"),
                    .nickname = text("N"),
                    .description = text("D"),
                    .email = text("x@y")},
                user;
    assert_int_equal(catalog_change_user(f.catalog, alice, &changes, nickname, &user, &f.error), 0);
    assert_string_equal(user.name, "alice");
    assert_string_equal(user.nickname, "N");
    assert_string_equal(user.description, "");
    assert_string_equal(user.email, "not an address");
    assert_true(user.is_public);
    user_free(&user);
    /* names never change */
    changes = (struct user){.name = text("other"), .email = text("x@y"), .role = text("admin")};
    assert_int_equal(catalog_change_user(f.catalog, alice, &changes,
                         bit(&USER_KIND, "name") | bit(&USER_KIND, "role") | email, &user, &f.error),
        0);
    assert_string_equal(user.name, "alice");
    assert_string_equal(user.role, "admin");
    assert_string_equal(user.email, "x@y");
    user_free(&user);
    static const struct {
        struct user changes;
        const char *field;
        int code;
        const char *said;
    } CASES[] = {
        {{.email = (char *)(uintptr_t) "b@b"}, "email", EEXIST, "email address already exists"},
        {{.email = (char *)(uintptr_t) "bad"}, "email", EINVAL, "email"},
        {{.icon = (char *)(uintptr_t) "no icon"}, "icon", EINVAL, "icon"},
        {{.nickname = (char *)(uintptr_t) "\xff"}, "nickname", EINVAL, "nickname"},
        {{.role = (char *)(uintptr_t) "1"}, "role", EINVAL, "role"},
        {{.password = (char *)(uintptr_t) ""}, "password", EINVAL, "password"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        assert_error(&f,
            catalog_change_user(
                f.catalog, alice, &CASES[i].changes, bit(&USER_KIND, CASES[i].field), &user, &f.error),
            CASES[i].code, CASES[i].said);
    assert_error(&f, catalog_change_user(f.catalog, 99, &changes, nickname, &user, &f.error), ENOENT,
        "user not found");
    /* the same address is not "taken" */
    changes = (struct user){.email = text("b@b")};
    assert_int_equal(catalog_change_user(f.catalog, bob, &changes, email, &user, &f.error), 0);
    user_free(&user);
    fixture_close(&f);
}

/* What memory and caches know of the user is outdated at once. */
static void test_a_changed_login_counts_at_once(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice;
    struct identity identity;
    struct user new = some_user("alice", "a@b");
    assert_int_equal(catalog_create_user(f.catalog, &new, "pw", &alice, &f.error), 0);
    struct user user, changes = {.password = text("new"), .role = text("admin"), .email = text("c@d")};
    assert_int_equal(catalog_identity_by_password(f.catalog, "alice", "pw", &identity, &f.error), 0);
    assert_int_equal(catalog_identity_by_password(f.catalog, "a@b", "pw", &identity, &f.error), 0);
    assert_int_equal(catalog_change_user(f.catalog, alice, &changes,
                         bit(&USER_KIND, "password") | bit(&USER_KIND, "role") | bit(&USER_KIND, "email"),
                         &user, &f.error),
        0);
    assert_string_not_equal(user.password, "new");
    assert_string_not_equal(user.password_salt, "");
    user_free(&user);
    assert_false(catalog_identity_remembered_password(f.catalog, "alice", "pw", &identity));
    assert_int_equal(catalog_identity_by_password(f.catalog, "alice", "pw", &identity, &f.error), -EACCES);
    assert_int_equal(catalog_identity_by_password(f.catalog, "a@b", "new", &identity, &f.error), -ENOENT);
    assert_int_equal(catalog_identity_by_password(f.catalog, "c@d", "new", &identity, &f.error), 0);
    assert_string_equal(identity.user_role, "admin");
    fixture_close(&f);
}

/* ---- devices ---- */

static void test_devices_change(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b");
    struct device device = {.user_id = alice, .name = text("d"), .apikey = text("first")}, changes, stored;
    struct identity identity;
    int64_t id;
    const uint32_t key = bit(&DEVICE_KIND, "apikey");
    assert_int_equal(catalog_create_device(f.catalog, &device, &id, &f.error), 0);
    make_device(&f, alice, "e");
    assert_int_equal(
        catalog_identity_by_key(f.catalog, "first", &identity, &f.error), 0); /* now it is in the cache */
    changes = (struct device){.apikey = text(""), .visible = true};
    assert_int_equal(catalog_change_device(f.catalog, id, &changes, key, NULL, &stored, &f.error), 0);
    assert_int_equal(strlen(stored.apikey), 36);
    assert_false(stored.visible); /* not named */
    assert_int_equal(catalog_identity_by_key(f.catalog, "first", &identity, &f.error), -ENOENT);
    assert_int_equal(catalog_identity_by_key(f.catalog, stored.apikey, &identity, &f.error), 0);
    /* the same key once more is no conflict, that of another device is */
    changes.apikey = stored.apikey;
    struct device again;
    assert_int_equal(catalog_change_device(f.catalog, id, &changes, key, NULL, &again, &f.error), 0);
    device_free(&again);
    assert_int_equal(catalog_device_by_name(f.catalog, "alice", "e", &again, &f.error), 0);
    assert_error(&f, catalog_change_device(f.catalog, again.id, &changes, key, NULL, &device, &f.error),
        ENOTUNIQ, "API key");
    assert_null(strstr(f.error.message, stored.apikey));
    device_free(&again);
    device_free(&stored);
    /* the role counts at once */
    changes = (struct device){.apikey = text("k"), .role = text("reader")};
    assert_int_equal(catalog_change_device(
                         f.catalog, id, &changes, key | bit(&DEVICE_KIND, "role"), NULL, &stored, &f.error),
        0);
    device_free(&stored);
    assert_int_equal(catalog_identity_by_key(f.catalog, "k", &identity, &f.error), 0);
    assert_string_equal(identity.device_role, "reader");
    assert_int_equal(catalog_device_by_name(f.catalog, "alice", "meta", &stored, &f.error), 0);
    assert_error(&f, catalog_change_device(f.catalog, stored.id, &changes, key, NULL, &device, &f.error),
        EPERM, "meta");
    device_free(&stored);
    fixture_close(&f);
}

static void test_a_private_users_device_stays_private(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t alice = make_user(&f, "alice", "a@b"), id = make_device(&f, alice, "d");
    const uint32_t is_public = bit(&DEVICE_KIND, "public");
    struct user user, private = {.is_public = false};
    struct device changes = {.is_public = true}, stored;
    assert_int_equal(
        catalog_change_user(f.catalog, alice, &private, bit(&USER_KIND, "public"), &user, &f.error), 0);
    user_free(&user);
    assert_error(&f, catalog_change_device(f.catalog, id, &changes, is_public, NULL, &stored, &f.error),
        EINVAL, "private user");
    struct user public = {.is_public = true};
    assert_int_equal(
        catalog_change_user(f.catalog, alice, &public, bit(&USER_KIND, "public"), &user, &f.error), 0);
    user_free(&user);
    struct stream_place place;
    make_stream(&f, id, "s", false);
    assert_int_equal(catalog_stream_place(f.catalog, "alice", "d", "s", &place, &f.error), 0);
    assert_false(place.device_public);
    assert_int_equal(catalog_change_device(f.catalog, id, &changes, is_public, NULL, &stored, &f.error), 0);
    device_free(&stored);
    assert_int_equal(catalog_stream_place(f.catalog, "alice", "d", "s", &place, &f.error), 0);
    assert_true(place.device_public);
    fixture_close(&f);
}

/* ---- two at a time ---- */

enum { ROUNDS = 200 };

struct changer {
    struct fixture *fixture;
    int64_t id;
    bool nickname;
};

static void *change_often(void *context)
{
    struct changer *changer = context;
    uint32_t field = bit(&DEVICE_KIND, changer->nickname ? "nickname" : "description");
    for (int i = 1; i <= ROUNDS; i++) {
        char value[16];
        struct device changes = {.nickname = value, .description = value}, stored;
        struct error error;
        (void)snprintf(value, sizeof(value), "%d", i);
        if (catalog_change_device(
                changer->fixture->catalog, changer->id, &changes, field, NULL, &stored, &error) < 0)
            return changer;
        device_free(&stored);
    }
    return NULL;
}

/* Each reads and writes in one transaction: a change never brings back what another has replaced. */
static void test_concurrent_changes_are_not_lost(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    int64_t id = make_device(&f, make_user(&f, "alice", "a@b"), "d");
    struct changer changers[] = {{&f, id, true}, {&f, id, false}};
    pthread_t threads[2];
    void *failed;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_often, &changers[i]), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    struct device stored;
    char last[16];
    (void)snprintf(last, sizeof(last), "%d", ROUNDS);
    assert_int_equal(catalog_device_by_id(f.catalog, id, &stored, &f.error), 0);
    assert_string_equal(stored.nickname, last);
    assert_string_equal(stored.description, last);
    device_free(&stored);
    fixture_close(&f);
}

/* ---- trees and limits ---- */

static struct new_user some_tree(
    struct new_device *devices, size_t device_count, struct stream *streams, size_t stream_count)
{
    return (struct new_user){.user = some_user("ann", "ann@b"),
        .password = "pw",
        .devices = devices,
        .device_count = device_count,
        .streams = streams,
        .stream_count = stream_count};
}

static void assert_counts(struct fixture *f, uint64_t users, uint64_t devices, uint64_t streams)
{
    uint64_t found[3];
    assert_int_equal(catalog_counts(f->catalog, &found[0], &found[1], &found[2], &f->error), 0);
    assert_int_equal(found[0], users);
    assert_int_equal(found[1], devices);
    assert_int_equal(found[2], streams);
}

static void test_a_user_comes_with_all_of_it_or_not_at_all(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct stream own[] = {{.name = text("mood")}, {.name = text("notes"), .downlink = true}};
    struct stream steps[] = {{.name = text("steps")}, {.name = text("1")}};
    struct new_device devices[] = {
        {.device = {.name = text("phone"), .apikey = text("k")}, .streams = steps, .stream_count = 1},
        {.device = {.name = text("lamp"), .is_public = true}}};
    struct new_user user = some_tree(devices, 2, own, 2);
    /* refused by the last one of them */
    devices[1].device.apikey = text("k");
    assert_error(&f, catalog_create_user_tree(f.catalog, &user, NULL, NULL, &f.error), ENOTUNIQ, "API key");
    devices[1].device.apikey = NULL;
    devices[1].device.name = text("meta");
    assert_error(&f, catalog_create_user_tree(f.catalog, &user, NULL, NULL, &f.error), EEXIST, "meta");
    devices[1].device.name = text("lamp");
    devices[0].stream_count = 2;
    assert_error(&f, catalog_create_user_tree(f.catalog, &user, NULL, NULL, &f.error), EINVAL, "name");
    devices[0].stream_count = 1;
    user.user.is_public = false; /* and so may be no device */
    assert_error(
        &f, catalog_create_user_tree(f.catalog, &user, NULL, NULL, &f.error), EINVAL, "private user");
    user.user.is_public = true;
    assert_counts(&f, 0, 0, 0);
    int64_t id = 0;
    assert_int_equal(catalog_create_user_tree(f.catalog, &user, NULL, &id, &f.error), 0);
    assert_true(id > 0);
    assert_counts(&f, 1, 4, 4); /* user, meta, phone, lamp; log, mood, notes, steps */
    struct stream stream = get_stream(&f, "ann", "user", "notes");
    assert_true(stream.downlink_series_id > stream.series_id);
    stream_free(&stream);
    stream = get_stream(&f, "ann", "phone", "steps");
    stream_free(&stream);
    fixture_close(&f);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    struct stream streams[] = {{.name = text("a")}, {.name = text("b")}};
    struct new_device devices[] = {
        {.device = {.name = text("one"), .is_public = true}}, {.device = {.name = text("two")}}};
    struct new_user user = some_tree(devices, 2, streams, 2);
    const struct {
        struct catalog_limits limits;
        const char *said;
    } cases[] = {
        {{.devices = 1}, "1 devices"},
        {{.streams = 1}, "1 streams"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_error(&f, catalog_create_user_tree(f.catalog, &user, &cases[i].limits, NULL, &f.error),
            EOVERFLOW, cases[i].said);
    assert_counts(&f, 0, 0, 0);
    struct catalog_limits limits = {.users = 1, .devices = 2, .private_devices = 1, .streams = 2};
    int64_t id, device_id;
    assert_int_equal(catalog_create_user_tree(f.catalog, &user, &limits, &id, &f.error), 0);
    struct new_user second = {.user = some_user("bob", "bob@b"), .password = "pw"};
    assert_error(
        &f, catalog_create_user_tree(f.catalog, &second, &limits, NULL, &f.error), EOVERFLOW, "1 users");
    struct new_device third = {.device = {.user_id = id, .name = text("three")}};
    assert_error(&f, catalog_create_device_tree(f.catalog, &third, &limits, &device_id, &f.error), EOVERFLOW,
        "2 devices");
    limits.devices = 3;
    assert_error(&f, catalog_create_device_tree(f.catalog, &third, &limits, &device_id, &f.error), EOVERFLOW,
        "1 private");
    third.device.is_public = true;
    assert_int_equal(catalog_create_device_tree(f.catalog, &third, &limits, &device_id, &f.error), 0);
    struct device changes = {.is_public = false}, stored;
    assert_error(&f,
        catalog_change_device(
            f.catalog, device_id, &changes, bit(&DEVICE_KIND, "public"), &limits, &stored, &f.error),
        EOVERFLOW, "1 private");
    struct stream stream = {.device_id = device_id};
    char *const names[] = {text("a"), text("b"), text("c")};
    for (int i = 0; i < 3; i++) {
        stream.name = names[i];
        assert_int_equal(catalog_create_stream_within(f.catalog, &stream, &limits, NULL, &f.error),
            i < 2 ? 0 : -EOVERFLOW);
    }
    assert_counts(&f, 1, 5, 5);
    fixture_close(&f);
}

/* ---- logs ---- */

static void test_every_user_gets_a_log(void **state)
{
    (void)state;
    struct fixture f = fixture_open();
    uint64_t added = 99, *series;
    size_t count;
    make_user(&f, "alice", "a@b");
    make_user(&f, "bob", "b@b");
    struct new_user ann = some_tree(NULL, 0, NULL, 0);
    assert_int_equal(catalog_create_user_tree(f.catalog, &ann, NULL, NULL, &f.error), 0); /* with one */
    assert_int_equal(catalog_add_logs(f.catalog, &added, &f.error), 0);
    assert_int_equal(added, 2);
    assert_int_equal(catalog_add_logs(f.catalog, &added, &f.error), 0);
    assert_int_equal(added, 0);
    struct stream log = get_stream(&f, "alice", "meta", "log");
    assert_string_equal(log.icon, "material:assignment");
    assert_non_null(strstr(log.schema, "\"required\":[\"cmd\",\"arg\"]"));
    /* deleted, it is there again with another series */
    assert_int_equal(catalog_delete_stream(f.catalog, log.id, &series, &count, &f.error), 0);
    assert_int_equal(count, 1);
    assert_int_equal(series[0], log.series_id);
    free(series);
    struct stream again = get_stream(&f, "alice", "meta", "log");
    assert_true(again.series_id > log.series_id);
    struct stream_place place;
    assert_int_equal(catalog_stream_place(f.catalog, "alice", "meta", "log", &place, &f.error), 0);
    assert_int_equal(place.series_id, again.series_id);
    stream_free(&log);
    stream_free(&again);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_user_changes_what_is_named),
        cmocka_unit_test(test_a_changed_login_counts_at_once),
        cmocka_unit_test(test_devices_change),
        cmocka_unit_test(test_a_private_users_device_stays_private),
        cmocka_unit_test(test_concurrent_changes_are_not_lost),
        cmocka_unit_test(test_a_user_comes_with_all_of_it_or_not_at_all),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_user_gets_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
