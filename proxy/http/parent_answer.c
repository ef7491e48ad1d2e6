// Heads one after the other, until one is final.
#include "proxy/http/parent_answer.h"

#include "proxy/http/field.h"

// is_fit tells whether a Proxy-Status can stand in a line of ours: visible ASCII, with quoted strings that are closed.
static bool is_fit(struct slice value)
{
    bool is_quoted = false;
    bool is_escaped = false;
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t byte = value.data[i];
        if (byte < ' ' || byte > '~')
            return false;
        if (byte == '"' && !is_escaped)
            is_quoted = !is_quoted;
        is_escaped = byte == '\\' && is_quoted && !is_escaped;
    }
    return !is_quoted;
}

// take_proxy_status keeps the members of all fields, or none where they are unfit or too long.
static void take_proxy_status(struct slice fields, struct parent_answer *out)
{
    struct field field;
    struct text text;
    bool is_whole = true;
    text_init(&text, out->proxy_status, sizeof out->proxy_status);
    while (field_next(&fields, &field)) {
        if (!slice_equal_ignore_case(field.name, SLICE_LITERAL("proxy-status")) ||
            field.value.len == 0)
            continue;
        is_whole = is_whole && is_fit(field.value);
        text_append_string(&text, text.len == 0 ? "" : ", ");
        text_append(&text, field.value);
    }
    if (!is_whole || text.is_cut)
        out->proxy_status[0] = '\0';
}

// take_retry_after reads a number of seconds. A date, or nonsense, is as good as nothing.
static void take_retry_after(struct slice fields, struct parent_answer *out)
{
    struct field field;
    out->retry_after_s = 1;
    while (field_next(&fields, &field)) {
        uint32_t seconds = 0;
        if (!slice_equal_ignore_case(field.name, SLICE_LITERAL("retry-after")))
            continue;
        for (size_t i = 0; i < field.value.len && seconds <= PARENT_RETRY_AFTER_MAX; i++) {
            if (field.value.data[i] < '0' || field.value.data[i] > '9')
                return;
            seconds = seconds * 10 + (uint32_t)(field.value.data[i] - '0');
        }
        if (seconds > 0)
            out->retry_after_s =
                seconds > PARENT_RETRY_AFTER_MAX ? PARENT_RETRY_AFTER_MAX : seconds;
    }
}

// is_passed_on tells whether a client can make something of this status. 407 is none of them: it would answer with
// credentials that are for us.
static bool is_passed_on(uint16_t status)
{
    return status == 403 || status == 429 || (status >= 502 && status <= 504);
}

static void bad(struct parent_answer *out, const char *why)
{
    out->kind = PARENT_ANSWER_BAD;
    out->why = why;
}

static void take_final(const struct message_head *head, struct parent_answer *out)
{
    out->received = head->status;
    take_proxy_status(head->fields, out);
    if (head->status < 300) {
        out->kind = PARENT_ANSWER_TUNNEL;
        return;
    }
    out->kind = PARENT_ANSWER_REFUSAL;
    out->status = is_passed_on(head->status) ? head->status : 502;
    take_retry_after(head->fields, out);
}

void parent_answer_read(struct slice bytes, struct parent_answer *out)
{
    size_t interim_count = 0;
    *out = (struct parent_answer){.kind = PARENT_ANSWER_MORE};
    bytes = slice_first(bytes, PARENT_ANSWER_MAX_LEN);
    for (;;) {
        struct message_head head;
        const char *why = "";
        switch (response_head_parse(slice_from(bytes, out->len), true, &head, &why)) {
        case HEAD_MORE:
            if (bytes.len == PARENT_ANSWER_MAX_LEN)
                bad(out, "its head is too large");
            return;
        case HEAD_BAD:
        case HEAD_TOO_LARGE:
            bad(out, why);
            return;
        case HEAD_OK:
            break;
        }
        out->len += head.len;
        if (head.status == 101 ||
            (head.status < 200 && ++interim_count > PARENT_ANSWER_MAX_INTERIM)) {
            bad(out, head.status == 101 ? "a switch of protocols" : "too many interim answers");
            return;
        }
        if (head.status >= 200) {
            take_final(&head, out);
            return;
        }
    }
}
