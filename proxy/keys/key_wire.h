// key_wire: messages between the serving process and the key holder, over a stream socket: bytes in a buffer, and how they get
// there. Both ends use it.
#pragma once

#include "proxy/keys/key_message.h"

// key_inbox is what has come and was not read yet. Zeroed: empty.
struct key_inbox {
    uint8_t *data; // owned
    size_t cap;
    size_t begin;
    size_t end;
    int fd; // beside the bytes; the owner's to close; 0: none
};

// key_outbox is what waits to be sent. Zeroed: empty.
struct key_outbox {
    uint8_t *data; // owned
    size_t cap;
    size_t begin;
    size_t end;
};

// key_wire_pair makes the two ends, both closed on exec. False with errno set.
bool key_wire_pair(int out_fds[2]) MUST_USE;

// key_inbox_fill reads once what is there. ERR_OK: something came; ERR_AGAIN, ERR_EOF, ERR_SYSTEM, ERR_MEMORY.
enum err key_inbox_fill(struct key_inbox *inbox, int fd) MUST_USE;

// key_inbox_take takes the next message; its bytes are borrowed until the next call.
enum key_parse key_inbox_take(struct key_inbox *inbox, struct key_message *out);

// key_outbox_add puts a message behind what waits. False without memory.
bool key_outbox_add(struct key_outbox *outbox, const struct key_message *message) MUST_USE;

// key_outbox_send sends what waits as far as it goes. ERR_OK: nothing is left; ERR_AGAIN, ERR_SYSTEM.
enum err key_outbox_send(struct key_outbox *outbox, int fd) MUST_USE;

// key_outbox_is_empty tells whether nothing waits.
bool key_outbox_is_empty(const struct key_outbox *outbox);

// key_wire_send_with sends one message with a descriptor beside it. Blocking. False with errno set.
bool key_wire_send_with(int fd, const struct key_message *message, int beside) MUST_USE;

void key_inbox_deinit(struct key_inbox *inbox);
void key_outbox_deinit(struct key_outbox *outbox);
