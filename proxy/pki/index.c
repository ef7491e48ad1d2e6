// The index file: read strictly, one line added at a time.
#include "proxy/pki/index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "auth/base/hash.h"
#include "auth/base/text.h"
#include "proxy/config/file.h"
#include "proxy/pki/new_file.h"

// Some 100 bytes a certificate: a few hundred thousand of them.
enum { INDEX_MAX_LEN = 64 * 1024 * 1024, LINE_CAP = 256, MAX_FIELDS = 6, DECIMAL = 10 };

#define HEADER "sallyport-ca-index 1"

const char *const INDEX_KIND_NAMES[] = {
#define X(symbol, name) name,
    INDEX_KIND_TABLE(X)
#undef X
};

const struct revocation_info REVOCATIONS[] = {
#define X(symbol, name, code) {name, code},
    REVOCATION_TABLE(X)
#undef X
};

bool revocation_parse(struct slice name, enum revocation *out)
{
    for (size_t i = 0; i < sizeof REVOCATIONS / sizeof *REVOCATIONS; i++) {
        *out = (enum revocation)i;
        if (slice_equal_ignore_case(name, slice_of_string(REVOCATIONS[i].name)))
            return true;
    }
    return false;
}

// kind_parse reads every kind but INDEX_UNKNOWN, the last one, which no line has.
static bool kind_parse(struct slice name, enum index_kind *out)
{
    for (size_t i = 0; i < INDEX_UNKNOWN; i++) {
        *out = (enum index_kind)i;
        if (slice_equal(name, slice_of_string(INDEX_KIND_NAMES[i])))
            return true;
    }
    return false;
}

bool index_parse_serial(const char *text, char out[INDEX_SERIAL_CAP])
{
    size_t len = 0;
    bool has_digit = false;
    for (; *text != '\0'; text++) {
        const uint8_t byte = ascii_lower((uint8_t)*text);
        if (byte == ':' && has_digit)
            continue;
        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
            return false;
        has_digit = true;
        if (byte == '0' && len == 0)
            continue;
        if (len + 1 >= INDEX_SERIAL_CAP)
            return false;
        out[len++] = (char)byte;
    }
    if (has_digit && len == 0)
        out[len++] = '0';
    out[len] = '\0';
    return has_digit;
}

// number_parse reads decimal digits, nothing else.
static bool number_parse(struct slice text, int64_t *out)
{
    int64_t value = 0;
    const bool is_negative = text.len > 1 && text.data[0] == '-';
    const struct slice digits = slice_from(text, is_negative ? 1 : 0);
    for (size_t i = 0; i < digits.len; i++) {
        const uint8_t byte = digits.data[i];
        if (byte < '0' || byte > '9' || __builtin_mul_overflow(value, DECIMAL, &value) ||
            __builtin_add_overflow(value, byte - '0', &value))
            return false;
    }
    *out = is_negative ? -value : value;
    return digits.len > 0;
}

static enum err no_memory(struct errinfo *info)
{
    return errinfo_set(info, ERR_MEMORY, "no memory");
}

// find_slot gives the slot of a serial, or the empty one where it belongs. There are twice as many slots as there is room
// for entries, so there always is an empty one.
static uint32_t *find_slot(const struct index *index, const char *serial)
{
    const size_t mask = 2 * index->cap - 1;
    size_t slot = hash_end(hash_add_slice(hash_begin(), slice_of_string(serial))) & mask;
    while (index->slots[slot] != 0 &&
           strcmp(index->entries[index->slots[slot] - 1].serial, serial) != 0)
        slot = (slot + 1) & mask;
    return &index->slots[slot];
}

struct index_entry *index_find(const struct index *index, const char *serial)
{
    if (index->count == 0)
        return NULL;
    const uint32_t place = *find_slot(index, serial);
    return place == 0 ? NULL : &index->entries[place - 1];
}

// grow makes room for twice as many entries.
static enum err grow(struct index *index, struct errinfo *info)
{
    enum { FIRST_CAP = 64 };
    const size_t cap = index->cap == 0 ? FIRST_CAP : 2 * index->cap;
    struct index_entry *entries = reallocarray(index->entries, cap, sizeof *entries);
    if (entries == NULL)
        return no_memory(info);
    index->entries = entries;
    uint32_t *slots = calloc(cap, 2 * sizeof *slots);
    if (slots == NULL)
        return no_memory(info);
    free(index->slots);
    index->slots = slots;
    index->cap = cap;
    for (size_t i = 0; i < index->count; i++)
        *find_slot(index, index->entries[i].serial) = (uint32_t)i + 1;
    return ERR_OK;
}

enum err index_adopt(struct index *index, const struct index_entry *entry, struct errinfo *info)
{
    if (index->count == index->cap)
        TRY(grow(index, info));
    index->entries[index->count++] = *entry;
    *find_slot(index, entry->serial) = (uint32_t)index->count; // the last of one serial is found
    return ERR_OK;
}

