/* Permissions: the built-in ones against the tables of the reference, and files that are wrong. */
#include "access.h"
#include "json_comments.h"
#include "test.h"

static struct permissions *parse(const char *text)
{
    struct permissions *permissions;
    struct error error = {0};
    if (permissions_parse(text, strlen(text), "file", &permissions, &error) < 0)
        fail_msg("%s", error.message);
    return permissions;
}

static struct permissions *load_default(void)
{
    struct permissions *permissions;
    struct error error = {0};
    if (permissions_load("default", &permissions, &error) < 0)
        fail_msg("%s", error.message);
    return permissions;
}

/* User 1 with device 10 acts. */
static struct identity identity_of(const char *user_role, const char *device_role)
{
    struct identity identity = {.user_id = 1, .device_id = 10};
    (void)snprintf(identity.user_role, sizeof(identity.user_role), "%s", user_role);
    (void)snprintf(identity.device_role, sizeof(identity.device_role), "%s", device_role);
    return identity;
}

static const struct access_target SELF = {1, 10, false}, OWN_USER = {1, 0, false},
                                  OWN_DEVICE = {1, 11, false}, PUBLIC_USER = {2, 0, true},
                                  PUBLIC_DEVICE = {2, 20, true}, PRIVATE_DEVICE = {2, 21, false};

/* ---- actions and objects ---- */

/* Actions as letters: create U D S, delete u d s, list 1 2 3 (users, devices, streams); objects: u d s,
 * D(ata), L (downlink). */
static void describe(const struct access *access, char to[64])
{
    static const char ACTIONS[] = "UDSuds123", OBJECTS[] = "udsDL";
    char *at = to;
    for (int i = 0; i < 9; i++)
        if (access->actions & (1u << i))
            *at++ = ACTIONS[i];
    const uint32_t objects[] = {access->read.objects, access->write.objects};
    for (int way = 0; way < 2; way++) {
        at = stpcpy(at, way ? " w:" : " r:");
        for (int i = 0; i < 5; i++)
            if (objects[way] & (1u << i))
                *at++ = OBJECTS[i];
    }
    *at = '\0';
}

static const struct {
    const char *user_role, *device_role;
    const struct access_target *target;
    const char *expected;
} CASES[] = {
    {"admin", "user", &SELF, "UDSuds123 r:udsDL w:udsDL"},
    {"admin", "user", &OWN_DEVICE,
        "UDSuds123 r:udsDL w:udsL"}, /* only a device itself writes its plain data */
    {"admin", "user", &PRIVATE_DEVICE, "UDSuds123 r:udsDL w:udsL"},
    {"admin", "none", &SELF, "UDSds123 r:udsDL w:udsD"},
    {"admin", "none", &OWN_USER, " r: w:"},
    {"admin", "reader", &PRIVATE_DEVICE, "23 r:udsDL w:"},
    {"admin", "writer", &PRIVATE_DEVICE, "23 r:udsDL w:udsL"},
    {"user", "user", &SELF, "DSds23 r:udsDL w:udsDL"},
    {"user", "user", &OWN_USER, "DSds23 r:udsDL w:udsL"},
    {"user", "user", &OWN_DEVICE, "DSds23 r:udsDL w:udsL"},
    {"user", "user", &PUBLIC_USER, "23 r:udsDL w:"},
    {"user", "user", &PUBLIC_DEVICE, "23 r:udsDL w:"},
    {"user", "user", &PRIVATE_DEVICE, " r: w:"},
    {"user", "none", &SELF, "DSds23 r:udsDL w:udsD"},
    {"user", "", &SELF, "DSds23 r:udsDL w:udsD"},
    {"user", "none", &OWN_DEVICE, " r: w:"},
    {"user", "nonsense", &OWN_DEVICE, " r: w:"},
    {"user", "reader", &OWN_DEVICE, "23 r:udsDL w:"},
    {"user", "writer", &OWN_DEVICE, "23 r:udsDL w:udsL"},
    {"user", "writer", &PUBLIC_DEVICE, "23 r:udsDL w:"},
    {"nobody", "user", &SELF, " r: w:"},
    {"nonsense", "user", &SELF, " r: w:"},
};

