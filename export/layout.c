#include "layout.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

const char LAYOUT_FOLDER[] = "connectordb.json";
const char LAYOUT_FOLDER_NEW[] = ".connectordb.json.new";
const char LAYOUT_USER[] = "user.json";
const char LAYOUT_DEVICE[] = "device.json";
const char LAYOUT_STREAM[] = "stream.json";
const char LAYOUT_DATA[] = "data.json";
const char LAYOUT_DOWNLINK[] = "downlink.json";
const char LAYOUT_DATA_CSV[] = "data.csv";
const char LAYOUT_DOWNLINK_CSV[] = "downlink.csv";

int layout_path(char path[PATH_MAX], const char *directory, const char *user, const char *device,
    const char *stream, const char *file, struct error *ret_error)
{
    const char *const parts[] = {directory, user, device, stream, file};
    size_t used = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!parts[i])
            continue;
        size_t size = strlen(parts[i]);
        if (used + 1 + size >= PATH_MAX)
            return error_set(ret_error, ENAMETOOLONG, "%.200s...: the path is too long", directory);
        if (used > 0)
            path[used++] = '/';
        memcpy(path + used, parts[i], size);
        used += size;
    }
    path[used] = '\0';
    return 0;
}
