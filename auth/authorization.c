// A yes is `true`, or an object with `allow: true` and a whole number of seconds as `ttl`. A no is `false`, or an object with
// `allow: false`.
#include "auth/authorization.h"

#include <openssl/sha.h>
#include <string.h>

#include "auth/base/json.h"
#include "auth/json_text.h"

enum { METHOD_TEXT_MAX = 32 };

const char *authorizer_answer_name(enum authorizer_answer answer)
{
    static const char *const names[] = {
        [AUTHORIZER_NONE] = "none", [AUTHORIZER_NO] = "no", [AUTHORIZER_YES] = "yes"};
    return names[answer];
}

const char *authorizer_origin_name(enum authorizer_origin origin)
{
    static const char *const names[] = {[AUTHORIZER_UNASKED] = "nobody",
                                        [AUTHORIZER_ASKED] = "asked",
                                        [AUTHORIZER_SHARED] = "shared",
                                        [AUTHORIZER_KEPT] = "kept"};
    return names[origin];
}

static void add_target(const struct target *target, struct text *out)
{
    char host[TARGET_TEXT_CAP];
    json_begin_object(out, "target");
    json_add_string(out, "host", target_format_host(target, host));
    json_add_count(out, "port", target->port);
    json_end_object(out);
}

void authorization_question_append(const struct authorization_question *question, struct text *out)
{
    char ip[IP_TEXT_CAP];
    json_begin_object(out, NULL);
    json_begin_object(out, "input");
    json_add_number(out, "v", 1);
    json_add_string(out, "id", question->id);
    json_add_string(out, "session", question->session);
    json_add_string(out, "listener", question->listener);
    json_add_raw(out, "client", question->client_json);
    if (question->via_client_json.len > 0)
        json_add_raw(out, "via_client", question->via_client_json);
    json_add_string(out, "protocol", question->is_http2 ? "h2" : "h1");
    json_add_bytes(out, "method", question->method, METHOD_TEXT_MAX);
    add_target(question->target, out);
    json_begin_array(out, "addresses");
    for (size_t i = 0; i < question->address_count && i < AUTHORIZATION_ADDRESSES_MAX; i++)
        json_add_string(out, NULL, ip_addr_format(&question->addresses[i], ip));
    json_end_array(out);
    json_add_string(out, "rule", question->rule);
    json_add_string(out, "config", question->config);
    json_add_bool(out, "again", question->is_again);
    json_end_object(out);
    json_end_object(out);
}

// ---- what it is about ---------------------------------------------------------------------------

static void add_part(SHA256_CTX *hash, struct slice part)
{
    const uint64_t len = part.len;
    (void)SHA256_Update(hash, &len, sizeof len);
    (void)SHA256_Update(hash, part.data, part.len);
}

// port_of finds the number of the client's port in its object, which names it first. Empty: there is none.
static struct slice port_of(struct slice json)
{
    static const char name[] = ",\"port\":";
    const uint8_t *found =
        json.len == 0 ? NULL : memmem(json.data, json.len, name, sizeof name - 1);
    if (found == NULL)
        return (struct slice){0};
    const size_t at = (size_t)(found - json.data) + sizeof name - 1;
    size_t len = 0;
    while (at + len < json.len && json.data[at + len] >= '0' && json.data[at + len] <= '9')
        len++;
    return slice_of(json.data + at, len);
}

static void add_client(SHA256_CTX *hash, struct slice json)
{
    const struct slice port = port_of(json);
    if (port.data == NULL) {
        add_part(hash, json);
        return;
    }
    const size_t before = (size_t)(port.data - json.data);
    add_part(hash, slice_of(json.data, before));
    add_part(hash, slice_of(port.data + port.len, json.len - before - port.len));
}

void authorization_scope(const struct authorization_question *question,
                         uint8_t out[AUTHORIZATION_DIGEST_LEN])
{
    char host[TARGET_TEXT_CAP];
    const uint16_t port = question->target->port;
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    add_client(&hash, question->client_json);
    if (question->via_client_json.len > 0)
        add_client(&hash, question->via_client_json);
    add_part(&hash, slice_of_string(question->listener));
    add_part(&hash, question->is_http2 ? SLICE_LITERAL("h2") : SLICE_LITERAL("h1"));
    add_part(&hash, question->method);
    add_part(&hash, slice_of_string(target_format_host(question->target, host)));
    add_part(&hash, slice_of((const uint8_t *)&port, sizeof port));
    add_part(&hash, slice_of_string(question->rule));
    (void)SHA256_Final(out, &hash);
}

void authorization_key(const struct authorization_question *question,
                       uint8_t out[AUTHORIZATION_DIGEST_LEN])
{
    char ip[IP_TEXT_CAP];
    SHA256_CTX hash;
    authorization_scope(question, out);
    (void)SHA256_Init(&hash);
    (void)SHA256_Update(&hash, out, AUTHORIZATION_DIGEST_LEN);
    add_part(&hash, question->is_again ? SLICE_LITERAL("again") : SLICE_LITERAL("first"));
    for (size_t i = 0; i < question->address_count; i++)
        add_part(&hash, slice_of_string(ip_addr_format(&question->addresses[i], ip)));
    (void)SHA256_Final(out, &hash);
}

// ---- its answer ---------------------------------------------------------------------------------

static enum authorizer_answer none(const char **out_why, const char *why)
{
    *out_why = why;
    return AUTHORIZER_NONE;
}

// read_object reads a result with members.
static enum authorizer_answer read_object(const json_t *result, int64_t *out_ttl_s,
                                          const char **out_why)
{
    const json_t *allow = json_object_get(result, "allow");
    const json_t *ttl = json_object_get(result, "ttl");
    if (json_is_false(allow))
        return AUTHORIZER_NO;
    if (!json_is_true(allow))
        return none(out_why, "`allow` is neither true nor false");
    if (!json_is_integer(ttl) || json_integer_value(ttl) < 1)
        return none(out_why, "`allow` is true, but `ttl` is no number of seconds");
    const int64_t ttl_s = json_integer_value(ttl);
    *out_ttl_s = ttl_s < AUTHORIZATION_TTL_MAX_S ? ttl_s : AUTHORIZATION_TTL_MAX_S;
    return AUTHORIZER_YES;
}

static enum authorizer_answer read_result(const json_t *result, int64_t *out_ttl_s,
                                          const char **out_why)
{
    if (json_is_true(result))
        return AUTHORIZER_YES;
    if (json_is_false(result))
        return AUTHORIZER_NO;
    if (json_is_object(result))
        return read_object(result, out_ttl_s, out_why);
    return none(out_why, result == NULL ? "it has no `result`"
                                        : "`result` is neither true, false nor an object");
}

enum authorizer_answer authorization_answer_read(struct slice body, int64_t *out_ttl_s,
                                                 const char **out_why)
{
    json_t *root = NULL;
    struct errinfo info;
    *out_ttl_s = 0;
    *out_why = "";
    if (body.len > AUTHORIZATION_ANSWER_MAX)
        return none(out_why, "it is too long");
    const enum err error = json_text_read(body, &root, &info);
    if (error != ERR_OK)
        return none(out_why, error == ERR_MEMORY ? "no memory" : "it is no JSON");
    const enum authorizer_answer answer =
        json_is_object(root) ? read_result(json_object_get(root, "result"), out_ttl_s, out_why)
                             : none(out_why, "it is no object");
    json_decref(root);
    return answer;
}
