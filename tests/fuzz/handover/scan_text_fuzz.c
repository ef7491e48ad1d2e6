// Fuzzes scan_answer_parse and scan_question_parse: what is read can be written and read again.
#include <stdlib.h>

#include "proxy/service/scan_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_question(struct slice text)
{
    char again[SCAN_QUESTION_CAP];
    struct text out;
    struct scan scan = {0};
    struct scan read = {0};
    if (scan_question_parse(text, &scan) != ERR_OK)
        return;
    text_init(&out, again, sizeof again);
    scan_question_format(&scan, &out);
    ASSERT(!out.is_cut);
    ASSERT(scan_question_parse(text_slice(&out), &read) == ERR_OK && read.kind == scan.kind);
}

static void try_answer(struct slice text)
{
    static char again[1024 * 1024];
    struct text out;
    struct scan sum = {.kind = SCAN_TUNNELS, .max_tunnels = 16};
    struct scan read = {.kind = SCAN_TUNNELS, .max_tunnels = 16};
    if (scan_answer_parse(text, &sum) == ERR_OK) {
        text_init(&out, again, sizeof again);
        scan_answer_format(&sum, &out);
        (void)!scan_answer_parse(text_slice(&out), &read); // sums may be too large to be read again
        ASSERT(read.tunnel_count <= sum.tunnel_count);
    }
    scan_deinit(&sum);
    scan_deinit(&read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_question(slice_of(data, size));
    try_answer(slice_of(data, size));
    return 0;
}
