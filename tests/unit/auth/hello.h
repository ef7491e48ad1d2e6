// hello: a ClientHello built byte by byte, in records of any size.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HELLO_CAP = 64 * 1024 };

// hello is a message, or a list of extensions, that grows.
struct hello {
    uint8_t bytes[HELLO_CAP];
    size_t len;
};

// hello_put* append; they assert that there is room.
void hello_put(struct hello *hello, const void *bytes, size_t len);
void hello_put_u8(struct hello *hello, unsigned value);
void hello_put_u16(struct hello *hello, unsigned value);

// hello_put_extension appends an extension, hello_put_name a server_name with one host name.
void hello_put_extension(struct hello *list, unsigned type, const void *body, size_t len);
void hello_put_name(struct hello *list, const char *name);

// hello_message makes the handshake message with these extensions; `extensions` NULL: none at all.
void hello_message(struct hello *out, const struct hello *extensions);

// hello_records appends a message as records of at most `piece` bytes.
void hello_records(struct hello *out, const struct hello *from, size_t piece);

// hello_named appends the records of a hello that names `name` and has nothing else.
void hello_named(struct hello *out, const char *name, size_t piece);
