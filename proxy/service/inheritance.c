// One message after the other, each allowed in one part of the conversation only.
#include "proxy/service/inheritance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/admin/block_state.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/service/ocsp_message.h"

enum {
    RECEIVE_PATIENCE_MS = 30 * 1000, // all of the first part is on its way
    TEXT_MAX_BYTES = 64 * 1024 * 1024,
};

// heirs is where goes what may have changed meanwhile: the second part.
struct heirs {
    struct ticket_keys *tickets; // borrowed
    struct ocsp_book *book;      // likewise
};

// received is a message with its memory.
struct received {
    struct handover_message message;
    uint8_t data[HANDOVER_MESSAGE_MAX];
    int fds[HANDOVER_FDS_MAX]; // owned; -1: taken
    size_t fd_count;
};

static enum err no_memory(struct errinfo *info)
{
    return errinfo_set(info, ERR_MEMORY, "no memory for what is handed over");
}

enum err inheritance_find(struct inheritance *out, struct errinfo *info)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    uint64_t fd = 0;
    int type = 0;
    socklen_t len = sizeof type;
    *out = (struct inheritance){.fd = -1, .control_fd = -1, .admin = {.file_fd = -1}};
    if (text == NULL)
        return ERR_OK;
    const bool is_link =
        decimal_parse(slice_of_string(text), INT32_MAX, &fd) && fd > STDERR_FILENO &&
        getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
    (void)unsetenv(HANDOVER_VARIABLE);
    if (!is_link)
        return errinfo_set(info, ERR_INPUT,
                           "%s is for a process that another sallyport starts, and names no link "
                           "to one: remove it from the environment",
                           HANDOVER_VARIABLE);
    (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    out->fd = (int)fd;
    return ERR_OK;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
}

// is_same tells whether a message is about a listener that is known already: it has many sockets.
static bool is_same(const struct given_sockets *given, const struct handover_message *message)
{
    return slice_equal(slice_of_string(given->name), message->name) &&
           endpoint_equal(&given->bound, &message->bound);
}

// find_or_add gives the sockets of the listener that the message is about; NULL without memory, or room.
static struct given_sockets *find_or_add(struct inheritance *inheritance,
                                         const struct handover_message *message)
{
    for (size_t i = 0; i < inheritance->given_count; i++) {
        if (is_same(&inheritance->given[i], message))
            return &inheritance->given[i];
    }
    if (inheritance->given == NULL)
        inheritance->given = calloc(INHERITED_LISTENERS_MAX, sizeof *inheritance->given);
    if (inheritance->given == NULL || inheritance->given_count == INHERITED_LISTENERS_MAX)
        return NULL;
    struct given_sockets *given = &inheritance->given[inheritance->given_count++];
    given->configured = message->configured;
    given->bound = message->bound;
    (void)string_copy(given->name, sizeof given->name, message->name);
    return given;
}

// take_admin takes the socket at which metrics are asked for.
static enum err take_admin(struct inheritance *inheritance, struct received *received,
                           struct errinfo *info)
{
    struct given_place *admin = &inheritance->admin;
    const struct handover_message *message = &received->message;
    if (admin->tcp.fds != NULL || admin->path != NULL)
        return errinfo_set(info, ERR_INPUT, "it has handed over `admin` twice");
    if (message->kind == HANDOVER_ADMIN) {
        admin->tcp.fds = calloc(1, sizeof *admin->tcp.fds);
        if (admin->tcp.fds == NULL)
            return no_memory(info);
        admin->tcp.fds[0] = received->fds[0];
        admin->tcp.fd_count = 1;
        admin->tcp.configured = message->configured;
        admin->tcp.bound = message->bound;
    } else {
        admin->path = strndup((const char *)message->text.data, message->text.len);
        if (admin->path == NULL)
            return no_memory(info);
        admin->file_fd = received->fds[0];
    }
    received->fds[0] = -1;
    return ERR_OK;
}

// take_sockets takes those beside a message.
static enum err take_sockets(struct inheritance *inheritance, struct received *received,
                             struct errinfo *info)
{
    struct given_sockets *given = find_or_add(inheritance, &received->message);
    if (given == NULL)
        return no_memory(info);
    int *fds = reallocarray(given->fds, given->fd_count + received->fd_count, sizeof *fds);
    if (fds == NULL)
        return no_memory(info);
    given->fds = fds;
    for (size_t i = 0; i < received->fd_count; i++) {
        given->fds[given->fd_count++] = received->fds[i];
        received->fds[i] = -1;
    }
    return ERR_OK;
}

