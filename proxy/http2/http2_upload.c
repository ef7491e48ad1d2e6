// Chunks are made as they are read: each is what has come meanwhile.
#include "proxy/http2/http2_upload.h"

#include <stdlib.h>

#include "proxy/http/body.h"

static bool is_chunked(const struct http2_upload *upload)
{
    return upload->body == REQUEST_BODY_CHUNKED && !upload->is_connect;
}

static bool is_announced(const struct http2_upload *upload)
{
    return upload->body == REQUEST_BODY_LENGTH && !upload->is_connect;
}

bool http2_upload_is_tunnel(const struct http2_upload *upload)
{
    return upload->is_connect || upload->is_answer;
}

// set_text takes over text that is to be read before anything else.
static void set_text(struct http2_upload *upload, char *text, size_t len)
{
    free(upload->text);
    upload->text = text;
    upload->text_len = len;
    upload->text_at = 0;
}

enum err http2_upload_take_head(struct http2_upload *upload, bool has_end)
{
    const size_t cap = upload->fields.size + REQUEST_FIELDS_EXTRA;
    char *data = malloc(cap);
    const char *why = NULL;
    struct text head;
    if (data == NULL)
        return ERR_MEMORY;
    text_init(&head, data, cap);
    upload->has_head = true;
    upload->has_end = has_end;
    const enum err error =
        request_fields_write_head(&upload->fields, has_end, &head, &upload->body, &why);
    set_text(upload, data, error == ERR_OK ? head.len : 0);
    if (error != ERR_OK) {
        upload->misfit = why;
        upload->is_too_large = upload->fields.is_too_large;
        upload->body = REQUEST_BODY_NONE;
    } else {
        upload->is_connect = slice_starts_with(text_slice(&head), SLICE_LITERAL("CONNECT "));
        upload->is_for_head = slice_starts_with(text_slice(&head), SLICE_LITERAL("HEAD "));
        upload->announced = request_fields_length(&upload->fields);
    }
    request_fields_deinit(&upload->fields);
    return error;
}

// make_answer makes the head of an answer, with the reason that its content gives.
static enum err make_answer(struct http2_upload *upload, bool *out_has_length)
{
    const size_t cap = upload->fields.size + REQUEST_FIELDS_EXTRA;
    char *data = malloc(cap);
    struct text head;
    if (data == NULL)
        return ERR_MEMORY;
    text_init(&head, data, cap);
    struct slice reason = {0};
    if (upload->status < 300)
        reason = SLICE_LITERAL("Connection established");
    else if (response_head_is_text(&upload->fields))
        reason = response_head_reason(http2_content_first(&upload->content));
    const bool is_empty = upload->has_end && http2_upload_left(upload) == 0;
    const enum err error = response_head_write(&upload->fields, is_empty, reason,
                                               upload->says_close, &head, out_has_length);
    set_text(upload, data, error == ERR_OK ? head.len : 0);
    return error;
}

// release_answer lets an answer be read once its reason is known, or will not be told.
static enum err release_answer(struct http2_upload *upload)
{
    const struct slice content = http2_content_first(&upload->content);
    bool has_length = false;
    if (!upload->is_held || (!upload->has_end && content.len <= RESPONSE_HEAD_REASON_MAX &&
                             slice_find(content, '\n') == content.len))
        return ERR_OK;
    upload->is_held = false;
    const enum err error = make_answer(upload, &has_length);
    request_fields_deinit(&upload->fields);
    return error;
}

enum err http2_upload_take_answer(struct http2_upload *upload, bool has_end)
{
    enum { SWITCHING = 101 }; // has no meaning in HTTP/2 (RFC 9113 8.6)
    const uint16_t status = response_head_status(&upload->fields);
    bool has_length = false;
    if (status == 0 || status == SWITCHING || (status < 200 && has_end))
        return ERR_INPUT;
    if (status < 200) {
        request_fields_deinit(&upload->fields);
        return ERR_OK;
    }
    upload->is_answer = true;
    upload->has_head = true;
    upload->has_end = has_end;
    upload->status = status;
    upload->announced = request_fields_length(&upload->fields);
    TRY(make_answer(upload, &has_length));
    upload->body = has_length ? REQUEST_BODY_LENGTH : REQUEST_BODY_NONE;
    upload->is_held = status >= 300 && !has_end;
    if (!upload->is_held)
        request_fields_deinit(&upload->fields);
    return ERR_OK;
}

