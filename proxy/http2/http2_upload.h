// http2_upload: what the peer of one HTTP/2 stream says, read as HTTP/1.1: the head, then the body, framed as its head says.
// Pure: fields and content come in, bytes go out.
//
// The peer is a client with a request, or the proxy with its answer to a CONNECT of ours.
#pragma once

#include "proxy/http2/http2_content.h"
#include "proxy/http2/response_head.h"

// Zeroed: nothing has come. Private to http2_upload.c, except where it is said.
struct http2_upload {
    struct request_fields fields; // of the head, then of the trailer
    enum request_body body;
    const char *misfit; // what is wrong with the head; static memory; NULL: nothing; may be read
    char *
        text; // owned; HTTP/1.1 that comes before the content: the head, a chunk's line, the trailer
    size_t text_len;              // bytes
    size_t text_at;               // bytes that have been read
    struct http2_content content; // not read yet; its pool is set by the owner
    uint64_t announced;           // bytes of the content still to come; with REQUEST_BODY_LENGTH
    size_t chunk_left;            // bytes of the chunk that is being read
    bool is_too_large;            // with `misfit`: the header list is over its limit; may be read
    bool is_connect;              // may be read
    bool is_for_head;             // of HEAD: no body follows; may be read
    bool has_head;                // the fields of the head are complete; may be read
    bool has_end;                 // END_STREAM has come; may be read
    bool has_said_last;           // the last chunk has been read
    bool is_in_chunks;            // a chunk has been read
    bool is_answer;               // of the proxy
    bool says_close; // it shall say that it is the last one on its connection; set by the owner
    bool is_held;    // it waits for the first line of its content
    uint16_t status; // of such an answer; 0: it has not come; may be read
};

// http2_upload_take_head makes the head of the fields that have come. ERR_INPUT: see `misfit`; ERR_MEMORY.
enum err http2_upload_take_head(struct http2_upload *upload, bool has_end) MUST_USE;

// http2_upload_take_answer takes the fields that have come for the head of an answer. An interim one is dropped. The final
// one is made a head at once where a tunnel follows; else once the content has told a reason phrase, and nothing can be
// read before. ERR_INPUT; ERR_MEMORY.
enum err http2_upload_take_answer(struct http2_upload *upload, bool has_end) MUST_USE;

// http2_upload_take_content keeps content until it is read. ERR_INPUT: it is more than was announced; ERR_MEMORY.
enum err http2_upload_take_content(struct http2_upload *upload, struct slice bytes) MUST_USE;

// http2_upload_take_end notes END_STREAM. ERR_INPUT: less has come than was announced.
enum err http2_upload_take_end(struct http2_upload *upload) MUST_USE;

// http2_upload_is_tunnel tells whether the end of the stream is the end of what is read: of a CONNECT, and of the answer to
// ours.
bool http2_upload_is_tunnel(const struct http2_upload *upload);

// http2_upload_left gives the bytes of content that wait to be read.
size_t http2_upload_left(const struct http2_upload *upload);

// http2_upload_can_read tells whether reading gives bytes or an end.
bool http2_upload_can_read(const struct http2_upload *upload);

// http2_upload_read reads what is there. ERR_OK with `*out_len` > 0, of which `*out_content` are content; ERR_AGAIN; ERR_EOF
// at the end of a tunnel's direction, the end of another request being no end of the client; ERR_INPUT for a malformed
// trailer; ERR_MEMORY.
enum err http2_upload_read(struct http2_upload *upload, uint8_t *out, size_t cap, size_t *out_len,
                           size_t *out_content) MUST_USE;

// http2_upload_deinit frees what it owns.
void http2_upload_deinit(struct http2_upload *upload);
