// Looks the verb up in its table.
#include "proxy/cli/verb.h"

#include <stdio.h>
#include <string.h>

#include "auth/base/text.h"
#include "proxy/cli/options.h"

enum { LIST_CAP = 256 };

// fail_verb says that there is none, or `wrong`, which is none, and which there are.
static int fail_verb(const char *command, const struct cli_verb *verbs, size_t count,
                     const char *wrong)
{
    char data[LIST_CAP];
    struct text list;
    text_init(&list, data, sizeof data);
    for (size_t i = 0; i < count; i++)
        text_append_format(&list, "%s%s",
                           i == 0          ? ""
                           : i + 1 < count ? ", "
                                           : " or ",
                           verbs[i].name);
    if (wrong == NULL)
        return cli_fail_usage(command, "which verb? %s", data);
    return cli_fail_usage(command, "unknown verb '%.40s': it is %s", wrong, data);
}

int cli_run_verb(const char *usage, const struct cli_verb *verbs, size_t count, int argc,
                 char **argv)
{
    const char *word = argc < 2 ? NULL : argv[1];
    if (word == NULL)
        return fail_verb(argv[0], verbs, count, NULL);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        (void)fputs(usage, stdout);
        return cli_finish(argv[0]);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    return fail_verb(argv[0], verbs, count, word);
}
