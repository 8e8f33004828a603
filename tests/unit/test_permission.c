/* Who may do what: every kind of actor against its own device, its user's, and others'. */
#include "test.h"

#include "permission.h"

enum { OWN_USER = 1, OTHER_USER = 2, OWN_DEVICE = 10, OTHER_DEVICE = 11, FOREIGN_DEVICE = 20 };

/* n = none, p = public view, k = all but keys, f = full; - and x for yes/no questions */
static char access_letter(enum access access)
{
    return "npkf"[access];
}

static void test_actors(void **state)
{
    static const struct {
        const char *user_role, *device_role; /* NULL: nobody */
        const char *read;                    /* own device, same user's, foreign private, foreign public */
        const char
            *manage; /* create a device for: own user, other; streams on: own device, same user's, foreign */
        const char *write; /* data of: own device, same user's, foreign; downlink of: the same three */
        bool lists;
    } CASES[] = {
        {NULL, NULL, "nnnn", "-----", "------", false},
        {"user", "user", "ffnp", "x-xx-", "x--xx-", false},
        {"user", "writer", "fknp", "--x--", "x---x-", false},
        {"user", "reader", "fknp", "--x--", "x-----", false},
        {"user", "none", "fnnn", "--x--", "x-----", false},
        {"user", "", "fnnn", "--x--", "x-----", false},
        {"user", "what", "fnnn", "--x--", "x-----", false},
        {"admin", "user", "ffff", "xxxxx", "x--xxx", true},
        {"admin", "writer", "fkkk", "--x--", "x---xx", false},
        {"admin", "reader", "fkkk", "--x--", "x-----", false},
        {"admin", "none", "fnnn", "--x--", "x-----", false},
        {"what", "user", "nnnn", "-----", "------", false},
        {"", "none", "nnnn", "-----", "------", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct identity identity = {.user_id = OWN_USER, .device_id = OWN_DEVICE};
        const struct identity *who = CASES[i].user_role ? &identity : NULL;
        if (who) {
            strcpy(identity.user_role, CASES[i].user_role);
            strcpy(identity.device_role, CASES[i].device_role);
        }
        const char read[] = {access_letter(permission_read_device(who, OWN_USER, OWN_DEVICE, false)),
            access_letter(permission_read_device(who, OWN_USER, OTHER_DEVICE, false)),
            access_letter(permission_read_device(who, OTHER_USER, FOREIGN_DEVICE, false)),
            access_letter(permission_read_device(who, OTHER_USER, FOREIGN_DEVICE, true)), '\0'};
        const char manage[] = {"-x"[permission_create_device(who, OWN_USER)],
            "-x"[permission_create_device(who, OTHER_USER)],
            "-x"[permission_change_streams(who, OWN_USER, OWN_DEVICE)],
            "-x"[permission_change_streams(who, OWN_USER, OTHER_DEVICE)],
            "-x"[permission_change_streams(who, OTHER_USER, FOREIGN_DEVICE)], '\0'};
        const char write[] = {"-x"[permission_write_data(who, OWN_USER, OWN_DEVICE)],
            "-x"[permission_write_data(who, OWN_USER, OTHER_DEVICE)],
            "-x"[permission_write_data(who, OTHER_USER, FOREIGN_DEVICE)],
            "-x"[permission_write_downlink(who, OWN_USER, OWN_DEVICE)],
            "-x"[permission_write_downlink(who, OWN_USER, OTHER_DEVICE)],
            "-x"[permission_write_downlink(who, OTHER_USER, FOREIGN_DEVICE)], '\0'};
        assert_string_equal(read, CASES[i].read);
        assert_string_equal(manage, CASES[i].manage);
        assert_string_equal(write, CASES[i].write);
        assert_int_equal(permission_list_users(who), CASES[i].lists);
        assert_int_equal(permission_count(who), CASES[i].lists);
    }
}

static void test_device_roles(void **state)
{
    (void)state;
    assert_true(permission_device_role_known(""));
    assert_true(permission_device_role_known("none"));
    assert_true(permission_device_role_known("writer"));
    assert_false(permission_device_role_known("admin"));
    assert_false(permission_device_role_known("Reader"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actors),
        cmocka_unit_test(test_device_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
