// What cannot be had is said in one sentence.
#include "proxy/cage/sandbox.h"

#include "proxy/cage/calls.h"
#include "proxy/cage/ruleset.h"
#include "proxy/cage/sanitizer.h"

void sandbox_find(struct sandbox *out)
{
    struct ruleset ruleset;
    struct errinfo files = {.text = ""};
    struct errinfo calls = {.text = ""};
    *out = (struct sandbox){.landlock = 0};
    if (sanitizer_is_here()) {
        (void)errinfo_set(&out->missing, ERR_SYSTEM, "this is a build with a sanitizer");
        return;
    }
    ruleset_open(&ruleset, true, &files);
    out->landlock = ruleset.abi;
    ruleset_close(&ruleset);
    out->has_filter = calls_are_possible(&calls) == ERR_OK;
    if (out->landlock == 0 || !out->has_filter)
        (void)errinfo_set(&out->missing, ERR_SYSTEM, "%s%s%s", files.text,
                          out->landlock == 0 && !out->has_filter ? "; " : "", calls.text);
}
