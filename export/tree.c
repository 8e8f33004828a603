#include "tree.h"

#include "description.h"
#include "layout.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMES_STEP = 64 };

struct names {
    char **names;
    size_t count, capacity;
};

static int no_memory(const char *path, struct error *ret_error)
{
    return error_set(ret_error, ENOMEM, "%s: out of memory", path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_add(struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? 2 * names->capacity : NAMES_STEP;
        char **grown = reallocarray(names->names, capacity, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        names->names = grown;
        names->capacity = capacity;
    }
    names->names[names->count] = strdup(name);
    if (!names->names[names->count])
        return -ENOMEM;
    names->count++;
    return 0;
}

void tree_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* Whether the entry is a folder of an object. 1, 0 (a file that belongs here, or a hidden one) or -errno. */
static int judge_entry(
    const char *directory, const char *name, const char *const *files, struct error *ret_error)
{
    char path[PATH_MAX];
    struct stat status;
    if (name[0] == '.')
        return 0;
    int r = layout_path(path, directory, NULL, NULL, NULL, name, ret_error);
    if (r < 0)
        return r;
    if (stat(path, &status) < 0)
        return error_set(ret_error, errno, "%s: %s", path, strerrordesc_np(errno));
    if (S_ISDIR(status.st_mode) && name_valid(name))
        return 1;
    for (; *files && S_ISREG(status.st_mode); files++) {
        if (!strcmp(*files, name))
            return 0;
    }
    return error_set(ret_error, EBADMSG, "%s does not belong into an export folder: move it away", path);
}

/* The folders in `directory`, sorted; an entry that is neither one nor in `files` (ended by NULL) nor hidden
 * is an error. */
static int list_folders(
    const char *directory, const char *const *files, struct names *names, struct error *ret_error)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return error_set(
            ret_error, errno, "%s: cannot read the directory: %s", directory, strerrordesc_np(errno));
    int r = 0;
    struct dirent *entry;
    errno = 0;
    while (r == 0 && (entry = readdir(stream))) {
        r = judge_entry(directory, entry->d_name, files, ret_error);
        if (r == 1)
            r = names_add(names, entry->d_name) < 0 ? no_memory(directory, ret_error) : 0;
        errno = 0;
    }
    if (r == 0 && errno)
        r = error_set(
            ret_error, errno, "%s: cannot read the directory: %s", directory, strerrordesc_np(errno));
    (void)closedir(stream);
    if (r == 0 && names->count > 0)
        qsort(names->names, names->count, sizeof(*names->names), compare_names);
    return r;
}

/* Drops the names that the filters do not take; user and device: what they are below, or NULL. */
static void filter_names(struct filters *filters, const char *user, const char *device, struct names *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        char *name = names->names[i];
        bool taken = !user     ? filters_take(filters, name, NULL, NULL)
                     : !device ? filters_take(filters, user, name, NULL)
                               : filters_take(filters, user, device, name);
        if (taken)
            names->names[kept++] = name;
        else
            free(name);
    }
    names->count = kept;
}

int tree_user_names(const char *directory, struct filters *filters, char ***ret_names, size_t *ret_count,
    struct error *ret_error)
{
    const char *const files[] = {LAYOUT_FOLDER, NULL};
    struct names names = {0};
    int r = list_folders(directory, files, &names, ret_error);
    if (r < 0) {
        tree_names_free(names.names, names.count);
        return r;
    }
    filter_names(filters, NULL, NULL, &names);
    *ret_names = names.names;
    *ret_count = names.count;
    return 0;
}

/* 1 there is one, 0 there is none, -errno. */
static int look_at_file(const char *path, struct tree_file *ret_file, struct error *ret_error)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return errno == ENOENT ? 0 : error_set(ret_error, errno, "%s: %s", path, strerrordesc_np(errno));
    ret_file->bytes = (uint64_t)status.st_size;
    ret_file->changed_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return 1;
}

static int look_at_data(const char *directory, struct tree_stream *stream, struct error *ret_error)
{
    char path[PATH_MAX];
    int r = layout_path(path, directory, NULL, NULL, NULL, LAYOUT_DATA, ret_error);
    if (r == 0)
        r = look_at_file(path, &stream->data, ret_error);
    if (r == 0)
        r = error_set(ret_error, EBADMSG, "%s is missing", path);
    if (r < 0)
        return r;
    r = layout_path(path, directory, NULL, NULL, NULL, LAYOUT_DOWNLINK, ret_error);
    if (r == 0)
        r = look_at_file(path, &stream->downlink, ret_error);
    if (r == 0 && stream->stream.downlink)
        return error_set(ret_error, EBADMSG, "%s is missing: the stream is a downlink", path);
    if (r == 1 && !stream->stream.downlink)
        return error_set(ret_error, EBADMSG,
            "%s: the stream is no downlink; set \"downlink\" in its stream.json or remove the file", path);
    return r < 0 ? r : 0;
}

