// libpsl in three functions: Debian's package `publicsuffix`, or the list that was built into the library.
#include "proxy/lint/public_suffix.h"

#include <libpsl.h>
#include <stdlib.h>

#include "auth/hostname.h"

struct public_suffix_list {
    psl_ctx_t *psl; // owned
};

struct public_suffix_list *public_suffix_list_open(void)
{
    struct public_suffix_list *list = malloc(sizeof *list);
    if (list == NULL)
        return NULL;
    list->psl = psl_latest(NULL);
    if (list->psl != NULL)
        return list;
    free(list);
    return NULL;
}

void public_suffix_list_close(struct public_suffix_list *list)
{
    if (list == NULL)
        return;
    psl_free(list->psl);
    free(list);
}

bool public_suffix_list_has(const struct public_suffix_list *list, struct slice name)
{
    char text[HOSTNAME_MAX_LEN + 1];
    return string_copy(text, sizeof text, name) &&
           psl_is_public_suffix2(list->psl, text, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) == 1;
}
