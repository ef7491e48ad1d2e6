// Fields are kept one after the other, each with its two lengths in front, until all have come: the request line of
// HTTP/1.1 needs the pseudo-fields, and a Cookie line all of its crumbs.
#include "proxy/http2/request_fields.h"

#include <assert.h>
#include <stdlib.h>

#include "auth/ipaddr.h"

enum {
    FIELD_OVERHEAD = 32, // RFC 9113 10.5.1
    LENGTHS_LEN = 4,     // bytes of the two lengths of a field that is kept
};

static_assert(REQUEST_FIELDS_EXTRA >=
                  sizeof "://"
                         " HTTP/1.1\r\nhost: \r\ntransfer-encoding: chunked\r\n\r\n" +
                      REQUEST_FIELDS_MAX_AUTHORITY,
              "the host is written twice");

enum pseudo { PSEUDO_METHOD, PSEUDO_SCHEME, PSEUDO_AUTHORITY, PSEUDO_PATH, PSEUDO_COUNT };

static const char *const pseudo_names[PSEUDO_COUNT] = {
    [PSEUDO_METHOD] = ":method",
    [PSEUDO_SCHEME] = ":scheme",
    [PSEUDO_AUTHORITY] = ":authority",
    [PSEUDO_PATH] = ":path",
};

// request is what all fields together say.
struct request {
    struct slice pseudo[PSEUDO_COUNT]; // data NULL: it has not come
    struct slice host;                 // likewise
    struct slice length;               // likewise; of one content-length
    bool has_cookie;
};

static bool is_named(struct slice name, const char *text)
{
    return slice_equal(name, slice_of_string(text));
}

// is_of_connection tells whether the field has no meaning in HTTP/2 (RFC 9113 8.2.2).
static bool is_of_connection(const struct field *field)
{
    static const char *const names[] = {"connection", "proxy-connection", "keep-alive",
                                        "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_named(field->name, names[i]))
            return true;
    }
    return is_named(field->name, "te") && !is_named(field->value, "trailers");
}

static bool has_upper_case(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (ascii_lower(name.data[i]) != name.data[i])
            return true;
    }
    return false;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

// has_blank_around tells whether HTTP/1.1 would read a shorter value (RFC 9113 8.2.1).
static bool has_blank_around(struct slice value)
{
    return value.len > 0 && (is_blank(value.data[0]) || is_blank(value.data[value.len - 1]));
}

// misfit gives what is wrong with a field by itself; NULL: nothing.
static const char *misfit(const struct field *field)
{
    const bool is_pseudo = field->name.len > 0 && field->name.data[0] == ':';
    if (!is_token(is_pseudo ? slice_from(field->name, 1) : field->name) ||
        has_upper_case(field->name))
        return "the name of a field";
    if (!is_field_value(field->value) || has_blank_around(field->value))
        return "the value of a field";
    return is_of_connection(field) ? "a field of the connection" : NULL;
}

static bool reserve(struct request_fields *fields, size_t len)
{
    enum { FIRST_CAP = 512 };
    size_t cap = fields->cap == 0 ? FIRST_CAP : fields->cap;
    while (cap < fields->len + len)
        cap *= 2;
    if (cap == fields->cap)
        return true;
    uint8_t *bytes = realloc(fields->bytes, cap);
    if (bytes == NULL)
        return false;
    fields->bytes = bytes;
    fields->cap = cap;
    return true;
}

static void keep(struct request_fields *fields, struct slice bytes)
{
    const bool fits = bytes_copy(fields->bytes + fields->len, fields->cap - fields->len, bytes);
    ASSERT(fits);
    fields->len += bytes.len;
}

enum err request_fields_add(struct request_fields *fields, struct slice name, struct slice value)
{
    const struct field field = {name, value};
    if (fields->why != NULL)
        return fields->is_too_large ? ERR_LIMIT : ERR_INPUT;
    const size_t max = fields->max_size == 0 ? REQUEST_FIELDS_MAX_SIZE : fields->max_size;
    if (name.len + value.len + FIELD_OVERHEAD > max - fields->size) {
        fields->is_too_large = true;
        fields->why = fields->max_size == 0 ? "the header list is larger than 16 KiB"
                                            : "the header list is larger than `limits.head`";
        return ERR_LIMIT;
    }
    fields->why = misfit(&field);
    if (fields->why != NULL)
        return ERR_INPUT;
    if (!reserve(fields, LENGTHS_LEN + name.len + value.len))
        return ERR_MEMORY;
    const uint8_t lengths[LENGTHS_LEN] = {(uint8_t)(name.len >> 8), (uint8_t)name.len,
                                          (uint8_t)(value.len >> 8), (uint8_t)value.len};
    fields->size += name.len + value.len + FIELD_OVERHEAD;
    keep(fields, slice_of(lengths, sizeof lengths));
    keep(fields, name);
    keep(fields, value);
    return ERR_OK;
}

