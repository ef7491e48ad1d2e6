// Two steps: records to one message (most hellos are one record and are read in place), message to values.
#include "auth/client_hello.h"

#include <openssl/bytestring.h>

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER = 5,
    RECORD_MAX_BODY = 16 * 1024,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_HEADER = 4,
    SESSION_ID_MAX = 32,
    NAME_TYPE_HOST = 0,
};

enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    EXTENSION_EARLY_DATA = 42,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    EXTENSION_ECH = 0xFE0D,
};

// is_grease tells the reserved values 0x0A0A, 0x1A1A, ... 0xFAFA (RFC 8701).
static bool is_grease(uint16_t value)
{
    return (value & 0x0F0F) == 0x0A0A && value >> 8 == (value & 0xFF);
}

// Records to a message.

// message is a handshake message that comes in pieces.
struct message {
    struct slice bytes; // what has come of it, in place or in the scratch
    size_t len;         // its length with the header; MESSAGE_HEADER until that is known
};

static enum client_hello_status needs(struct client_hello *out, size_t len)
{
    out->needed = len;
    return len > CLIENT_HELLO_MAX_LEN ? CLIENT_HELLO_TOO_LARGE : CLIENT_HELLO_PARTIAL;
}

// judge_record_header looks at as much of a header as there is.
static enum client_hello_status judge_record_header(struct slice header, bool is_first)
{
    const enum client_hello_status wrong = is_first ? CLIENT_HELLO_NOT_TLS : CLIENT_HELLO_BAD;
    if (header.len > 0 && header.data[0] != RECORD_HANDSHAKE)
        return wrong;
    if (header.len > 1 &&
        header.data[1] != 3) // legacy_record_version is 0x03XX, whatever the version
        return wrong;
    if (header.len < RECORD_HEADER)
        return CLIENT_HELLO_PARTIAL;
    const size_t body_len = (size_t)header.data[3] << 8 | header.data[4];
    return body_len == 0 || body_len > RECORD_MAX_BODY ? CLIENT_HELLO_BAD : CLIENT_HELLO_READ;
}

// message_add appends a piece: the first one stays in place.
static void message_add(struct message *message, struct slice piece, uint8_t *scratch)
{
    if (message->bytes.len == 0) {
        message->bytes = piece;
        return;
    }
    if (message->bytes.data != scratch)
        (void)bytes_copy(scratch, CLIENT_HELLO_MAX_LEN, message->bytes);
    (void)bytes_copy(scratch + message->bytes.len, CLIENT_HELLO_MAX_LEN - message->bytes.len,
                     piece);
    message->bytes = slice_of(scratch, message->bytes.len + piece.len);
}

// message_judge looks at what has come of the message: PARTIAL while it is not whole.
static enum client_hello_status message_judge(struct message *message)
{
    const struct slice bytes = message->bytes;
    if (bytes.len > 0 && bytes.data[0] != MESSAGE_CLIENT_HELLO)
        return CLIENT_HELLO_BAD;
    if (bytes.len < MESSAGE_HEADER)
        return CLIENT_HELLO_PARTIAL;
    message->len =
        MESSAGE_HEADER + ((size_t)bytes.data[1] << 16 | (size_t)bytes.data[2] << 8 | bytes.data[3]);
    if (message->len > CLIENT_HELLO_MAX_LEN)
        return CLIENT_HELLO_TOO_LARGE;
    if (bytes.len > message->len) // a client has nothing else to say in this flight
        return CLIENT_HELLO_BAD;
    return bytes.len == message->len ? CLIENT_HELLO_READ : CLIENT_HELLO_PARTIAL;
}

// message_gather finds the message in the records at the beginning of `stream`.
static enum client_hello_status message_gather(struct slice stream, uint8_t *scratch,
                                               struct message *message, struct client_hello *out)
{
    size_t at = 0; // the next record
    for (;;) {
        const struct slice rest = slice_from(stream, at);
        const enum client_hello_status header =
            judge_record_header(slice_first(rest, RECORD_HEADER), at == 0);
        if (header == CLIENT_HELLO_PARTIAL)
            return needs(out, at + (rest.len < 2 ? rest.len + 1 : RECORD_HEADER));
        if (header != CLIENT_HELLO_READ)
            return header;
        const size_t body_len = (size_t)rest.data[3] << 8 | rest.data[4];
        if (at + RECORD_HEADER + body_len > CLIENT_HELLO_MAX_LEN)
            return CLIENT_HELLO_TOO_LARGE;
        const struct slice body = slice_first(slice_from(rest, RECORD_HEADER), body_len);
        message_add(message, body, scratch);
        const enum client_hello_status status = message_judge(message);
        if (status != CLIENT_HELLO_PARTIAL &&
            (status != CLIENT_HELLO_READ || body.len == body_len)) {
            out->len = at + RECORD_HEADER + body_len;
            return status;
        }
        at += RECORD_HEADER + body_len;
        if (body.len < body_len) // MESSAGE_HEADER comes early: a wrong message is known by it
            return needs(out, message->bytes.len < MESSAGE_HEADER ? stream.len + 1 : at);
    }
}

// A message to values.

