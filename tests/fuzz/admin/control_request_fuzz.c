// Fuzzes control_request_parse and, after `block`, block_parse, after `top`, top_request_parse, after `drain`,
// drain_request_parse: what is accepted is the line again when it is put together, a block's one spelling is read as the same
// block, a question is within its bounds, and a way to drain means what its words say.
#include <stdlib.h>

#include "auth/base/text.h"
#include "auth/blocklist.h"
#include "proxy/admin/control_request.h"
#include "proxy/admin/drain_request.h"
#include "proxy/admin/top_request.h"
#include "proxy/config/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_block(const char *argument)
{
    char text[BLOCK_TEXT_CAP];
    char again_text[BLOCK_TEXT_CAP];
    struct block block;
    struct block again;
    struct errinfo info;
    if (block_parse(slice_of_string(argument), text, &block, &info) != ERR_OK)
        return;
    ASSERT(block_parse(slice_of_string(block.text), again_text, &again, &info) == ERR_OK);
    ASSERT(slice_equal(slice_of_string(block.text), slice_of_string(again.text)));
    ASSERT(block.kind == again.kind);
    ASSERT(slice_equal(slice_of(block.digest, sizeof block.digest),
                       slice_of(again.digest, sizeof again.digest)));
}

static void check_top(const char *argument)
{
    struct top_request request;
    struct errinfo info = {0};
    if (top_request_parse(slice_of_string(argument), &request, &info) != ERR_OK) {
        ASSERT(info.text[0] != '\0');
        return;
    }
    ASSERT(request.count >= 1 && request.count <= TOP_MAX);
    ASSERT(request.every_ms == 0 ||
           (request.every_ms >= TOP_EVERY_MIN_MS && request.every_ms <= TOP_EVERY_MAX_MS));
    ASSERT(strlen(request.client) <= CLIENT_NAME_MAX);
}

static void check_drain(const char *argument)
{
    struct drain_request request;
    struct drain_request again;
    struct errinfo info = {0};
    char line[64];
    char duration[QUANTITY_TEXT_CAP];
    struct text text;
    const struct slice words = slice_of_string(argument);
    if (drain_request_parse(words, &request, &info) != ERR_OK) {
        ASSERT(info.text[0] != '\0');
        return;
    }
    ASSERT(request.lame_duck_ms >= 0 && request.lame_duck_ms <= LAME_DUCK_MAX_MS);
    ASSERT(request.is_waiting == slice_starts_with(words, SLICE_LITERAL("wait")));
    text_init(&text, line, sizeof line);
    text_append_string(&text, request.is_waiting ? "wait" : "");
    text_append_string(&text, request.is_waiting && request.lame_duck_ms > 0 ? " " : "");
    if (request.lame_duck_ms > 0)
        text_append_format(&text, "lame_duck:%s",
                           quantity_format(QUANTITY_DURATION, request.lame_duck_ms, duration));
    else
        ASSERT(slice_equal(text_slice(&text), words));
    ASSERT(drain_request_parse(text_slice(&text), &again, &info) == ERR_OK);
    ASSERT(again.is_waiting == request.is_waiting && again.lame_duck_ms == request.lame_duck_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct control_request request;
    static char line[CONTROL_LINE_MAX + 64];
    struct errinfo info;
    struct text text;
    if (control_request_parse(slice_of(data, size), &request, &info) != ERR_OK) {
        ASSERT(info.text[0] != '\0');
        return 0;
    }
    text_init(&text, line, sizeof line);
    text_append_string(&text, control_command_name(request.command));
    text_append_string(&text, request.is_forced ? " force" : "");
    ASSERT(!request.is_fleet || request.on[0] == '\0');
    text_append_string(&text, request.is_fleet ? " fleet" : "");
    text_append_string(&text, request.on[0] == '\0' ? "" : " on:");
    text_append_string(&text, request.on);
    text_append_string(&text, request.argument[0] == '\0' ? "" : " ");
    text_append_string(&text, request.argument);
    ASSERT(slice_equal(text_slice(&text), slice_of(data, size)));
    if (request.command == CONTROL_BLOCK)
        check_block(request.argument);
    if (request.command == CONTROL_TOP)
        check_top(request.argument);
    if (request.command == CONTROL_DRAIN)
        check_drain(request.argument);
    return 0;
}
