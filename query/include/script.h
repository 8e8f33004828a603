/* PipeScript: small programs over sequences of datapoints, as in ConnectorDB 0.3 (PipeScript 0.1.1).
 *
 * A script is compiled once (script_compile) into an immutable program. A run (script_run_open) is one use of
 * it: it pulls batches of datapoints from a source and hands out batches of results. Any number of runs may
 * use one program at the same time, each by one thread.
 *
 *     script_compile("if d > 20 | d * 2", 17, NULL, &script, &error);
 *     script_run_open(script, source, context, &run);
 *     while ((r = script_run_next(run, &batch, &error)) == 0 && batch)
 *         ... use batch ...
 *
 * Elements are pull iterators: nothing is read ahead further than a transform has to look. Numbers are
 * float64 while they are computed with; a datapoint that no transform changed comes out as it went in, with
 * all digits of its integers. NaN and infinities come out as null. Senders are dropped.
 *
 * Everything is bounded by struct script_limits: a script that would need more ends with an error. */
#ifndef CONNECTORDB_SCRIPT_H
#define CONNECTORDB_SCRIPT_H

#include "batch.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SCRIPT_BYTES_MAX = 64 << 10,   /* text of a script */
    SCRIPT_NODES_MAX = 4096,       /* operators, transforms and literals in one script */
    SCRIPT_DEPTH_MAX = 64,         /* brackets and operators one inside the other */
    SCRIPT_HEIGHT_MAX = 160,       /* operators and transforms one inside or behind the other */
    SCRIPT_RESULTS_AT_ONCE = 1024, /* datapoints in a batch of results */
};

/* 0 = the default. */
struct script_limits {
    uint32_t split_max;  /* keys of map, imap and new: 50,000 */
    uint32_t string_max; /* bytes of a string that append makes: 1,000,000 */
    uint32_t peek_max;   /* datapoints that next looks ahead: 100 */
    uint32_t cpu_ms;     /* processor time of a run, beside 10 us for each datapoint that it reads: 10,000 */
    uint64_t bytes_max;  /* memory that a run holds: 32 MiB */
};

struct script;
struct script_run;

/* Compiles the text; an empty one passes every datapoint. limits: copied; NULL = defaults. 0; -EINVAL: the
 * message has the place in the script and the text around it with a caret; -E2BIG: over a limit above;
 * -ENOMEM. Free with script_free, after all its runs are closed. */
int script_compile(const char *text, size_t size, const struct script_limits *limits,
    struct script **ret_script, struct error *ret_error);
void script_free(struct script *script); /* accepts NULL */

/* True: one datapoint comes out for each that goes in, so that the script can be an argument of a transform.
 */
bool script_is_one_to_one(const struct script *script);

/* Questions about a whole sequence that can often be answered without reading all of it. */
enum script_question {
    SCRIPT_ASKS_MORE,
    SCRIPT_ASKS_FIRST, /* if first */
    SCRIPT_ASKS_LAST,  /* if last */
    SCRIPT_ASKS_COUNT, /* count | if last, and so on */
    SCRIPT_ASKS_SUM,
    SCRIPT_ASKS_MEAN,
    SCRIPT_ASKS_MIN,
    SCRIPT_ASKS_MAX,
};
enum script_question script_question(const struct script *script);

/* Gives the next datapoints of a sequence: *ret_batch, borrowed until the next call; NULL or an empty batch
 * at the end. 0 or -errno. */
typedef int (*script_source)(void *context, const struct batch **ret_batch, struct error *ret_error);

/* 0 or -ENOMEM. */
int script_run_open(
    const struct script *script, script_source source, void *context, struct script_run **ret_run);
void script_run_close(struct script_run *run); /* accepts NULL */

/* The next results, at most SCRIPT_RESULTS_AT_ONCE; borrowed until the next call; NULL at the end of the
 * sequence. -EINVAL: a run error (a value that cannot be converted, ...); the message names the transform and
 * the datapoint's time. What came before it was handed out by earlier calls. -E2BIG: over a limit; -ENOMEM;
 * what the source returned. Blocks as the source does. */
int script_run_next(struct script_run *run, const struct batch **ret_batch, struct error *ret_error);

/* Starts again with another sequence from the same source: all state is as at the beginning. */
int script_run_reset(struct script_run *run, struct error *ret_error);

#endif