// read_server_name reads a list of exactly one host name, as every server that we know demands.
static bool read_server_name(CBS *body, struct client_hello *out)
{
    CBS list;
    CBS name;
    uint8_t type = 0;
    if (!CBS_get_u16_length_prefixed(body, &list) || CBS_len(body) != 0 ||
        !CBS_get_u8(&list, &type) || type != NAME_TYPE_HOST ||
        !CBS_get_u16_length_prefixed(&list, &name) || CBS_len(&list) != 0 || CBS_len(&name) == 0)
        return false;
    const struct slice text = slice_of(CBS_data(&name), CBS_len(&name));
    out->naming =
        hostname_parse(text, &out->name) == ERR_OK ? CLIENT_HELLO_NAMED : CLIENT_HELLO_WRONG_NAME;
    return true;
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    }
    return true;
}

// is_grease_protocol tells a reserved protocol of ALPN: two bytes like those of is_grease.
static bool is_grease_protocol(struct slice text)
{
    return text.len == 2 && is_grease((uint16_t)(text.data[0] << 8 | text.data[1]));
}

static bool read_alpn(CBS *body, struct client_hello *out)
{
    CBS list;
    CBS item;
    bool is_kept = false;
    if (!CBS_get_u16_length_prefixed(body, &list) || CBS_len(body) != 0 || CBS_len(&list) == 0)
        return false;
    while (CBS_len(&list) != 0) {
        if (!CBS_get_u8_length_prefixed(&list, &item) || CBS_len(&item) == 0)
            return false;
        const struct slice text = slice_of(CBS_data(&item), CBS_len(&item));
        if (is_kept || is_grease_protocol(text))
            continue;
        is_kept = true;
        if (is_printable(text))
            (void)string_copy(out->alpn, sizeof out->alpn, text);
    }
    return true;
}

static bool read_versions(CBS *body, struct client_hello *out)
{
    CBS list;
    uint16_t version = 0;
    if (!CBS_get_u8_length_prefixed(body, &list) || CBS_len(body) != 0 || CBS_len(&list) == 0)
        return false;
    out->version = 0;
    while (CBS_len(&list) != 0) {
        if (!CBS_get_u16(&list, &version))
            return false;
        if (!is_grease(version) && version > out->version)
            out->version = version;
    }
    return true;
}

// read_extension reads one that matters, and passes over the others.
static bool read_extension(uint16_t type, CBS *body, struct client_hello *out)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        return read_server_name(body, out);
    case EXTENSION_ALPN:
        return read_alpn(body, out);
    case EXTENSION_SUPPORTED_VERSIONS:
        return read_versions(body, out);
    case EXTENSION_ECH:
        out->has_ech = true;
        return true;
    case EXTENSION_EARLY_DATA:
        out->has_early_data = true;
        return true;
    default:
        return true;
    }
}

// The extensions that matter, in the order of the bits of what has been seen: one that comes twice could be read in two
// ways.
static const uint16_t known_extensions[] = {
    EXTENSION_SERVER_NAME,        EXTENSION_ALPN, EXTENSION_EARLY_DATA,
    EXTENSION_SUPPORTED_VERSIONS, EXTENSION_ECH,
};

static unsigned known_bit(uint16_t type)
{
    for (size_t i = 0; i < sizeof known_extensions / sizeof known_extensions[0]; i++) {
        if (known_extensions[i] == type)
            return 1U << i;
    }
    return 0;
}

static bool read_extensions(CBS *hello, struct client_hello *out)
{
    CBS list;
    CBS body;
    uint16_t type = 0;
    unsigned seen = 0;
    if (CBS_len(hello) == 0) // none at all: TLS 1.2 and before
        return true;
    if (!CBS_get_u16_length_prefixed(hello, &list) || CBS_len(hello) != 0)
        return false;
    while (CBS_len(&list) != 0) {
        if (!CBS_get_u16(&list, &type) || !CBS_get_u16_length_prefixed(&list, &body))
            return false;
        const unsigned bit = known_bit(type);
        if ((seen & bit) != 0 || !read_extension(type, &body, out))
            return false;
        seen |= bit;
    }
    return true;
}

static bool read_message(struct slice message, struct client_hello *out)
{
    CBS hello;
    CBS session_id;
    CBS suites;
    CBS compressions;
    CBS_init(&hello, message.data + MESSAGE_HEADER, message.len - MESSAGE_HEADER);
    return CBS_get_u16(&hello, &out->version) && CBS_skip(&hello, 32) &&
           CBS_get_u8_length_prefixed(&hello, &session_id) &&
           CBS_len(&session_id) <= SESSION_ID_MAX && CBS_get_u16_length_prefixed(&hello, &suites) &&
           CBS_len(&suites) != 0 && CBS_len(&suites) % 2 == 0 &&
           CBS_get_u8_length_prefixed(&hello, &compressions) && CBS_len(&compressions) != 0 &&
           read_extensions(&hello, out);
}

enum client_hello_status client_hello_read(struct slice stream,
                                           uint8_t scratch[CLIENT_HELLO_MAX_LEN],
                                           struct client_hello *out)
{
    struct message message = {.len = MESSAGE_HEADER};
    *out = (struct client_hello){0};
    const enum client_hello_status status = message_gather(stream, scratch, &message, out);
    if (status != CLIENT_HELLO_READ)
        return status;
    return read_message(message.bytes, out) ? CLIENT_HELLO_READ : CLIENT_HELLO_BAD;
}

const char *client_hello_version_text(uint16_t version)
{
    static const char *const texts[] = {"ssl3", "1.0", "1.1", "1.2", "1.3"};
    const size_t index = version - 0x0300U;
    return version >= 0x0300 && index < sizeof texts / sizeof texts[0] ? texts[index] : "unknown";
}