bool request_fields_next(struct slice *rest, struct field *out)
{
    if (rest->len == 0)
        return false;
    const uint8_t *lengths = rest->data;
    const struct slice name_and_on = slice_from(*rest, LENGTHS_LEN);
    out->name = slice_first(name_and_on, (size_t)lengths[0] << 8 | lengths[1]);
    const struct slice value_and_on = slice_from(name_and_on, out->name.len);
    out->value = slice_of(value_and_on.data, (size_t)lengths[2] << 8 | lengths[3]);
    *rest = slice_from(value_and_on, out->value.len);
    return true;
}

struct slice request_fields_all(const struct request_fields *fields)
{
    return slice_of(fields->bytes, fields->len);
}

// take_once keeps the value of a field that may stand once.
static bool take_once(struct slice *kept, struct slice value)
{
    const bool is_first = kept->data == NULL;
    *kept = value;
    return is_first;
}

static bool take_pseudo(struct request *request, const struct field *field)
{
    for (size_t i = 0; i < PSEUDO_COUNT; i++) {
        if (is_named(field->name, pseudo_names[i]))
            return take_once(&request->pseudo[i], field->value);
    }
    return false;
}

// read_all reads all fields. False: they are malformed as a whole.
static bool read_all(const struct request_fields *fields, struct request *out, const char **out_why)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    bool has_regular = false;
    while (request_fields_next(&rest, &field)) {
        if (field.name.data[0] == ':') {
            *out_why = "a pseudo-field";
            if (has_regular || !take_pseudo(out, &field))
                return false;
            continue;
        }
        has_regular = true;
        *out_why = "several Host fields";
        if (is_named(field.name, "host") && !take_once(&out->host, field.value))
            return false;
        *out_why = "several content-lengths";
        if (is_named(field.name, "content-length") && !take_once(&out->length, field.value))
            return false;
        out->has_cookie = out->has_cookie || is_named(field.name, "cookie");
    }
    return true;
}

// is_authority tells whether a value can stand between a scheme and a path. What it names is for auth/target.h.
static bool is_authority(struct slice value)
{
    if (value.len == 0 || value.len > REQUEST_FIELDS_MAX_AUTHORITY)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (strchr(" \t/?#", value.data[i]) != NULL)
            return false;
    }
    return true;
}

// is_part_of_line tells whether a value can stand in a request line: it ends where a blank is.
static bool is_part_of_line(struct slice value)
{
    return value.len > 0 && slice_find(value, ' ') == value.len &&
           slice_find(value, '\t') == value.len;
}

// write_connect: RFC 9113 8.5.
static bool write_connect(const struct request *request, struct text *out, const char **out_why)
{
    const struct slice authority = request->pseudo[PSEUDO_AUTHORITY];
    *out_why = "CONNECT has :method and :authority alone";
    if (request->pseudo[PSEUDO_SCHEME].data != NULL || request->pseudo[PSEUDO_PATH].data != NULL)
        return false;
    *out_why = ":authority";
    if (!is_authority(authority))
        return false;
    text_append_string(out, "CONNECT ");
    text_append(out, authority);
    return true;
}