static enum err take_hello(struct inheritance *inheritance, const struct handover_message *message,
                           struct errinfo *info)
{
    if (message->format != HANDOVER_FORMAT)
        return errinfo_set(info, ERR_INPUT,
                           "the running process hands over in format %" PRIu32
                           ", and this version knows format %d: restart it instead",
                           message->format, (int)HANDOVER_FORMAT);
    if (inheritance->control != NULL)
        return errinfo_set(info, ERR_INPUT, "it has said hello twice");
    inheritance->pid = (int64_t)message->number;
    inheritance->control = strndup((const char *)message->control.data, message->control.len);
    inheritance->state = strndup((const char *)message->state.data, message->state.len);
    if (inheritance->control == NULL || inheritance->state == NULL)
        return no_memory(info);
    return ERR_OK;
}

// append adds bytes to a text.
static enum err append(char **text, size_t *len, struct slice bytes, struct errinfo *info)
{
    if (*len + bytes.len > TEXT_MAX_BYTES)
        return errinfo_set(info, ERR_LIMIT, "more is handed over than this version takes");
    char *longer = realloc(*text, *len + bytes.len + 1);
    if (longer == NULL)
        return no_memory(info);
    (void)bytes_copy(longer + *len, bytes.len, bytes);
    *text = longer;
    *len += bytes.len;
    return ERR_OK;
}

static enum err add_blocks(struct inheritance *inheritance, const struct handover_message *message,
                           struct errinfo *info)
{
    if (message->number == 1)
        inheritance->blocks_len = 0;
    return append(&inheritance->blocks, &inheritance->blocks_len, message->bytes, info);
}

static enum err take_ancestor(struct inheritance *inheritance, struct received *received,
                              struct errinfo *info)
{
    if (inheritance->ancestor_count == PREDECESSORS_MAX)
        return errinfo_set(info, ERR_LIMIT, "there are more than %d old processes",
                           (int)PREDECESSORS_MAX);
    struct ancestor *ancestor = &inheritance->ancestors[inheritance->ancestor_count++];
    *ancestor = (struct ancestor){.pid = (int64_t)received->message.number, .fd = received->fds[0]};
    received->fds[0] = -1;
    return ERR_OK;
}

static enum err refuse_message(const struct handover_message *message, struct errinfo *info)
{
    return errinfo_set(info, ERR_INPUT, "the running process says `%s`, which does not fit here",
                       handover_kind_name(message->kind));
}

// take does what a message asks for. ERR_INPUT for those that have no place here.
static enum err take(struct inheritance *inheritance, struct received *received,
                     const struct heirs *heirs, struct errinfo *info)
{
    const struct handover_message *message = &received->message;
    const enum handover_kind kind = message->kind;
    const bool is_second_part = heirs != NULL;
    if (!is_second_part && kind == HANDOVER_HELLO)
        return take_hello(inheritance, message, info);
    if (!is_second_part && inheritance->control != NULL && kind == HANDOVER_LISTENER)
        return take_sockets(inheritance, received, info);
    if (!is_second_part && (kind == HANDOVER_ADMIN || kind == HANDOVER_ADMIN_FILE))
        return take_admin(inheritance, received, info);
    if (!is_second_part && kind == HANDOVER_CONTROL && inheritance->control_fd < 0) {
        inheritance->control_fd = received->fds[0];
        received->fds[0] = -1;
        return ERR_OK;
    }
    if (is_second_part && kind == HANDOVER_BLOCKS)
        return add_blocks(inheritance, message, info);
    if (is_second_part && kind == HANDOVER_OCSP)
        return ocsp_message_take(heirs->book, message, &inheritance->is_ocsp_strange, info);
    if (is_second_part && kind == HANDOVER_COUNTS)
        return append(&inheritance->counts, &inheritance->counts_len, message->bytes, info);
    if (is_second_part && kind == HANDOVER_PREDECESSOR)
        return take_ancestor(inheritance, received, info);
    if (is_second_part && kind == HANDOVER_TICKETS &&
        ticket_keys_import(heirs->tickets, message->bytes))
        return ERR_OK;
    if (is_second_part && kind == HANDOVER_SECRETS &&
        bytes_copy(inheritance->secrets, sizeof inheritance->secrets, message->bytes)) {
        inheritance->secrets_len = message->bytes.len;
        return ERR_OK;
    }
    return refuse_message(message, info);
}