// apply_revocation notes a revocation in memory; the first one of a certificate holds.
static enum err apply_revocation(struct index *index, const char *serial, enum revocation reason,
                                 int64_t at_s, struct errinfo *info)
{
    if (index_find(index, serial) == NULL) {
        struct index_entry entry = {.kind = INDEX_UNKNOWN, .not_after_s = INT64_MAX};
        (void)string_copy(entry.serial, sizeof entry.serial, slice_of_string(serial));
        TRY(index_adopt(index, &entry, info));
    }
    struct index_entry *entry = index_find(index, serial);
    if (!entry->is_revoked) {
        entry->is_revoked = true;
        entry->reason = reason;
        entry->revoked_s = at_s;
    }
    return ERR_OK;
}

struct fields {
    struct slice at[MAX_FIELDS];
    size_t count;
};

// split cuts a line at its blanks; false when there are too many pieces, or an empty one.
static bool split(struct slice line, struct fields *out)
{
    out->count = 0;
    for (;;) {
        const size_t len = slice_find(line, ' ');
        if (len == 0 || out->count == MAX_FIELDS)
            return false;
        out->at[out->count++] = slice_first(line, len);
        if (len == line.len)
            return true;
        line = slice_from(line, len + 1);
    }
}

static bool serial_is(struct slice text, char out[INDEX_SERIAL_CAP])
{
    char copy[INDEX_SERIAL_CAP];
    return string_copy(copy, sizeof copy, text) && index_parse_serial(copy, out) &&
           slice_equal(text, slice_of_string(out));
}

// read_issue reads `issue ...`; false when it is none.
static bool read_issue(const struct fields *fields, struct index_entry *out)
{
    *out = (struct index_entry){0};
    return fields->count == 6 && serial_is(fields->at[1], out->serial) &&
           kind_parse(fields->at[2], &out->kind) &&
           string_copy(out->name, sizeof out->name, fields->at[3]) &&
           authority_name_is_valid(out->name) && number_parse(fields->at[4], &out->not_before_s) &&
           number_parse(fields->at[5], &out->not_after_s);
}

// read_line takes one record; ERR_INPUT without a sentence when it is none.
static enum err read_line(struct index *index, struct slice line, struct errinfo *info)
{
    struct fields fields;
    info->text[0] = '\0';
    if (!split(line, &fields))
        return ERR_INPUT;
    struct index_entry entry;
    if (slice_equal(fields.at[0], SLICE_LITERAL("issue")))
        return read_issue(&fields, &entry) ? index_adopt(index, &entry, info) : ERR_INPUT;
    int64_t at_s = 0;
    if (slice_equal(fields.at[0], SLICE_LITERAL("revoke"))) {
        enum revocation reason = REVOCATION_UNSPECIFIED;
        if (fields.count != 4 || !serial_is(fields.at[1], entry.serial) ||
            !revocation_parse(fields.at[2], &reason) || !number_parse(fields.at[3], &at_s))
            return ERR_INPUT;
        return apply_revocation(index, entry.serial, reason, at_s, info);
    }
    int64_t number = 0;
    if (!slice_equal(fields.at[0], SLICE_LITERAL("crl")) || fields.count != 3 ||
        !number_parse(fields.at[1], &number) || !number_parse(fields.at[2], &at_s) || number < 1)
        return ERR_INPUT;
    if ((uint64_t)number > index->crl_number)
        index->crl_number = (uint64_t)number;
    return ERR_OK;
}

enum err index_read(struct index *index, struct slice bytes, size_t *out_len, struct errinfo *info)
{
    size_t number = 0;
    *out_len = 0;
    for (;;) {
        const struct slice rest = slice_from(bytes, *out_len);
        const size_t len = slice_find(rest, '\n');
        if (len == rest.len)
            return ERR_OK;
        const struct slice line = slice_first(rest, len);
        number++;
        enum err error = ERR_OK;
        if (number == 1)
            error = slice_equal(line, SLICE_LITERAL(HEADER)) ? ERR_OK : ERR_INPUT;
        else
            error = read_line(index, line, info);
        if (error == ERR_INPUT)
            return errinfo_set(info, ERR_INPUT,
                               "%s:%zu: not a line of an index: restore a good copy of the file",
                               index->path, number);
        if (error != ERR_OK)
            return error;
        *out_len += len + 1;
    }
}

// write_line adds a line. What a failed write left of it is removed again.
static enum err write_line(const struct index *index, struct slice line, struct errinfo *info)
{
    ASSERT(index->fd >= 0 && index->lock_fd >= 0);
    const off_t end = lseek(index->fd, 0, SEEK_END);
    ssize_t written = -1;
    if (end >= 0)
        written = write(index->fd, line.data, line.len);
    int cause = written >= 0 && (size_t)written < line.len ? ENOSPC : errno;
    if (written == (ssize_t)line.len) {
        if (fsync(index->fd) == 0)
            return ERR_OK;
        cause = errno;
    }
    if (end >= 0 && ftruncate(index->fd, end) != 0)
        cause = errno; // the rest of a line is taken away the next time
    return errinfo_set(info, ERR_SYSTEM, "%s cannot be written: %s; nothing was done", index->path,
                       strerror(cause));
}

