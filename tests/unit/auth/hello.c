// Lengths are known before they are written: each part is built first, and then put into the next.
#include "tests/unit/auth/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void hello_put(struct hello *hello, const void *bytes, size_t len)
{
    assert_true(hello->len + len <= sizeof hello->bytes);
    memcpy(hello->bytes + hello->len, bytes, len);
    hello->len += len;
}

void hello_put_u8(struct hello *hello, unsigned value)
{
    hello_put(hello, &(uint8_t){(uint8_t)value}, 1);
}

void hello_put_u16(struct hello *hello, unsigned value)
{
    hello_put_u8(hello, value >> 8);
    hello_put_u8(hello, value & 0xFF);
}

void hello_put_extension(struct hello *list, unsigned type, const void *body, size_t len)
{
    hello_put_u16(list, type);
    hello_put_u16(list, (unsigned)len);
    hello_put(list, body, len);
}

void hello_put_name(struct hello *list, const char *name)
{
    struct hello body = {.len = 0};
    const size_t len = strlen(name);
    hello_put_u16(&body, (unsigned)len + 3);
    hello_put_u8(&body, 0);
    hello_put_u16(&body, (unsigned)len);
    hello_put(&body, name, len);
    hello_put_extension(list, 0, body.bytes, body.len);
}

void hello_message(struct hello *out, const struct hello *extensions)
{
    static const uint8_t random[32] = {7};
    const size_t extra = extensions == NULL ? 0 : 2 + extensions->len;
    const size_t len = 2 + 32 + 1 + 2 + 2 + 2 + extra;
    out->len = 0;
    hello_put_u8(out, 1);
    hello_put_u8(out, (unsigned)(len >> 16));
    hello_put_u16(out, (unsigned)(len & 0xFFFF));
    hello_put_u16(out, 0x0303);
    hello_put(out, random, sizeof random);
    hello_put_u8(out, 0);
    hello_put_u16(out, 2);
    hello_put_u16(out, 0x1301);
    hello_put_u8(out, 1);
    hello_put_u8(out, 0);
    if (extensions == NULL)
        return;
    hello_put_u16(out, (unsigned)extensions->len);
    hello_put(out, extensions->bytes, extensions->len);
}

void hello_records(struct hello *out, const struct hello *from, size_t piece)
{
    for (size_t at = 0; at < from->len; at += piece) {
        const size_t len = from->len - at < piece ? from->len - at : piece;
        hello_put_u8(out, 22);
        hello_put_u16(out, 0x0301);
        hello_put_u16(out, (unsigned)len);
        hello_put(out, from->bytes + at, len);
    }
}

void hello_named(struct hello *out, const char *name, size_t piece)
{
    static struct hello extensions;
    static struct hello whole;
    extensions.len = 0;
    hello_put_name(&extensions, name);
    hello_message(&whole, &extensions);
    hello_records(out, &whole, piece);
}
