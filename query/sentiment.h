/* The words that `sentiment` scores texts with: AFINN-111 (F. Å. Nielsen, "A new ANEW", 2011), which
 * tools/fetch-words fetches before the build. Constant data: any thread. */
#ifndef CONNECTORDB_QUERY_SENTIMENT_H
#define CONNECTORDB_QUERY_SENTIMENT_H

#include <stdbool.h>
#include <stddef.h>

/* False: the program was built without the list. */
bool sentiment_is_built_in(void);

/* The score of a word as it stands in a text, -5 to 5; upper and lower case are the same. 0: it is not in the
 * list. */
int sentiment_of_word(const char *word, size_t size);

#endif
