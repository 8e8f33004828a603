#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *ret_error, int code, const char *format, ...)
{
    if (ret_error) {
        va_list arguments;
        va_start(arguments, format);
        ret_error->code = code;
        (void)vsnprintf(ret_error->message, sizeof(ret_error->message), format, arguments);
        va_end(arguments);
    }
    return -code;
}

int error_prefix(struct error *ret_error, const char *format, ...)
{
    if (!ret_error)
        return 0;
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(message) - 3)
        return -ret_error->code;
    (void)snprintf(message + length, sizeof(message) - (size_t)length, ": %.*s",
        (int)(sizeof(message) - (size_t)length - 3), ret_error->message);
    memcpy(ret_error->message, message, sizeof(message));
    return -ret_error->code;
}

bool error_is_no_space(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

const char *error_no_space_reason(int code)
{
    switch (code) {
    case EDQUOT:
        return "the disk quota is exhausted";
    case EFBIG:
        return "the file size limit is reached (see ulimit -f)";
    default:
        return "the disk is full";
    }
}
