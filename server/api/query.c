/* Queries over several streams: merges and datasets. */
#include "query_parts.h"

#include "data_transform.h"

#include <errno.h>
#include <string.h>

static const double dt_min = 0.001, rows_max = 1e7;

/* ---- merge ---- */

bool query_merge(struct request *request, struct problem *problem)
{
    struct query_parts parts = {.request = request};
    struct body_object body = {0};
    struct sequence sequence;
    bool done = body_of_nobody(request, problem) && body_array_read(&body, request, problem) &&
                query_parts_merge(&parts, body.object, NULL, &sequence, problem) &&
                query_answer(request, sequence, NULL, false, problem);
    query_parts_close(&parts);
    body_object_free(&body);
    return done;
}

/* ---- dataset ---- */

struct dataset_request {
    struct query_parts parts;
    struct stream_query query; /* the reference, or the times */
    const json_t *merge, *columns;
    const char *posttransform;
    double dt;
    struct dataset_element elements[DATASET_ELEMENTS_MAX];
    struct dataset_options options;
    struct dataset *dataset;
    struct script *script;
    struct script_run *run;
};

static bool read_dataset(const json_t *object, struct dataset_request *dataset, struct problem *problem)
{
    dataset->posttransform = "";
    const struct member members[] = {
        {"merge", MEMBER_ARRAY, &dataset->merge},
        {"dataset", MEMBER_OBJECT, &dataset->columns},
        {"posttransform", MEMBER_TEXT, &dataset->posttransform},
        {"dt", MEMBER_NUMBER, &dataset->dt},
    };
    return stream_query_read(object, &dataset->query, problem) &&
           body_members(object, members, sizeof(members) / sizeof(members[0]), problem);
}

static bool has_range(const struct stream_query *query)
{
    return query->i1 != 0 || query->i2 != 0 || query->t1 != 0 || query->t2 != 0 || query->limit != 0;
}

/* The datapoints of a column. */
static bool open_points(struct dataset_request *dataset, const struct stream_query *query,
    const json_t *merge, struct sequence *ret_points, struct problem *problem)
{
    const struct query_start start = {.t1 = dataset->query.t1};
    bool merges = json_array_size(merge) > 0;
    if (merges && *query->stream)
        return problem_set(problem, 403, "Dataset element cannot have both a merge and a stream");
    if (merges && *query->transform)
        return problem_set(
            problem, 403, "Set transforms within each merge element instead of overall for dataset element");
    if (!merges && !*query->stream)
        return problem_set(problem, 403, "No stream(s) were selected for dataset element");
    if (merges && has_range(query))
        return problem_set(problem, 403, "Set ranges within each merge element instead of overall");
    return merges ? query_parts_merge(&dataset->parts, merge, &start, ret_points, problem)
                  : query_parts_stream(&dataset->parts, query, &start, ret_points, problem);
}

static bool add_element(
    struct dataset_request *dataset, const char *name, const json_t *object, struct problem *problem)
{
    struct stream_query query;
    const json_t *merge = NULL;
    struct dataset_element *element = &dataset->elements[dataset->options.element_count];
    bool kept = true, dropped = false; /* what "allownil" says; both unchanged: nothing */
    element->name = name;
    element->interpolator = "";
    const struct member members[] = {
        {"merge", MEMBER_ARRAY, &merge},
        {"interpolator", MEMBER_TEXT, &element->interpolator},
        {"allownil", MEMBER_BOOLEAN, &kept},
        {"allownil", MEMBER_BOOLEAN, &dropped},
    };
    if (!stream_query_read(object, &query, problem) ||
        !body_members(object, members, sizeof(members) / sizeof(members[0]), problem) ||
        !open_points(dataset, &query, merge, &element->points, problem))
        return false;
    bool stated = kept == dropped; /* both have its value */
    bool drops = stated ? !kept : *dataset->posttransform != '\0';
    element->nil = drops ? DATASET_DROP_NIL : DATASET_KEEP_NIL;
    dataset->options.element_count++;
    return true;
}

static bool add_elements(struct dataset_request *dataset, struct problem *problem)
{
    const char *name;
    json_t *object;
    if (json_object_size(dataset->columns) == 0)
        return problem_set(problem, 403, "The dataset query must have a dataset!");
    if (json_object_size(dataset->columns) > DATASET_ELEMENTS_MAX)
        return problem_set(problem, 413, "A dataset can have at most %d elements", DATASET_ELEMENTS_MAX);
    json_object_foreach((json_t *)dataset->columns, name, object)
    {
        if (!add_element(dataset, name, object, problem))
            return false;
    }
    return true;
}

