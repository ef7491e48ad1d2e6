// One field after the other; each is left out where there is nothing to say.
#include "proxy/fetch/fetch_request.h"

#include "proxy/http/field.h"

static bool is_given(const char *value)
{
    return value != NULL && value[0] != '\0';
}

static bool is_sound_value(const char *value)
{
    return value == NULL ||
           (strlen(value) < FETCH_FIELD_CAP && is_field_value(slice_of_string(value)));
}

bool fetch_request_is_sound(const struct fetch_request *request)
{
    return request->content.len <= FETCH_MAX_POST && is_sound_value(request->accept) &&
           is_sound_value(request->content_type) && is_sound_value(request->etag) &&
           is_sound_value(request->last_modified);
}

static void append_field(struct text *out, const char *name, const char *value)
{
    if (is_given(value))
        text_append_format(out, "%s: %s\r\n", name, value);
}

void fetch_request_append(const struct fetch_request *request, struct text *out)
{
    const bool is_post = request->content_type != NULL;
    text_append_string(out, is_post ? "POST " : "GET ");
    text_append(out, http_url_path(request->url));
    text_append_string(out, " HTTP/1.1\r\nHost: ");
    text_append(out, http_url_authority(request->url));
    text_append_string(out, "\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\n");
    append_field(out, "Accept", request->accept);
    append_field(out, "If-None-Match", request->etag);
    append_field(out, "If-Modified-Since", request->last_modified);
    if (!request->keeps)
        text_append_string(out, "Connection: close\r\n");
    if (is_post) {
        append_field(out, "Content-Type", request->content_type);
        text_append_format(out, "Content-Length: %zu\r\n", request->content.len);
    }
    text_append_string(out, "\r\n");
    if (is_post)
        text_append(out, request->content);
}