// write_other writes the absolute-form (RFC 9113 8.3.1, RFC 9112 3.2.2). `*` is the asterisk-form of OPTIONS, which has no
// path there.
static bool write_other(const struct request *request, struct text *out, const char **out_why)
{
    const struct slice scheme = request->pseudo[PSEUDO_SCHEME];
    const struct slice path = request->pseudo[PSEUDO_PATH];
    const struct slice authority = request->pseudo[PSEUDO_AUTHORITY].data != NULL
                                       ? request->pseudo[PSEUDO_AUTHORITY]
                                       : request->host;
    const bool is_asterisk =
        is_named(path, "*") && is_named(request->pseudo[PSEUDO_METHOD], "OPTIONS");
    *out_why = ":scheme";
    if (!is_token(scheme))
        return false;
    *out_why = ":authority";
    if (!is_authority(authority))
        return false;
    *out_why = ":path";
    if (!is_asterisk && (!is_part_of_line(path) || path.data[0] != '/'))
        return false;
    text_append(out, request->pseudo[PSEUDO_METHOD]);
    text_append_string(out, " ");
    text_append(out, scheme);
    text_append_string(out, "://");
    text_append(out, authority);
    if (!is_asterisk)
        text_append(out, path);
    return true;
}

static void write_field(struct slice name, struct slice value, struct text *out)
{
    const struct field field = {name, value};
    field_append(&field, out);
}

// write_cookies joins the crumbs (RFC 9113 8.2.3).
static void write_cookies(const struct request_fields *fields, struct text *out)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    const char *before = "cookie: ";
    while (request_fields_next(&rest, &field)) {
        if (!is_named(field.name, "cookie"))
            continue;
        text_append_string(out, before);
        text_append(out, field.value);
        before = "; ";
    }
    text_append_string(out, "\r\n");
}

static void write_regular(const struct request_fields *fields, struct text *out)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    while (request_fields_next(&rest, &field)) {
        if (field.name.data[0] != ':' && !is_named(field.name, "host") &&
            !is_named(field.name, "cookie"))
            write_field(field.name, field.value, out);
    }
}

enum err request_fields_write_head(const struct request_fields *fields, bool has_end,
                                   struct text *out, enum request_body *out_body,
                                   const char **out_why)
{
    struct request request = {0};
    *out_why = fields->why;
    if (fields->why != NULL || !read_all(fields, &request, out_why))
        return ERR_INPUT;
    const struct slice authority = request.pseudo[PSEUDO_AUTHORITY];
    *out_why = ":method";
    if (!is_token(request.pseudo[PSEUDO_METHOD]))
        return ERR_INPUT;
    *out_why = "Host and :authority differ"; // RFC 9113 8.3.1
    if (authority.data != NULL && request.host.data != NULL &&
        !slice_equal_ignore_case(authority, request.host))
        return ERR_INPUT;
    const bool is_connect = is_named(request.pseudo[PSEUDO_METHOD], "CONNECT");
    if (!(is_connect ? write_connect : write_other)(&request, out, out_why))
        return ERR_INPUT;
    text_append_string(out, " HTTP/1.1\r\n");
    write_field(SLICE_LITERAL("host"), authority.data != NULL ? authority : request.host, out);
    write_regular(fields, out);
    if (request.has_cookie)
        write_cookies(fields, out);
    *out_why = "content-length without a body";
    if (has_end && request.length.data != NULL && !is_named(request.length, "0"))
        return ERR_INPUT;
    *out_body = has_end                       ? REQUEST_BODY_NONE
                : request.length.data != NULL ? REQUEST_BODY_LENGTH
                                              : REQUEST_BODY_CHUNKED;
    if (*out_body == REQUEST_BODY_CHUNKED && !is_connect)
        text_append_string(out, "transfer-encoding: chunked\r\n");
    text_append_string(out, "\r\n");
    ASSERT(!out->is_cut);
    return ERR_OK;
}

enum err request_fields_write_trailer(const struct request_fields *fields, struct text *out,
                                      const char **out_why)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    *out_why = fields->why;
    if (fields->why != NULL)
        return ERR_INPUT;
    while (request_fields_next(&rest, &field)) {
        *out_why = "a pseudo-field in a trailer"; // RFC 9113 8.1
        if (field.name.data[0] == ':')
            return ERR_INPUT;
        write_field(field.name, field.value, out);
    }
    ASSERT(!out->is_cut);
    return ERR_OK;
}

uint64_t request_fields_length(const struct request_fields *fields)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    uint64_t length = 0;
    while (request_fields_next(&rest, &field)) {
        if (is_named(field.name, "content-length") &&
            !decimal_parse(field.value, INT64_MAX, &length))
            return 0;
    }
    return length;
}

void request_fields_deinit(struct request_fields *fields)
{
    free(fields->bytes);
    *fields = (struct request_fields){0};
}