static void test_levels_of_the_default(void **state)
{
    struct permissions *permissions = load_default();
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct identity identity = identity_of(CASES[i].user_role, CASES[i].device_role);
        describe(access_of(permissions, &identity, *CASES[i].target), text);
        if (strcmp(text, CASES[i].expected) != 0)
            fail_msg("case %zu, %s/%s: %s instead of %s", i, CASES[i].user_role, CASES[i].device_role, text,
                CASES[i].expected);
    }
    describe(access_of(permissions, NULL, PUBLIC_DEVICE), text);
    assert_string_equal(text, " r: w:");
    permissions_free(permissions);
}

/* ---- fields ---- */

/* Names of the fields that are not in the mask. */
static void missing_fields(const struct object_kind *kind, uint32_t mask, char to[256])
{
    *to = '\0';
    for (size_t i = 0; i < kind->count; i++) {
        bool known = kind->fields[i].type != FIELD_ID && (!(kind->fields[i].flags & FIELD_INTERNAL) ||
                                                             strcmp(kind->fields[i].name, "password") == 0);
        if (known && !(mask & (UINT32_C(1) << i)))
            (void)sprintf(to + strlen(to), "%s%s", *to ? " " : "", kind->fields[i].name);
    }
}

static const struct {
    const char *user_role, *device_role;
    const struct access_target *target;
    bool write;
    const char *user, *device, *stream;
} FIELD_CASES[] = {
    {"admin", "user", &SELF, false, "password", "", ""},
    {"admin", "user", &SELF, true, "", "", ""},
    {"user", "user", &SELF, false, "password", "", ""},
    {"user", "user", &SELF, true, "name role", "name user_editable", "name"},
    {"user", "user", &PUBLIC_USER, false, "email role password", "apikey role user_editable", ""},
    {"user", "reader", &OWN_DEVICE, false, "password", "apikey", ""},
    {"user", "writer", &OWN_DEVICE, true, "name role password", "name apikey role user_editable", "name"},
    {"user", "none", &SELF, true, "name role password", "name role user_editable", "name"},
    {"admin", "none", &SELF, true, "name role password", "name role", "name"},
};

static void test_fields_of_the_default(void **state)
{
    struct permissions *permissions = load_default();
    (void)state;
    for (size_t i = 0; i < sizeof(FIELD_CASES) / sizeof(FIELD_CASES[0]); i++) {
        struct identity identity = identity_of(FIELD_CASES[i].user_role, FIELD_CASES[i].device_role);
        const struct access *access = access_of(permissions, &identity, *FIELD_CASES[i].target);
        const struct access_rights *rights = FIELD_CASES[i].write ? &access->write : &access->read;
        const struct object_kind *kinds[] = {&USER_KIND, &DEVICE_KIND, &STREAM_KIND};
        const uint32_t masks[] = {rights->user_fields, rights->device_fields, rights->stream_fields};
        const char *expected[] = {FIELD_CASES[i].user, FIELD_CASES[i].device, FIELD_CASES[i].stream};
        for (size_t k = 0; k < 3; k++) {
            char missing[256], wanted[256] = "";
            missing_fields(kinds[k], masks[k], missing);
            (void)snprintf(wanted, sizeof(wanted), "%s", expected[k]);
            /* both as sets */
            char *rest = wanted;
            size_t names = *wanted ? 1 : 0;
            for (char *at = wanted; *at; at++)
                names += *at == ' ';
            size_t found = 0, count = *missing ? 1 : 0;
            for (char *at = missing; *at; at++)
                count += *at == ' ';
            for (char *name; (name = strsep(&rest, " "));)
                found += *name && strstr(missing, name);
            if (found != names || count != names)
                fail_msg("case %zu, %s: missing are '%s', not '%s'", i, kinds[k]->name, missing, expected[k]);
        }
    }
    permissions_free(permissions);
}

/* ---- what else a role says ---- */

