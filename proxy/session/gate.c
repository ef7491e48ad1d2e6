// A small machine over TLS records and, for a request in the clear, one HTTP head.
#include "proxy/session/gate.h"

#include "proxy/http/head.h"

enum {
    RECORD_CHANGE_CIPHER_SPEC = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
    RECORD_HEADER = 5,
    MESSAGE_CLIENT_HELLO = 1,
    METHOD_MAX = 16, // bytes of a method, with its blank
};

// may_be_request tells whether the bytes are the begin of a request: a method in capitals and a blank.
static bool may_be_request(struct slice bytes)
{
    const struct slice start = slice_first(bytes, METHOD_MAX);
    for (size_t i = 0; i < start.len; i++) {
        if (start.data[i] == ' ')
            return i > 0;
        if (start.data[i] < 'A' || start.data[i] > 'Z')
            return false;
    }
    return start.len < METHOD_MAX;
}

// read_request reads a head in the clear for its Host. False: more is to come.
static bool read_request(struct gate *gate, struct slice bytes, bool has_end)
{
    struct message_head head;
    const char *why = "";
    const enum head_result result = request_head_parse(bytes, HEAD_MAX_LEN, &head, &why);
    if (result == HEAD_MORE && !has_end)
        return false;
    gate->seen.kind = INNER_HTTP;
    gate->seen.has_host = result == HEAD_OK && head.has_host &&
                          (target_host_parse(head.host, &gate->seen.host) == ERR_OK ||
                           target_parse(head.host, &gate->seen.host) == ERR_OK);
    return true;
}

// read_first reads the first flight into `seen`. False: more is to come.
static bool read_first(struct gate *gate, struct slice bytes, bool has_end, uint8_t *scratch)
{
    struct inner_seen *seen = &gate->seen;
    if (bytes.len == 0)
        return false;
    if (may_be_request(bytes))
        return read_request(gate, bytes, has_end);
    switch (client_hello_read(bytes, scratch, &seen->hello)) {
    case CLIENT_HELLO_PARTIAL:
        gate->needed = seen->hello.needed;
        seen->kind = INNER_BAD_TLS; // what it stays if it ends here
        return has_end;
    case CLIENT_HELLO_READ:
        seen->kind = INNER_TLS;
        break;
    case CLIENT_HELLO_NOT_TLS:
        seen->kind = INNER_OTHER;
        break;
    case CLIENT_HELLO_BAD:
        seen->kind = INNER_BAD_TLS;
        break;
    case CLIENT_HELLO_TOO_LARGE:
        seen->kind = INNER_TOO_LARGE;
        break;
    }
    return true;
}

static bool is_hello(const struct gate *gate)
{
    return gate->seen.kind == INNER_TLS;
}

static enum gate_step conclude(struct gate *gate, struct inner_verdict verdict)
{
    gate->verdict = verdict;
    return verdict.step == INNER_PASS ? GATE_PASSES : GATE_JUDGES;
}

static enum gate_step look_first(struct gate *gate, struct slice bytes, bool has_end,
                                 const struct target *asked, uint8_t *scratch)
{
    if (bytes.len < gate->needed && !has_end)
        return GATE_HOLDS;
    if (!read_first(gate, bytes, has_end, scratch))
        return has_end ? GATE_PASSES : GATE_HOLDS; // an end without a byte carries nothing
    gate->needed = 0;
    gate->skip_len = is_hello(gate) ? gate->seen.hello.len : 0;
    gate->state = is_hello(gate) && gate->rules.tls == INNER_REQUIRE ? GATE_AFTER : GATE_OPEN;
    return conclude(gate, inner_judge(&gate->rules, asked, &gate->seen));
}

static enum gate_step look_second(struct gate *gate, struct slice bytes, bool has_end,
                                  uint8_t *scratch)
{
    struct client_hello second;
    const enum client_hello_status status = client_hello_read(bytes, scratch, &second);
    if (status == CLIENT_HELLO_PARTIAL && !has_end)
        return GATE_HOLDS;
    gate->state = GATE_OPEN;
    if (status == CLIENT_HELLO_READ)
        return conclude(gate, inner_judge_again(&gate->rules, &gate->seen.hello, &second));
    const enum reason reason =
        status == CLIENT_HELLO_TOO_LARGE ? REASON_INNER_TOO_LARGE : REASON_INNER_NOT_TLS;
    return conclude(gate, (struct inner_verdict){.step = INNER_END, .reason = reason});
}

enum record_meaning {
    RECORD_SAYS_NOTHING, // look at the next one
    RECORD_OPENS,        // the handshake has gone on: no second hello can follow
    RECORD_IS_HELLO,     // or is malformed where one is to be expected
    RECORD_IS_CUT,       // more is to come
};

// judge_record tells what the record at the beginning of `bytes`, which are not empty, means after a first hello.
static enum record_meaning judge_record(const struct gate *gate, struct slice bytes)
{
    switch (bytes.data[0]) {
    case RECORD_CHANGE_CIPHER_SPEC:
    case RECORD_ALERT:
        break;
    case RECORD_DATA:
        if (!gate->seen.hello.has_early_data)
            return RECORD_OPENS;
        break;
    case RECORD_HANDSHAKE:
        if (bytes.len <= RECORD_HEADER)
            return RECORD_IS_CUT;
        if ((bytes.data[3] | bytes.data[4]) != 0 &&
            bytes.data[RECORD_HEADER] != MESSAGE_CLIENT_HELLO)
            return RECORD_OPENS;
        return RECORD_IS_HELLO;
    default:
        return RECORD_OPENS;
    }
    return bytes.len < RECORD_HEADER ? RECORD_IS_CUT : RECORD_SAYS_NOTHING;
}

static enum gate_step look_after(struct gate *gate, struct slice bytes, bool has_end,
                                 uint8_t *scratch)
{
    while (gate->skip_len < bytes.len) {
        const struct slice rest = slice_from(bytes, gate->skip_len);
        switch (gate->state == GATE_SECOND ? RECORD_IS_HELLO : judge_record(gate, rest)) {
        case RECORD_SAYS_NOTHING:
            gate->skip_len += RECORD_HEADER + ((size_t)rest.data[3] << 8 | rest.data[4]);
            break;
        case RECORD_OPENS:
            gate->state = GATE_OPEN;
            return GATE_PASSES;
        case RECORD_IS_HELLO:
            gate->state = GATE_SECOND;
            return look_second(gate, rest, has_end, scratch);
        case RECORD_IS_CUT:
            return has_end ? GATE_PASSES : GATE_HOLDS;
        }
    }
    gate->skip_len -= bytes.len;
    return GATE_PASSES;
}

enum gate_step gate_look(struct gate *gate, struct slice bytes, bool has_end,
                         const struct target *asked, uint8_t *scratch)
{
    if (gate->state == GATE_FIRST) {
        const enum gate_step step = look_first(gate, bytes, has_end, asked, scratch);
        if (step != GATE_PASSES || gate->state == GATE_FIRST)
            return step;
    }
    return gate->state == GATE_OPEN ? GATE_PASSES : look_after(gate, bytes, has_end, scratch);
}

bool gate_holds_down(const struct gate *gate)
{
    return gate->state == GATE_FIRST && inner_holds_down(&gate->rules);
}
