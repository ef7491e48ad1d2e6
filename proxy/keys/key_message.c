// A table says which members a kind has; one function reads them by it, one writes them.
#include "proxy/keys/key_message.h"

#include "proxy/keys/key_groups.h"

enum { LENGTH_LEN = 4, LEAST_LEN = 1 + 8 };

// What a message may have, in the order in which it stands there.
enum member {
    MEMBER_WHAT = 1 << 0,
    MEMBER_NAME = 1 << 1,
    MEMBER_SIGNING = 1 << 2,    // algorithm, cpu
    MEMBER_CHECKPOINT = 1 << 3, // instance, size, root, end
    MEMBER_DIGEST = 1 << 4,
    MEMBER_BYTES = 1 << 5,
    MEMBER_SIZE = 1 << 6,
    MEMBER_SANDBOX = 1 << 7, // landlock, has_filter
};

static const struct kind_row {
    unsigned members;
    uint8_t what_max;
    size_t bytes_max;
} rows[KEY_MESSAGE_KIND_COUNT] = {
    [KEY_OPEN] = {MEMBER_WHAT | MEMBER_BYTES, KEY_USE_COUNT - 1, KEY_PATH_MAX},
    [KEY_CLOSE] = {MEMBER_NAME, 0, 0},
    [KEY_SIGN] = {MEMBER_NAME | MEMBER_SIGNING | MEMBER_BYTES, 0, KEY_SIGNED_MAX},
    [KEY_CHECKPOINT] = {MEMBER_NAME | MEMBER_CHECKPOINT, 0, 0},
    [KEY_ALLOW] = {MEMBER_BYTES, 0, KEY_PATH_MAX},
    [KEY_GROUPS] = {MEMBER_BYTES, 0, KEY_GROUPS_LEN_MAX},
    [KEY_SEAL] = {0, 0, 0},
    [KEY_LINE] = {0, 0, 0},
    [KEY_ANSWER_KEY] = {MEMBER_NAME | MEMBER_DIGEST | MEMBER_BYTES, 0, KEY_BYTES_MAX},
    [KEY_ANSWER_CHAIN] = {MEMBER_WHAT | MEMBER_DIGEST | MEMBER_BYTES,
                          KEY_CHAIN_HAS_KEY | KEY_CHAIN_IS_EMPTY, KEY_BYTES_MAX},
    [KEY_ANSWER_UNUSABLE] = {MEMBER_DIGEST | MEMBER_BYTES, 0, KEY_BYTES_MAX},
    [KEY_ANSWER_SIGNATURE] = {MEMBER_BYTES, 0, KEY_BYTES_MAX},
    [KEY_ANSWER_DONE] = {0, 0, 0},
    [KEY_ANSWER_FAILED] = {MEMBER_WHAT | MEMBER_BYTES, ERR_MEMORY, KEY_BYTES_MAX},
    [KEY_ANSWER_SEALED] = {MEMBER_SIZE | MEMBER_SANDBOX | MEMBER_BYTES, 0, KEY_BYTES_MAX},
};

bool key_message_is_request(enum key_kind_of_message kind)
{
    return kind < KEY_ANSWER_KEY;
}

// take_number takes a number of `len` bytes off the front.
static bool take_number(struct slice *left, size_t len, uint64_t *out)
{
    *out = 0;
    if (left->len < len)
        return false;
    for (size_t i = 0; i < len; i++)
        *out = *out << 8 | left->data[i];
    *left = slice_from(*left, len);
    return true;
}

// take_fixed takes `len` bytes.
static bool take_fixed(struct slice *left, size_t len, uint8_t *out)
{
    if (left->len < len)
        return false;
    (void)bytes_copy(out, len, slice_first(*left, len));
    *left = slice_from(*left, len);
    return true;
}

static bool take_checkpoint(struct slice *left, struct key_message *out)
{
    uint64_t instance = 0;
    uint64_t end = 0;
    if (!take_number(left, sizeof out->instance, &instance) ||
        !take_number(left, sizeof out->size, &out->size) ||
        !take_fixed(left, sizeof out->root, out->root) || !take_number(left, 1, &end) || end > 1)
        return false;
    out->instance = (uint32_t)instance;
    out->is_end = end == 1;
    return true;
}

static bool take_signing(struct slice *left, struct key_message *out)
{
    uint64_t algorithm = 0;
    uint64_t cpu = 0;
    if (!take_number(left, sizeof out->algorithm, &algorithm) ||
        !take_number(left, sizeof out->cpu, &cpu))
        return false;
    out->algorithm = (uint16_t)algorithm;
    out->cpu = (uint16_t)cpu;
    return true;
}

static bool take_sandbox(struct slice *left, struct key_message *out)
{
    uint64_t landlock = 0;
    uint64_t has_filter = 0;
    if (!take_number(left, 1, &landlock) || !take_number(left, 1, &has_filter) || has_filter > 1)
        return false;
    out->landlock = (uint8_t)landlock;
    out->has_filter = has_filter == 1;
    return true;
}

