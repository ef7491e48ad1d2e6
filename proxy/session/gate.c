// A small machine over TLS records and, for a request in the clear, one HTTP head.
#include "proxy/session/gate.h"

#include "proxy/http/absolute_url.h"
#include "proxy/http/field.h"
#include "proxy/http/head.h"

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
    RECORD_HEADER = 5,
    MESSAGE_CLIENT_HELLO = 1,
    FINISHED_MIN = 32,     // bytes: no cipher suite makes a shorter Finished in TLS 1.2
    HELLO_LEN_TOP_MAX = 3, // first byte of a length: no server takes a hello of 256 KiB
};

enum guess {
    GUESS_OTHER, // no request
    GUESS_OPEN,  // the first line is not complete
    GUESS_REQUEST,
};

// is_blank tells what lenient servers take for a blank (RFC 9112 3), or for a line break.
static bool is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

// skip_blanks leaves out what servers skip before a request (RFC 9112 2.2).
static struct slice skip_blanks(struct slice bytes)
{
    size_t at = 0;
    while (at < bytes.len && is_blank(bytes.data[at]))
        at++;
    return slice_from(bytes, at);
}

// has_version tells whether a line names a version of HTTP, in either case: some servers read both.
static bool has_version(struct slice line)
{
    const struct slice version = SLICE_LITERAL("HTTP/");
    for (size_t at = 0; at < line.len; at++) {
        if (slice_equal_ignore_case(slice_first(slice_from(line, at), version.len), version))
            return true;
    }
    return false;
}

// guess_request tells whether a server could read the bytes as a request: a method, a blank, and a version on one line.
// HTTP/0.9 has GET alone and no version (RFC 1945 4.1).
static enum guess guess_request(struct slice bytes, bool has_end)
{
    const struct slice line = slice_first(bytes, slice_find(bytes, '\n'));
    const bool is_whole = line.len < bytes.len || has_end;
    size_t method_len = 0;
    while (method_len < line.len && is_token(slice_first(slice_from(line, method_len), 1)))
        method_len++;
    const struct slice rest = slice_from(line, method_len);
    if (rest.len > 0 && (method_len == 0 || !is_blank(rest.data[0])))
        return GUESS_OTHER;
    if (!is_whole)
        return bytes.len < HEAD_MAX_LEN ? GUESS_OPEN : GUESS_REQUEST;
    const bool is_get = slice_equal(slice_first(line, method_len), SLICE_LITERAL("GET"));
    return rest.len > 0 && (is_get || has_version(rest)) ? GUESS_REQUEST : GUESS_OTHER;
}

// read_host reads the host that a request is for. False: it names none, or two. The URL of an absolute-form counts more
// than Host does (RFC 9112 3.2.2), and not every server knows that.
static bool read_host(const struct message_head *head, struct target *out)
{
    struct absolute_url url;
    const char *why = "";
    if (!head->has_host ||
        (target_host_parse(head->host, out) != ERR_OK && target_parse(head->host, out) != ERR_OK))
        return false;
    absolute_url_parse(head->target, &url, &why);
    return url.kind == URL_ORIGIN || (url.kind == URL_HTTP && target_equal_host(&url.target, out));
}

// read_request reads a head in the clear for its host. False: more is to come.
static bool read_request(struct inner_seen *seen, struct slice bytes, bool has_end)
{
    struct message_head head;
    const char *why = "";
    const enum head_result result = request_head_parse(bytes, HEAD_MAX_LEN, &head, &why);
    seen->kind = INNER_HTTP;
    seen->has_host = result == HEAD_OK && read_host(&head, &seen->host);
    return result != HEAD_MORE || has_end;
}

// read_first reads the first flight into `seen`. False: more is to come.
static bool read_first(struct gate *gate, struct slice bytes, bool has_end, uint8_t *scratch)
{
    struct inner_seen *seen = &gate->seen;
    const struct slice text = skip_blanks(bytes);
    const enum guess guess = guess_request(text, has_end);
    seen->kind = INNER_OTHER; // what it stays if it ends here
    if (guess != GUESS_OTHER)
        return guess == GUESS_REQUEST && read_request(seen, text, has_end);
    switch (client_hello_read(bytes, scratch, &seen->hello)) {
    case CLIENT_HELLO_PARTIAL:
        gate->needed = seen->hello.needed;
        seen->kind = INNER_BAD_TLS; // likewise
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
    if (bytes.len == 0)
        return has_end ? GATE_PASSES : GATE_HOLDS; // an end without a byte carries nothing
    if ((bytes.len < gate->needed && !has_end) || !read_first(gate, bytes, has_end, scratch))
        return GATE_HOLDS;
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

// judge_handshake tells what a whole header of a handshake record, and what has come of its body, mean after a first hello.
// A client that resumes a session of TLS 1.2 sends its Finished next, encrypted, which can begin with any bytes: with zeros
// in Go. They are no hello if it were longer than a server takes. Some servers skip a HelloRequest.
static enum record_meaning judge_handshake(size_t body_len, struct slice body)
{
    const bool may_be_finished = body_len >= FINISHED_MIN;
    if (body_len == 0)
        return RECORD_IS_HELLO;
    if (body.len < (may_be_finished ? 2 : 1))
        return RECORD_IS_CUT;
    if (may_be_finished)
        return body.data[0] == MESSAGE_CLIENT_HELLO && body.data[1] <= HELLO_LEN_TOP_MAX
                   ? RECORD_IS_HELLO
                   : RECORD_OPENS;
    return body.data[0] > MESSAGE_CLIENT_HELLO ? RECORD_OPENS : RECORD_IS_HELLO;
}

// judge_record tells what the record at the beginning of `bytes`, which are not empty, means after a first hello. Some
// servers skip alerts, ChangeCipherSpecs, and records of a type that they do not know.
static enum record_meaning judge_record(const struct gate *gate, struct slice bytes)
{
    const uint8_t type = bytes.data[0];
    if (type == RECORD_DATA && !gate->seen.hello.has_early_data)
        return RECORD_OPENS;
    if (bytes.len < RECORD_HEADER)
        return RECORD_IS_CUT;
    if (type != RECORD_HANDSHAKE)
        return RECORD_SAYS_NOTHING;
    return judge_handshake((size_t)bytes.data[3] << 8 | bytes.data[4],
                           slice_from(bytes, RECORD_HEADER));
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
