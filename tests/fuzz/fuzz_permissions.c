/* Permissions files: what is refused names its file; what is accepted answers for any role. */
#include "access.h"
#include "check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct permissions *permissions, const char *role)
{
    struct identity identity = {.user_id = 1, .device_id = 2};
    struct access_target targets[] = {
        {.user_id = 1}, {.user_id = 1, .device_id = 2}, {.user_id = 3, .device_id = 4}};
    (void)permissions_has_user_role(permissions, role);
    (void)permissions_has_device_role(permissions, role);
    CHECK(access_limits(permissions, role) && access_defaults(permissions, role));
    CHECK(access_join(permissions, role).role);
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        CHECK(access_of(permissions, NULL, targets[i]));
        CHECK(access_of(permissions, &identity, targets[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ROLES[] = {"nobody", "user", "admin", "", "none", "reader", "no such role"};
    struct permissions *permissions;
    struct error error = {0};
    int r = permissions_parse((const char *)data, size, "fuzz.conf", &permissions, &error);
    CHECK(r == 0 || (r == -error.code && strncmp(error.message, "fuzz.conf", 9) == 0));
    if (r < 0)
        return 0;
    for (size_t i = 0; i < sizeof(ROLES) / sizeof(*ROLES); i++)
        ask(permissions, ROLES[i]);
    CHECK(access_of_users(permissions, NULL, true) && access_of_users(permissions, NULL, false));
    (void)permissions_allow_name(permissions, "support");
    (void)permissions_allow_email(permissions, "a@b");
    (void)permissions_users_max(permissions);
    permissions_free(permissions);
    return 0;
}
