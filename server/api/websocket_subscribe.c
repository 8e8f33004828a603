/* Subscriptions of a WebSocket. A stored series is read from the store by the ranges that the live bus gives:
 * a slow client delays nobody, and loses nothing but where one insert ended and the next one began. */
#include "websocket.h"

#include "data.h"
#include "data_transform.h"
#include "json_points.h"
#include "log.h"
#include "series_print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
    POINTS_AT_ONCE = 100000, /* of a message; a longer range is sent as several */
    MESSAGE_BYTES_MAX = 128 << 20,
};

static void wake(void *context)
{
    struct subscription *subscription = context;
    atomic_store(&subscription->woken, true);
    (void)eventfd_write(subscription->websocket->wake_file, 1);
}

/* ---- subscribing ---- */

/* Looks up where the path leads now. False: it leads nowhere, or the client may not read there. */
static bool look_up(const struct websocket *websocket, const struct websocket_path *path,
    struct stream_place *ret_place, uint64_t *ret_series_id, struct problem *problem)
{
    struct request request = websocket_request(websocket, path);
    if (!data_place(&request, 404, ret_place, problem))
        return false;
    if (!(access_to_place(&request, ret_place)->read.objects &
            (path->downlink ? ACCESS_DOWNLINK : ACCESS_DATA)))
        return request_missing(&request, 404, problem);
    *ret_series_id = path->downlink ? ret_place->downlink_series_id : ret_place->series_id;
    return *ret_series_id != 0 || problem_set(problem, 403, "The stream is not a downlink stream");
}

static void subscription_free(struct subscription *subscription)
{
    live_unsubscribe(subscription->live);
    ephemeral_unsubscribe(subscription->ephemeral);
    script_free(subscription->script);
    free(subscription->arg);
    free(subscription->transform);
    free(subscription);
}

/* Subscribes to the series that the place has now. */
static bool begin(struct subscription *subscription, struct problem *problem)
{
    struct request *request = subscription->websocket->request;
    struct server *server = request->server;
    struct error error = {0};
    if (subscription->place.ephemeral) {
        subscription->ephemeral =
            ephemeral_subscribe(server->ephemeral, subscription->series_id, wake, subscription);
        return subscription->ephemeral ||
               problem_later(problem, 503, "The server has no memory left for a subscription");
    }
    int r = live_subscribe(server->live, subscription->series_id, LIVE_FROM_NOW, wake, subscription,
        &subscription->live, &error);
    return r == 0 || problem_later(problem, 503, "%s", error.message);
}

static struct subscription **find(struct websocket *websocket, const char *arg, const char *transform)
{
    struct subscription **at = &websocket->subscriptions;
    while (*at &&
           (strcmp((*at)->arg, arg) != 0 || strcmp((*at)->transform ? (*at)->transform : "", transform) != 0))
        at = &(*at)->next;
    return at;
}

static bool make(struct websocket *websocket, const char *arg, const char *transform,
    struct subscription *subscription, struct problem *problem)
{
    subscription->websocket = websocket;
    if (!websocket_path_parse(arg, &subscription->path))
        return problem_set(
            problem, 400, "arg must be user/device/stream or user/device/stream/downlink, not '%.100s'", arg);
    subscription->arg = strdup(arg);
    subscription->transform = *transform ? strdup(transform) : NULL;
    if (!subscription->arg || (*transform && !subscription->transform))
        return problem_later(problem, 503, "The server has no memory left for a subscription");
    return (!*transform || data_transform_compile(websocket->request, transform, strlen(transform),
                               &subscription->script, problem)) &&
           look_up(websocket, &subscription->path, &subscription->place, &subscription->series_id, problem) &&
           begin(subscription, problem);
}

bool websocket_subscribe(
    struct websocket *websocket, const char *arg, const char *transform, struct problem *problem)
{
    if (*find(websocket, arg, transform))
        return true;
    if (websocket->subscription_count == WEBSOCKET_SUBSCRIPTIONS_MAX)
        return problem_set(
            problem, 429, "A WebSocket can have at most %d subscriptions", WEBSOCKET_SUBSCRIPTIONS_MAX);
    struct subscription *subscription = calloc(1, sizeof(*subscription));
    if (!subscription)
        return problem_later(problem, 503, "The server has no memory left for a subscription");
    atomic_init(&subscription->woken, true); /* the bus is asked once in any case */
    if (!make(websocket, arg, transform, subscription, problem)) {
        subscription_free(subscription);
        return false;
    }
    subscription->next = websocket->subscriptions;
    websocket->subscriptions = subscription;
    websocket->subscription_count++;
    (void)eventfd_write(websocket->wake_file, 1);
    return true;
}

static void end(struct websocket *websocket, struct subscription **at)
{
    struct subscription *subscription = *at;
    *at = subscription->next;
    websocket->subscription_count--;
    subscription_free(subscription);
}

void websocket_unsubscribe(struct websocket *websocket, const char *arg, const char *transform)
{
    struct subscription **at = find(websocket, arg, transform);
    if (*at)
        end(websocket, at);
}

void websocket_unsubscribe_all(struct websocket *websocket)
{
    while (websocket->subscriptions)
        end(websocket, &websocket->subscriptions);
}

/* ---- delivering ---- */