static int read_stream(
    const char *device_directory, const char *name, struct tree_stream *stream, struct error *ret_error)
{
    const char *const files[] = {LAYOUT_STREAM, LAYOUT_DATA, LAYOUT_DOWNLINK, NULL};
    char directory[PATH_MAX], path[PATH_MAX];
    struct names names = {0};
    int r = layout_path(directory, device_directory, NULL, NULL, NULL, name, ret_error);
    if (r == 0)
        r = layout_path(path, directory, NULL, NULL, NULL, LAYOUT_STREAM, ret_error);
    if (r == 0)
        r = list_folders(directory, files, &names, ret_error);
    if (r == 0 && names.count > 0)
        r = error_set(ret_error, EBADMSG, "%s/%s does not belong into a stream's folder: move it away",
            directory, names.names[0]);
    tree_names_free(names.names, names.count);
    if (r == 0)
        r = description_read_stream(path, name, &stream->stream, ret_error);
    return r < 0 ? r : look_at_data(directory, stream, ret_error);
}

static int read_device(const char *user_directory, const char *user, const char *name, bool skip_meta,
    struct filters *filters, struct tree_device *device, struct error *ret_error)
{
    const char *const files[] = {LAYOUT_DEVICE, NULL};
    char directory[PATH_MAX], path[PATH_MAX];
    struct names names = {0};
    int r = layout_path(directory, user_directory, NULL, NULL, NULL, name, ret_error);
    if (r == 0)
        r = layout_path(path, directory, NULL, NULL, NULL, LAYOUT_DEVICE, ret_error);
    if (r == 0)
        r = description_read_device(path, name, &device->device, ret_error);
    if (r == 0 && !(skip_meta && !strcmp(name, "meta")))
        r = list_folders(directory, files, &names, ret_error);
    if (r < 0)
        goto end;
    filter_names(filters, user, name, &names);
    device->streams = calloc(names.count + 1, sizeof(*device->streams));
    if (!device->streams) {
        r = no_memory(directory, ret_error);
        goto end;
    }
    while (r == 0 && device->stream_count < names.count) {
        r = read_stream(
            directory, names.names[device->stream_count], &device->streams[device->stream_count], ret_error);
        device->stream_count++;
    }
end:
    tree_names_free(names.names, names.count);
    return r;
}

int tree_read_user(const char *directory, const char *name, unsigned version, bool skip_meta,
    struct filters *filters, struct tree_user *ret_user, struct error *ret_error)
{
    const char *const files[] = {LAYOUT_USER, NULL};
    char user_directory[PATH_MAX], path[PATH_MAX];
    struct names names = {0};
    struct tree_user user = {0};
    int r = layout_path(user_directory, directory, name, NULL, NULL, NULL, ret_error);
    if (r == 0)
        r = layout_path(path, user_directory, NULL, NULL, NULL, LAYOUT_USER, ret_error);
    if (r == 0)
        r = description_read_user(path, name, version, &user.user, ret_error);
    if (r == 0)
        r = list_folders(user_directory, files, &names, ret_error);
    if (r < 0)
        goto end;
    filter_names(filters, name, NULL, &names);
    user.devices = calloc(names.count + 1, sizeof(*user.devices));
    if (!user.devices) {
        r = no_memory(user_directory, ret_error);
        goto end;
    }
    while (r == 0 && user.device_count < names.count) {
        r = read_device(user_directory, name, names.names[user.device_count], skip_meta, filters,
            &user.devices[user.device_count], ret_error);
        user.device_count++;
    }
end:
    tree_names_free(names.names, names.count);
    if (r < 0)
        tree_user_free(&user);
    else
        *ret_user = user;
    return r;
}

void tree_user_free(struct tree_user *user)
{
    for (size_t i = 0; i < user->device_count; i++) {
        struct tree_device *device = &user->devices[i];
        for (size_t k = 0; k < device->stream_count; k++)
            stream_free(&device->streams[k].stream);
        free(device->streams);
        device_free(&device->device);
    }
    free(user->devices);
    user_free(&user->user);
    *user = (struct tree_user){0};
}