// hear takes messages until `last`; those of the first part where `heirs` is NULL. Its number goes to `*out_number`.
static enum err hear(struct inheritance *inheritance, int patience_ms, enum handover_kind last,
                     const struct heirs *heirs, uint64_t *out_number, struct errinfo *info)
{
    struct received *received = calloc(1, sizeof *received);
    enum err error = received == NULL ? no_memory(info) : ERR_OK;
    bool is_over = false;
    while (error == ERR_OK && !is_over) {
        error = handover_receive(inheritance->fd, patience_ms, received->data, &received->message,
                                 received->fds, &received->fd_count, info);
        if (error != ERR_OK)
            break;
        is_over = received->message.kind == last;
        *out_number = received->message.number;
        if (!is_over)
            error = take(inheritance, received, heirs, info);
        close_all(received->fds, received->fd_count);
    }
    if (received != NULL)
        explicit_bzero(received->data, sizeof received->data); // ticket keys were in it
    free(received);
    return error == ERR_OK || error == ERR_MEMORY ? error : ERR_INPUT;
}

enum err inheritance_receive(struct inheritance *inheritance, struct errinfo *info)
{
    uint64_t number = 0;
    TRY(hear(inheritance, RECEIVE_PATIENCE_MS, HANDOVER_BEGIN, NULL, &number, info));
    if (inheritance->control == NULL)
        return errinfo_set(info, ERR_INPUT, "the running process has not said hello");
    return ERR_OK;
}

enum err inheritance_await(struct inheritance *inheritance, struct ticket_keys *tickets,
                           struct ocsp_book *book, struct block_state *out, struct errinfo *info)
{
    const struct handover_message prepared = {.kind = HANDOVER_PREPARED};
    const struct heirs heirs = {.tickets = tickets, .book = book};
    uint64_t commit = 0;
    *out = (struct block_state){0};
    if (!handover_tell(inheritance->fd, &prepared))
        return errinfo_set(info, ERR_INPUT, "the running process has ended: %m");
    // The other one has the patience, and ends us when it is over.
    TRY(hear(inheritance, -1, HANDOVER_COMMIT, &heirs, &commit, info));
    inheritance->is_state_kept = (commit & HANDOVER_COMMIT_KEPT) != 0;
    inheritance->has_to_ask = (commit & HANDOVER_COMMIT_ASKS) != 0;
    if (inheritance->blocks == NULL)
        return ERR_OK;
    const struct slice text = slice_of(inheritance->blocks, inheritance->blocks_len);
    return block_state_parse(text, "what is handed over", out, info);
}

enum err inheritance_take_turn(const struct inheritance *inheritance, struct errinfo *info)
{
    const struct handover_message ready = {.kind = HANDOVER_READY};
    struct received received;
    if (!inheritance->has_to_ask)
        return ERR_OK;
    if (!handover_tell(inheritance->fd, &ready)) {
        if (errno == EPIPE || errno == ECONNRESET)
            return ERR_OK; // it is dead, and nobody else serves
        return errinfo_set(info, ERR_INPUT, "the running process cannot be asked: %m");
    }
    // As before: the other one has the patience.
    const enum err error = handover_receive(inheritance->fd, -1, received.data, &received.message,
                                            received.fds, &received.fd_count, info);
    if (error == ERR_EOF)
        return ERR_OK;
    if (error != ERR_OK)
        return ERR_INPUT;
    close_all(received.fds, received.fd_count);
    return received.message.kind == HANDOVER_YOURS ? ERR_OK
                                                   : refuse_message(&received.message, info);
}

void inheritance_refuse(const struct inheritance *inheritance, const char *why)
{
    if (inheritance->fd < 0)
        return;
    const struct handover_message failed = {
        .kind = HANDOVER_FAILED, .text = slice_first(slice_of_string(why), HANDOVER_TEXT_MAX)};
    (void)handover_tell(inheritance->fd, &failed);
}

void inheritance_deinit(struct inheritance *inheritance)
{
    for (size_t i = 0; i < inheritance->given_count; i++)
        given_sockets_deinit(&inheritance->given[i]);
    for (size_t i = 0; i < inheritance->ancestor_count; i++)
        close_all(&inheritance->ancestors[i].fd, 1);
    close_all(&inheritance->fd, 1);
    close_all(&inheritance->control_fd, 1);
    free(inheritance->given);
    free(inheritance->control);
    free(inheritance->state);
    free(inheritance->blocks);
    free(inheritance->counts);
    explicit_bzero(inheritance->secrets, sizeof inheritance->secrets);
    given_place_deinit(&inheritance->admin);
    *inheritance = (struct inheritance){.fd = -1, .control_fd = -1, .admin = {.file_fd = -1}};
}