size_t http2_upload_left(const struct http2_upload *upload)
{
    return upload->content.len;
}

enum err http2_upload_take_content(struct http2_upload *upload, struct slice bytes)
{
    if (is_announced(upload)) {
        if (bytes.len > upload->announced)
            return ERR_INPUT;
        upload->announced -= bytes.len;
    }
    TRY(http2_content_add(&upload->content, bytes));
    return release_answer(upload);
}

enum err http2_upload_take_end(struct http2_upload *upload)
{
    upload->has_end = true;
    if (is_announced(upload) && upload->announced > 0)
        return ERR_INPUT;
    return release_answer(upload);
}

bool http2_upload_can_read(const struct http2_upload *upload)
{
    if (upload->is_held)
        return false;
    return upload->text != NULL || http2_upload_left(upload) > 0 ||
           (upload->has_end &&
            (http2_upload_is_tunnel(upload) || (is_chunked(upload) && !upload->has_said_last)));
}

// read_some copies from the front of `bytes`.
static size_t read_some(struct slice bytes, uint8_t *out, size_t cap)
{
    const struct slice some = slice_first(bytes, cap);
    const bool fits = bytes_copy(out, cap, some);
    ASSERT(fits);
    return some.len;
}

static size_t read_text(struct http2_upload *upload, uint8_t *out, size_t cap)
{
    const struct slice rest =
        slice_of(upload->text + upload->text_at, upload->text_len - upload->text_at);
    const size_t len = read_some(rest, out, cap);
    upload->text_at += len;
    if (upload->text_at == upload->text_len)
        set_text(upload, NULL, 0);
    return len;
}

static size_t read_content(struct http2_upload *upload, uint8_t *out, size_t cap)
{
    const size_t len = http2_content_read(&upload->content, out, cap);
    upload->chunk_left -= is_chunked(upload) ? len : 0;
    return len;
}

// begin_chunk makes what is there the next chunk, or ends the body. ERR_AGAIN: nothing is there.
static enum err begin_chunk(struct http2_upload *upload)
{
    const size_t len = http2_upload_left(upload);
    if (upload->has_said_last || (len == 0 && !upload->has_end))
        return ERR_AGAIN;
    const size_t cap = len > 0 ? BODY_CHUNK_OVERHEAD : upload->fields.size + REQUEST_FIELDS_EXTRA;
    char *data = malloc(cap);
    const char *why = NULL;
    struct text text;
    enum err error = ERR_OK;
    if (data == NULL)
        return ERR_MEMORY;
    text_init(&text, data, cap);
    text_append_string(&text, upload->is_in_chunks ? "\r\n" : "");
    text_append_format(&text, "%zx\r\n", len);
    if (len == 0) {
        upload->has_said_last = true;
        error = request_fields_write_trailer(&upload->fields, &text, &why);
        text_append_string(&text, "\r\n");
        request_fields_deinit(&upload->fields);
    }
    if (error != ERR_OK) {
        free(data);
        return error;
    }
    upload->is_in_chunks = true;
    upload->chunk_left = len;
    set_text(upload, data, text.len);
    return ERR_OK;
}

enum err http2_upload_read(struct http2_upload *upload, uint8_t *out, size_t cap, size_t *out_len,
                           size_t *out_content)
{
    *out_len = 0;
    *out_content = 0;
    if (upload->is_held)
        return ERR_AGAIN;
    if (upload->text == NULL && is_chunked(upload) && upload->chunk_left == 0)
        TRY(begin_chunk(upload));
    if (upload->text != NULL) {
        *out_len = read_text(upload, out, cap);
        return ERR_OK;
    }
    if (http2_upload_left(upload) > 0) {
        const bool is_cut = is_chunked(upload) && upload->chunk_left < cap;
        *out_len = *out_content = read_content(upload, out, is_cut ? upload->chunk_left : cap);
        return ERR_OK;
    }
    return http2_upload_is_tunnel(upload) && upload->has_end ? ERR_EOF : ERR_AGAIN;
}

void http2_upload_deinit(struct http2_upload *upload)
{
    request_fields_deinit(&upload->fields);
    set_text(upload, NULL, 0);
    http2_content_drop(&upload->content);
    *upload = (struct http2_upload){0};
}
