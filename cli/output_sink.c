#include "output_sink.h"

#include "job.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 256 << 10 };

static int flush_output(struct sink *sink, struct error *ret_error)
{
    size_t done = 0;
    while (done < sink->used) {
        ssize_t wrote = write(STDOUT_FILENO, sink->buffer + done, sink->used - done);
        if (wrote < 0 && errno != EINTR)
            return error_set(ret_error, errno, "writing to standard output: %s", strerrordesc_np(errno));
        if (atomic_load(job_cancelled()))
            return error_set(ret_error, ECANCELED, "interrupted");
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

int output_sink_open(struct sink *ret_sink, struct error *ret_error)
{
    *ret_sink =
        (struct sink){.buffer = malloc(OUTPUT_BYTES), .capacity = OUTPUT_BYTES, .flush = flush_output};
    return ret_sink->buffer ? 0 : error_set(ret_error, ENOMEM, "out of memory");
}

void output_sink_free(struct sink *sink)
{
    free(sink->buffer);
    *sink = (struct sink){0};
}