/* Rows at times. */
static bool set_times(struct dataset_request *dataset, struct problem *problem)
{
    const struct stream_query *query = &dataset->query;
    if (query->t1 < 0 || !(query->t2 >= query->t1 + dataset->dt) || query->i1 != 0 || query->i2 != 0)
        return problem_set(problem, 403, "Tdataset range invalid");
    if (dataset->dt < dt_min || (query->t2 - query->t1) / dataset->dt > rows_max)
        return problem_set(problem, 403,
            "To avoid abuse, Tdataset is limited to a max of %.0f datapoints with min dt %f", rows_max,
            dt_min);
    dataset->options.t1 = query->t1;
    dataset->options.t2 = query->t2;
    dataset->options.dt = dataset->dt;
    return true;
}

/* Rows at the datapoints of a stream or a merge. */
static bool set_reference(struct dataset_request *dataset, struct problem *problem)
{
    bool merges = json_array_size(dataset->merge) > 0;
    if (dataset->dt != 0)
        return problem_set(problem, 403, "Dataset must be either time or stream based. Not both.");
    if (merges && *dataset->query.stream)
        return problem_set(problem, 403, "Dataset can't be based both on a stream and on a merge!");
    if (!(merges ? query_parts_merge(
                       &dataset->parts, dataset->merge, NULL, &dataset->options.reference, problem)
                 : query_parts_stream(
                       &dataset->parts, &dataset->query, NULL, &dataset->options.reference, problem)))
        return false;
    return !json_object_get(dataset->columns, "x") ||
           problem_set(problem, 403, "Dataset already contains field of name 'x'");
}

static bool open_dataset(struct dataset_request *dataset, struct problem *problem)
{
    struct error error = {0};
    const struct request *request = dataset->parts.request;
    const struct script_limits limits = data_transform_limits(request);
    const char *posttransform = dataset->posttransform;
    bool by_stream = *dataset->query.stream || json_array_size(dataset->merge) > 0;
    if (*posttransform &&
        !data_transform_compile(request, posttransform, strlen(posttransform), &dataset->script, problem))
        return false;
    if (!add_elements(dataset, problem) ||
        !(by_stream ? set_reference(dataset, problem) : set_times(dataset, problem)))
        return false;
    dataset->options.elements = dataset->elements;
    dataset->options.limits = &limits;
    int r = dataset_open(&dataset->options, &dataset->dataset, &error);
    dataset->options.limits = NULL; /* they were copied */
    if (r == 0 && dataset->script)
        r = script_run_open(dataset->script, dataset_next, dataset->dataset, &dataset->run);
    if (r == -EINVAL || r == -E2BIG)
        return problem_set(problem, r == -EINVAL ? 403 : 413, "%s", error.message);
    return r == 0 || request_failed(request, r, &error, problem);
}

static int next_result(void *run, const struct batch **ret_batch, struct error *ret_error)
{
    return script_run_next(run, ret_batch, ret_error);
}

static struct sequence rows_of(const struct dataset_request *dataset)
{
    return dataset->run ? (struct sequence){next_result, dataset->run}
                        : (struct sequence){dataset_next, dataset->dataset};
}

/* What a row has: the value of the reference, and the elements. */
static struct query_columns columns_of(const struct dataset_request *dataset)
{
    struct query_columns columns = {0};
    if (dataset->options.reference.next)
        columns.names[columns.count++] = "x";
    for (size_t i = 0; i < dataset->options.element_count; i++)
        columns.names[columns.count++] = dataset->elements[i].name;
    return columns;
}

bool query_dataset(struct request *request, struct problem *problem)
{
    struct dataset_request dataset = {.parts = {.request = request}};
    struct body_object body = {0};
    bool done = body_of_nobody(request, problem) && body_object_read(&body, request, problem) &&
                read_dataset(body.object, &dataset, problem) && open_dataset(&dataset, problem);
    bool at_times = dataset.options.reference.next == NULL;
    if (done) {
        const struct query_columns columns = columns_of(&dataset);
        done = query_answer(request, rows_of(&dataset), dataset.script ? NULL : &columns, at_times, problem);
    }
    script_run_close(dataset.run);
    script_free(dataset.script);
    dataset_close(dataset.dataset);
    query_parts_close(&dataset.parts);
    body_object_free(&body);
    return done;
}