// repair ends the file after its last whole line.
static enum err repair(const struct index *index, size_t len, size_t whole_len,
                       struct errinfo *info)
{
    if (whole_len == 0) // not even the first line was written whole
        return errinfo_set(info, ERR_INPUT, "%s is not an index: restore a good copy of the file",
                           index->path);
    if (len == whole_len || index->lock_fd < 0)
        return ERR_OK;
    if (ftruncate(index->fd, (off_t)whole_len) == 0 && fsync(index->fd) == 0)
        return ERR_OK;
    return errinfo_set(info, ERR_SYSTEM, "%s cannot be repaired: %m", index->path);
}

static enum err read_file(struct index *index, struct errinfo *info)
{
    struct file_content content;
    size_t whole_len = 0;
    enum err error = file_read_open(index->fd, index->path, INDEX_MAX_LEN, &content, info);
    if (error == ERR_LIMIT)
        error = errinfo_set(info, ERR_INPUT, "%s is not a file of at most 64 MiB", index->path);
    if (error == ERR_OK)
        error = index_read(index, content.bytes, &whole_len, info);
    if (error == ERR_OK)
        error = repair(index, content.bytes.len, whole_len, info);
    file_content_deinit(&content);
    return error;
}

static enum err open_file(struct index *index, bool is_writing, struct errinfo *info)
{
    const int flags = (is_writing ? O_RDWR | O_APPEND : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW;
    index->fd = open(index->path, flags);
    index->is_missing = index->fd < 0 && errno == ENOENT;
    if (index->is_missing)
        return ERR_OK;
    if (index->fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "%s cannot be opened: %m", index->path);
    return read_file(index, info);
}

enum err index_open(const char *directory, bool is_writing, struct index *out, struct errinfo *info)
{
    *out = (struct index){.fd = -1, .lock_fd = -1};
    (void)path_join(directory, "ca", ".index", out->path);
    enum err error = ERR_OK;
    if (is_writing) {
        out->lock_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (out->lock_fd < 0 || flock(out->lock_fd, LOCK_EX) != 0)
            error =
                errinfo_set(info, ERR_SYSTEM, "the directory %s cannot be locked: %m", directory);
    }
    if (error == ERR_OK)
        error = open_file(out, is_writing, info);
    if (error != ERR_OK)
        index_deinit(out);
    return error;
}

void index_deinit(struct index *index)
{
    if (index->fd >= 0)
        (void)close(index->fd);
    if (index->lock_fd >= 0)
        (void)close(index->lock_fd);
    free(index->entries);
    free(index->slots);
    *index = (struct index){.fd = -1, .lock_fd = -1};
}

static void format_issue(const struct index_entry *entry, struct text *line)
{
    text_append_format(line, "issue %s %s %s %" PRId64 " %" PRId64 "\n", entry->serial,
                       INDEX_KIND_NAMES[entry->kind], entry->name, entry->not_before_s,
                       entry->not_after_s);
}

enum err index_create(struct index *index, struct errinfo *info)
{
    ASSERT(index->is_missing && index->lock_fd >= 0);
    const size_t cap = LINE_CAP * (index->count + 1);
    char *buffer = malloc(cap);
    if (buffer == NULL)
        return no_memory(info);
    struct text text;
    text_init(&text, buffer, cap);
    text_append_string(&text, HEADER "\n");
    for (size_t i = 0; i < index->count; i++)
        format_issue(&index->entries[i], &text);
    ASSERT(!text.is_cut);
    const struct new_file file = {index->path, text_slice(&text), FILE_MODE_PUBLIC};
    const enum err error = new_file_replace_all(&file, 1, info);
    free(buffer);
    TRY(error);
    index->fd = open(index->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    index->is_missing = index->fd < 0;
    if (index->fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "%s cannot be opened: %m", index->path);
    return ERR_OK;
}

enum err index_add_issue(struct index *index, const struct index_entry *entry, struct errinfo *info)
{
    char buffer[LINE_CAP];
    struct text line;
    text_init(&line, buffer, sizeof buffer);
    format_issue(entry, &line);
    ASSERT(!line.is_cut);
    TRY(write_line(index, text_slice(&line), info));
    return index_adopt(index, entry, info);
}

enum err index_add_revocation(struct index *index, const char *serial, enum revocation reason,
                              int64_t at_s, struct errinfo *info)
{
    char line[LINE_CAP];
    (void)snprintf(line, sizeof line, "revoke %s %s %" PRId64 "\n", serial,
                   REVOCATIONS[reason].name, at_s);
    TRY(write_line(index, slice_of_string(line), info));
    return apply_revocation(index, serial, reason, at_s, info);
}

enum err index_add_crl(struct index *index, uint64_t number, int64_t at_s, struct errinfo *info)
{
    char line[LINE_CAP];
    (void)snprintf(line, sizeof line, "crl %" PRIu64 " %" PRId64 "\n", number, at_s);
    TRY(write_line(index, slice_of_string(line), info));
    index->crl_number = number;
    return ERR_OK;
}