static bool take_members(struct slice left, const struct kind_row *row, struct key_message *out)
{
    uint64_t what = 0;
    if ((row->members & MEMBER_WHAT) != 0 &&
        (!take_number(&left, 1, &what) || what > row->what_max))
        return false;
    out->what = (uint8_t)what;
    if ((row->members & MEMBER_NAME) != 0 && !take_fixed(&left, sizeof out->name, out->name))
        return false;
    if ((row->members & MEMBER_SIGNING) != 0 && !take_signing(&left, out))
        return false;
    if ((row->members & MEMBER_CHECKPOINT) != 0 && !take_checkpoint(&left, out))
        return false;
    if ((row->members & MEMBER_SIZE) != 0 && !take_number(&left, sizeof out->size, &out->size))
        return false;
    if ((row->members & MEMBER_SANDBOX) != 0 && !take_sandbox(&left, out))
        return false;
    if ((row->members & MEMBER_DIGEST) != 0 && !take_fixed(&left, sizeof out->digest, out->digest))
        return false;
    out->bytes = left;
    return left.len <= row->bytes_max && ((row->members & MEMBER_BYTES) != 0 || left.len == 0);
}

// is_path tells whether bytes can be a path: it becomes a string.
static bool is_path(struct slice bytes)
{
    return bytes.len > 0 && bytes.data[0] == '/' && slice_find(bytes, '\0') == bytes.len;
}

// is_good tells whether the bytes are what the kind has.
static bool is_good(const struct key_message *message)
{
    struct key_groups groups;
    if (message->kind == KEY_OPEN || message->kind == KEY_ALLOW)
        return is_path(message->bytes);
    return message->kind != KEY_GROUPS || key_groups_parse(message->bytes, &groups);
}

enum key_parse key_message_parse(struct slice data, struct key_message *out, size_t *out_len)
{
    uint64_t len = 0;
    uint64_t kind = 0;
    struct slice left = data;
    struct key_message message = {0};
    if (!take_number(&left, LENGTH_LEN, &len))
        return KEY_PARSE_MORE;
    if (len < LEAST_LEN || len > KEY_MESSAGE_MAX - LENGTH_LEN)
        return KEY_PARSE_BAD;
    if (left.len > 0 && left.data[0] >= KEY_MESSAGE_KIND_COUNT)
        return KEY_PARSE_BAD;
    if (left.len < len)
        return KEY_PARSE_MORE;
    left = slice_first(left, (size_t)len);
    (void)take_number(&left, 1, &kind);
    (void)take_number(&left, sizeof message.number, &message.number);
    message.kind = (enum key_kind_of_message)kind;
    if (!take_members(left, &rows[kind], &message) || !is_good(&message))
        return KEY_PARSE_BAD;
    *out = message;
    *out_len = LENGTH_LEN + (size_t)len;
    return KEY_PARSE_GOOD;
}

// put_number writes a number of `len` bytes and gives the place after it.
static uint8_t *put_number(uint8_t *at, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(number >> (8 * (len - 1 - i)));
    return at + len;
}

static uint8_t *put_fixed(uint8_t *at, const uint8_t *bytes, size_t len)
{
    (void)bytes_copy(at, len, slice_of(bytes, len));
    return at + len;
}

size_t key_message_head(const struct key_message *message, uint8_t *out)
{
    const unsigned members = rows[message->kind].members;
    uint8_t *at = out + LENGTH_LEN;
    ASSERT(message->bytes.len <= rows[message->kind].bytes_max);
    at = put_number(at, message->kind, 1);
    at = put_number(at, message->number, sizeof message->number);
    if ((members & MEMBER_WHAT) != 0)
        at = put_number(at, message->what, 1);
    if ((members & MEMBER_NAME) != 0)
        at = put_fixed(at, message->name, sizeof message->name);
    if ((members & MEMBER_SIGNING) != 0) {
        at = put_number(at, message->algorithm, sizeof message->algorithm);
        at = put_number(at, message->cpu, sizeof message->cpu);
    }
    if ((members & MEMBER_CHECKPOINT) != 0) {
        at = put_number(at, message->instance, sizeof message->instance);
        at = put_number(at, message->size, sizeof message->size);
        at = put_fixed(at, message->root, sizeof message->root);
        at = put_number(at, message->is_end ? 1 : 0, 1);
    }
    if ((members & MEMBER_SIZE) != 0)
        at = put_number(at, message->size, sizeof message->size);
    if ((members & MEMBER_DIGEST) != 0)
        at = put_fixed(at, message->digest, sizeof message->digest);
    if ((members & MEMBER_SANDBOX) != 0) {
        at = put_number(at, message->landlock, 1);
        at = put_number(at, message->has_filter ? 1 : 0, 1);
    }
    const size_t head = (size_t)(at - out);
    (void)put_number(out, head - LENGTH_LEN + message->bytes.len, LENGTH_LEN);
    return head;
}
