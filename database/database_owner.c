/* The owner of a database. A process of another user that wrote to it would leave files behind that its owner
 * cannot open. */
#include "database.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWD_BYTES = 4096, NAME_BYTES = 64 };

/* The name of the user as sudo -u takes it: #1000 for one without a name. */
static void name_of(uid_t user, char name[NAME_BYTES])
{
    char buffer[PASSWD_BYTES];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(user, &entry, buffer, sizeof(buffer), &found) == 0 && found &&
        strlen(found->pw_name) < NAME_BYTES)
        (void)snprintf(name, NAME_BYTES, "%s", found->pw_name);
    else
        (void)snprintf(name, NAME_BYTES, "#%u", user);
}

int database_check_owner(const char *path, struct error *ret_error)
{
    struct stat status;
    char owner[NAME_BYTES], self[NAME_BYTES];
    if (stat(path, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    if (status.st_uid == geteuid())
        return 0;
    name_of(status.st_uid, owner);
    name_of(geteuid(), self);
    return error_set(ret_error, EPERM,
        "%s belongs to the user %s, who could not open what %s writes into it: run this as `sudo -u '%s' "
        "connectordb ...`%s",
        path, owner, self, owner, geteuid() == 0 ? " or with --as-owner" : "");
}
