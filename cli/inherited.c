#include "inherited.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESCRIPTORS_WITHOUT_PROC_MAX = 65536 }; /* how many numbers are tried where /proc does not list them */

void open_standard_descriptors(void)
{
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++) {
        if (fcntl(number, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free number is this one. Where /dev/null is missing, a directory takes it: no data can
         * get there either. */
        if (open("/dev/null", O_RDWR) < 0 && open("/", O_RDONLY | O_DIRECTORY) < 0)
            _exit(EXIT_FAILURE);
    }
}

static bool close_listed(int first)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return false;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        int number = atoi(entry->d_name); /* of "." and ".." 0 */
        if (number >= first && number != dirfd(directory))
            (void)close(number);
    }
    (void)closedir(directory);
    return true;
}

void close_descriptors_one_by_one(int first)
{
    if (close_listed(first))
        return;
    long limit = sysconf(_SC_OPEN_MAX);
    if (limit < 0 || limit > DESCRIPTORS_WITHOUT_PROC_MAX)
        limit = DESCRIPTORS_WITHOUT_PROC_MAX;
    for (int number = first; number < limit; number++)
        (void)close(number);
}

void close_descriptors_from(int first)
{
    if (close_range((unsigned)first, ~0U, 0) < 0)
        close_descriptors_one_by_one(first);
}

bool signal_is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
