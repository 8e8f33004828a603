/* The range of a request's query. */
#ifndef CONNECTORDB_RANGE_QUERY_H
#define CONNECTORDB_RANGE_QUERY_H

#include "range.h"
#include "url.h"

/* As range_parse, of the parameters i1, i2, t1, t2 and limit. */
static inline int range_parse_query(
    const struct query *query, struct range *ret_range, struct error *ret_error)
{
    const struct range_texts texts = {query_value(query, "i1"), query_value(query, "i2"),
        query_value(query, "t1"), query_value(query, "t2"), query_value(query, "limit")};
    return range_parse(&texts, ret_range, ret_error);
}

#endif