static void test_counts_and_limits(void **state)
{
    struct permissions *permissions = load_default();
    struct identity admin = identity_of("admin", "user"), plain = identity_of("user", "user"),
                    weak = identity_of("admin", "none");
    (void)state;
    assert_true(access_counts(permissions, &admin).users && access_counts(permissions, &admin).streams);
    assert_false(access_counts(permissions, &plain).devices);
    assert_false(access_counts(permissions, &weak).users);
    assert_false(access_counts(permissions, NULL).users);
    assert_true(access_of_users(permissions, &admin, false)->actions & ACCESS_LIST_USERS);
    assert_false(access_of_users(permissions, &plain, false)->actions & ACCESS_LIST_USERS);
    assert_true(access_limits(permissions, "user")->user_can_be_private);
    assert_false(access_limits(permissions, "nobody")->user_can_be_private);
    assert_int_equal(access_limits(permissions, "user")->max_devices, 0);
    assert_string_equal(access_defaults(permissions, "admin")->user.role, "user");
    assert_true(access_defaults(permissions, "admin")->user.is_public);
    assert_string_equal(access_defaults(permissions, "admin")->device.role, "none");
    assert_true(access_defaults(permissions, "user")->device.user_editable);
    assert_true(access_join(permissions, "admin").enabled);
    assert_false(access_join(permissions, "nobody").enabled);
    assert_string_equal(access_join(permissions, "admin").role, "user");
    assert_true(
        permissions_has_user_role(permissions, "admin") && !permissions_has_user_role(permissions, "root"));
    assert_true(
        permissions_has_device_role(permissions, "") && permissions_has_device_role(permissions, "writer"));
    assert_false(permissions_has_device_role(permissions, "admin"));
    assert_false(permissions_allow_name(permissions, "root"));
    assert_true(permissions_allow_name(permissions, "Root"));
    assert_true(permissions_allow_email(permissions, "a@b.c"));
    assert_true(permissions_users_max(permissions) == UINT64_MAX);
    assert_true(permissions_watch(permissions));
    permissions_free(permissions);
}

/* ---- files ---- */

/* The default text with one piece replaced. */
static char *replaced(const char *from, const char *to)
{
    const char *text = permissions_default_text(), *at = strstr(text, from);
    char *result;
    if (!at)
        fail_msg("%s is not in the default", from);
    assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    return result;
}

static unsigned line_in_default(const char *what)
{
    const char *text = permissions_default_text(), *at = strstr(text, what);
    unsigned line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static const struct {
    const char *from, *to, *message; /* behind file:line: */
} WRONG[] = {
    {"\"version\": 1", "\"version\": 2", "version must be 1, the version that is known"},
    {"\"watch\": true", "\"watch\": 1", "watch must be true or false"},
    {"\"watch\": true", "\"wach\": true", "wach is not known here"},
    {"\"max_users\": -1", "\"max_users\": \"many\"", "max_users must be a whole number; 0 or -1 is no limit"},
    {"\"allowed_email_suffixes\": null", "\"allowed_email_suffixes\": \"x\"",
        "allowed_email_suffixes must be an array of at most 1000 strings, or null"},
    {"\"public_access_level\": \"userpublic\"", "\"public_access_level\": \"nothing\"",
        "user_roles.user.public_access_level names an access level that is not there"},
    {"\"join_role\": \"user\",\n            \"join_disabled_message\": \"Join is",
        "\"join_role\": \"usr\",\n            \"join_disabled_message\": \"Join is",
        "user_roles.admin.join_role must name a user role"},
    {"\"read_access\": \"deviceread\"", "\"read_access\": \"deviceread2\"",
        "access_levels.devicereader.read_access names an rw_access that is not there"},
    {"\"user_email\": false", "\"user_mail\": false", "rw_access.publicread.user_mail is not known here"},
    {"\"stream_schema\": true", "\"stream_schema\": 5",
        "rw_access.publicread.stream_schema must be true or false"},
};

static void test_wrong_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        char *text = replaced(WRONG[i].from, WRONG[i].to), expected[256];
        struct permissions *permissions;
        struct error error = {0};
        int r = permissions_parse(text, strlen(text), "my.conf", &permissions, &error);
        (void)snprintf(
            expected, sizeof(expected), "my.conf:%u: %s", line_in_default(WRONG[i].from), WRONG[i].message);
        if (r != -EINVAL || strcmp(error.message, expected) != 0)
            fail_msg("%d: '%s' instead of '%s'", r, error.message, expected);
        free(text);
    }
}