/* Prints the message up to its datapoints. */
static int print_head(struct sink *sink, const struct subscription *subscription)
{
    (void)sink_write(sink, "{\"stream\":", 10);
    (void)json_print_string(sink, subscription->arg, strlen(subscription->arg));
    if (subscription->transform) {
        (void)sink_write(sink, ",\"transform\":", 13);
        (void)json_print_string(sink, subscription->transform, strlen(subscription->transform));
    }
    return sink_write(sink, ",\"data\":[", 9);
}

/* Sends the message, unless it has no datapoints. */
static void send_message(struct websocket *websocket, struct sink *sink, size_t head_bytes)
{
    if (sink->used > head_bytes && sink_write(sink, "]}", 2) == 0)
        (void)http_socket_send(websocket->socket, (const char *)sink->buffer, sink->used);
}

/* Points [from, to) of the series as one message. 0; -EFBIG: it is too large; another -errno. */
static int send_range(struct subscription *subscription, uint64_t from, uint64_t to, struct error *ret_error)
{
    struct websocket *websocket = subscription->websocket;
    struct series_range range = {.series_id = subscription->series_id, .from = from, .to = to};
    struct points_text text = {.format = POINTS_JSON};
    struct sink sink;
    if (sink_memory_init(&sink, MESSAGE_BYTES_MAX) < 0)
        return error_set(ret_error, ENOMEM, "out of memory for a message");
    (void)print_head(&sink, subscription);
    size_t head_bytes = sink.used;
    int r = store_snapshot_open(websocket->request->server->database->store, &range.snapshot, ret_error);
    if (r == 0)
        r = series_print(&sink, &range, subscription->script, 0, &text, ret_error);
    store_snapshot_close(range.snapshot);
    if (sink.failed)
        r = sink.failed;
    if (r == 0)
        send_message(websocket, &sink, head_bytes);
    sink_memory_free(&sink);
    return r;
}

static void deliver_range(struct subscription *subscription, struct live_range range)
{
    uint64_t step = POINTS_AT_ONCE;
    while (range.first < range.end) {
        struct error error = {0};
        uint64_t to = range.end - range.first < step ? range.end : range.first + step;
        int r = send_range(subscription, range.first, to, &error);
        if (r == -EFBIG && to - range.first > 1) {
            step = (to - range.first) / 2;
            continue;
        }
        if (r < 0 && !subscription->script) /* a script that fails has no message, as in ConnectorDB 0.3 */
            log_error("points of %s could not be sent to a subscriber: %s", subscription->arg, error.message);
        range.first = to;
    }
}

struct one_batch {
    const struct batch *batch;
};

static int next_batch(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct one_batch *one = context;
    (void)ret_error;
    *ret_batch = one->batch;
    one->batch = NULL;
    return 0;
}

static int print_script(
    struct sink *sink, const struct script *script, const struct batch *batch, struct error *ret_error)
{
    struct one_batch one = {batch};
    struct script_run *run = NULL;
    const struct batch *results;
    bool first = true;
    int r = script_run_open(script, next_batch, &one, &run);
    while (r == 0 && (r = script_run_next(run, &results, ret_error)) == 0 && results) {
        r = json_points_print(sink, results, first);
        first = first && results->count == 0;
    }
    script_run_close(run);
    return r;
}

static void deliver_batch(struct subscription *subscription, const struct batch *batch)
{
    struct error error = {0};
    struct sink sink;
    if (sink_memory_init(&sink, MESSAGE_BYTES_MAX) < 0)
        return;
    (void)print_head(&sink, subscription);
    size_t head_bytes = sink.used;
    int r = subscription->script ? print_script(&sink, subscription->script, batch, &error)
                                 : json_points_print(&sink, batch, true);
    if (r == 0 && !sink.failed)
        send_message(subscription->websocket, &sink, head_bytes);
    sink_memory_free(&sink);
}

static void deliver_ephemeral(struct subscription *subscription)
{
    struct batch *batch;
    int r;
    while ((r = ephemeral_next(subscription->ephemeral, &batch)) == 1) {
        deliver_batch(subscription, batch);
        batch_free(batch);
        free(batch);
    }
    if (r < 0)
        http_socket_close(subscription->websocket->socket, 1013, "too slow for an ephemeral stream");
}

/* False: the stream is not there any more, or may not be read any more. A stream that was cut has another
 * series. */
static bool is_current(struct subscription *subscription)
{
    struct problem problem = {0};
    struct stream_place place;
    uint64_t series_id;
    if (!look_up(subscription->websocket, &subscription->path, &place, &series_id, &problem) ||
        place.stream_id != subscription->place.stream_id || place.ephemeral != subscription->place.ephemeral)
        return false;
    if (series_id == subscription->series_id)
        return true;
    live_unsubscribe(subscription->live);
    subscription->live = NULL;
    subscription->series_id = series_id;
    return begin(subscription, &problem);
}

static void deliver_stored(struct subscription *subscription)
{
    struct live_range range;
    while (live_next(subscription->live, &range) == 1)
        deliver_range(subscription, range);
}

void websocket_deliver(struct websocket *websocket)
{
    bool checked = false;
    for (struct subscription **at = &websocket->subscriptions; *at;) {
        struct subscription *subscription = *at;
        if (atomic_exchange(&subscription->woken, false)) {
            if (!checked && !websocket_still_logged_in(websocket))
                return;
            checked = true;
            if (!is_current(subscription)) {
                end(websocket, at);
                continue;
            }
            if (subscription->ephemeral)
                deliver_ephemeral(subscription);
            else
                deliver_stored(subscription);
        }
        at = &subscription->next;
    }
}