static const struct {
    const char *text, *message;
} NOT_FILES[] = {
    {"", "my.conf:1: "},
    {"{\n\"a\": }", "my.conf:2: "},
    {"[]", "must be an object"},
    {"{}", "\"version\": 1 is missing"},
    {"{\"version\": 1}", "user_roles must have the role \"nobody\""},
    {"{\"version\": 1, /* no end", "my.conf:1: the comment that begins here does not end"},
    {"{\"version\": 1, \"user_roles\": {\"nobody\": {}}}", "self_access_level is missing"},
    {"{\"version\": 1, \"user_roles\": []}", "must be an object of named objects"},
};

static void test_files_that_are_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(NOT_FILES) / sizeof(NOT_FILES[0]); i++) {
        struct permissions *permissions;
        struct error error = {0};
        int r =
            permissions_parse(NOT_FILES[i].text, strlen(NOT_FILES[i].text), "my.conf", &permissions, &error);
        if (r != -EINVAL || !strstr(error.message, NOT_FILES[i].message))
            fail_msg("%s: %d '%s'", NOT_FILES[i].text, r, error.message);
    }
}

static void test_a_file_of_ones_own(void **state)
{
    struct permissions *permissions = parse(
        "{\"version\":1,\"max_users\":3,\"disallow_names\":[\"bob\"],\"allowed_email_suffixes\":[\"@a.b\"],"
        "\"user_roles\":{\"nobody\":{\"join\":true,\"join_role\":\"nobody\",\"self_access_level\":\"none\","
        "\"user_access_level\":\"none\","
        "\"public_access_level\":\"readers\",\"private_access_level\":\"none\",\"max_devices\":2,\"max_"
        "stream_size\":1000}},"
        "\"device_roles\":{\"none\":{\"self_access_level\":\"full\",\"user_access_level\":\"none\",\"public_"
        "access_level\":\"none\","
        "\"private_access_level\":\"none\"},\"user\":{\"self_access_level\":\"full\",\"user_access_level\":"
        "\"full\","
        "\"public_access_level\":\"full\",\"private_access_level\":\"full\"}},"
        "\"access_levels\":{\"readers\":{\"can_list_streams\":true,\"read_access\":\"names\",\"write_"
        "access\":\"none\"}},"
        "\"rw_access\":{\"names\":{\"can_access_stream\":true,\"can_access_stream_data\":true,\"stream_"
        "name\":true}}}");
    char text[64], missing[256];
    (void)state;
    const struct access *access =
        access_of(permissions, NULL, PUBLIC_DEVICE); /* nobody reads what is public */
    describe(access, text);
    assert_string_equal(text, "3 r:sD w:");
    missing_fields(&STREAM_KIND, access->read.stream_fields, missing);
    assert_null(strstr(missing, "name ephemeral"));
    assert_true(access->read.stream_fields == 1u);
    assert_int_equal(permissions_users_max(permissions), 3);
    assert_false(permissions_allow_name(permissions, "bob"));
    assert_true(
        permissions_allow_email(permissions, "x@a.b") && !permissions_allow_email(permissions, "x@a.c"));
    assert_int_equal(access_limits(permissions, "nobody")->max_devices, 2);
    assert_int_equal(access_limits(permissions, "nobody")->max_stream_size, 1000);
    assert_true(access_join(permissions, "nobody").enabled);
    assert_false(permissions_watch(permissions));
    permissions_free(permissions);
}

static void test_loading(void **state)
{
    struct permissions *permissions;
    struct error error = {0};
    char *folder = test_directory_create(), *path = test_path(folder, "permissions.conf");
    (void)state;
    assert_int_equal(permissions_load(path, &permissions, &error), -ENOENT);
    assert_non_null(strstr(error.message, path));
    test_file_write(path, permissions_default_text(), strlen(permissions_default_text()));
    assert_int_equal(permissions_load(path, &permissions, &error), 0);
    permissions_free(permissions);
    free(path);
    test_directory_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_of_the_default),
        cmocka_unit_test(test_fields_of_the_default),
        cmocka_unit_test(test_counts_and_limits),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_a_file_of_ones_own),
        cmocka_unit_test(test_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
