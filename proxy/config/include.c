// Folder by folder, then sorted by path, then read: first what is in force, so that nobody can push it out.
#include "proxy/config/include.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/base/array.h"
#include "proxy/config/named_files.h"

// ---- patterns and names -------------------------------------------------------------------------

static struct slice last_part(struct slice path)
{
    size_t start = path.len;
    while (start > 0 && path.data[start - 1] != '/')
        start--;
    return slice_from(path, start);
}

static bool is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

const char *include_pattern_check(struct slice pattern)
{
    const struct slice name = last_part(pattern);
    const struct slice folder = slice_first(pattern, pattern.len - name.len);
    if (slice_find(folder, '*') < folder.len)
        return "a `*` may only stand in the last part of the path";
    if (!slice_ends_with(name, SLICE_LITERAL(".yaml")) &&
        !slice_ends_with(name, SLICE_LITERAL(".yml")) &&
        !slice_ends_with(name, SLICE_LITERAL(".json")))
        return "it must end with .yaml, .yml or .json, so that leftovers of editors never count";
    if (name.data[0] == '.')
        return "hidden files are never included";
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_byte(name.data[i]) && name.data[i] != '*')
            return "its last part is made of A-Z a-z 0-9 `.` `_` `-`, and `*` for any of them";
    }
    return name.len > INCLUDE_NAME_MAX ? "its last part has more than 64 bytes" : NULL;
}

bool include_name_fits(struct slice pattern, struct slice name)
{
    size_t at = 0;             // in the pattern
    size_t star = pattern.len; // the last `*` so far
    size_t taken = 0;          // where in the name what it stands for ends
    size_t i = 0;
    if (slice_starts_with(name, SLICE_LITERAL(".")))
        return false;
    while (i < name.len) {
        if (at < pattern.len && pattern.data[at] == '*') {
            star = at++;
            taken = i;
        } else if (at < pattern.len && pattern.data[at] == name.data[i]) {
            at++;
            i++;
        } else if (star < pattern.len) {
            at = star + 1;
            i = ++taken;
        } else {
            return false;
        }
    }
    while (at < pattern.len && pattern.data[at] == '*')
        at++;
    return at == pattern.len;
}

static bool is_good_name(struct slice name)
{
    bool is_good = name.len <= INCLUDE_NAME_MAX;
    for (size_t i = 0; i < name.len && is_good; i++)
        is_good = is_name_byte(name.data[i]);
    return is_good;
}

// ---- the list -----------------------------------------------------------------------------------

// pattern is one of the configuration's.
struct pattern {
    const struct node *node;
    const char *path; // resolved; in the reader's arena
};

// listing is the list while it is made.
struct listing {
    struct reader *reader;
    const struct included_parts *in_force; // NULL: none
    struct include_list *list;
    size_t cap;
    struct pattern patterns[INCLUDE_PATTERNS_MAX];
    size_t pattern_count;
};

enum { NAMES_MAX = 100000 }; // that are listed; what is beyond the bounds of include.h is not read

// add puts a path onto the list, which it may be on already. NULL where there is no room.
static struct included_file *add(struct listing *listing, const char *path)
{
    struct include_list *list = listing->list;
    struct included_file *files =
        array_make_room(list->files, list->count, &listing->cap, sizeof *files);
    if (files != NULL)
        list->files = files;
    const char *copy = files == NULL ? NULL : reader_copy(listing->reader, slice_of_string(path));
    if (copy == NULL) {
        reader_no_memory(listing->reader);
        return NULL;
    }
    files[list->count] = (struct included_file){.path = copy};
    return &files[list->count++];
}

// keep_known puts the files of a folder that cannot be read onto the list, as far as they are in force.
static void keep_known(struct listing *listing, struct slice pattern, const struct errinfo *why)
{
    const struct slice name = last_part(pattern);
    const struct slice folder = slice_first(pattern, pattern.len - name.len);
    for (size_t i = 0; listing->in_force != NULL && i < listing->in_force->count; i++) {
        const struct included_part *part = &listing->in_force->items[i];
        const struct slice path = slice_of_string(part->path);
        const struct slice own = last_part(path);
        if (!slice_equal(slice_first(path, path.len - own.len), folder) ||
            !include_name_fits(name, own))
            continue;
        struct included_file *file = add(listing, part->path);
        if (file != NULL)
            file->problem = *why;
    }
}

static bool ends_as_included(struct slice name)
{
    return slice_ends_with(name, SLICE_LITERAL(".yaml")) ||
           slice_ends_with(name, SLICE_LITERAL(".yml")) ||
           slice_ends_with(name, SLICE_LITERAL(".json"));
}

// fits_other tells whether a file in the folder of a pattern fits another one.
static bool fits_other(const struct listing *listing, struct slice start, struct slice name)
{
    for (size_t i = 0; i < listing->pattern_count; i++) {
        const struct slice pattern = slice_of_string(listing->patterns[i].path);
        const struct slice last = last_part(pattern);
        if (slice_equal(slice_first(pattern, pattern.len - last.len), start) &&
            include_name_fits(last, name))
            return true;
    }
    return false;
}

// scan lists the files of a folder. False where there are too many to know all of them. `*out_stray` is a file that no pattern fits,
// and that looks as if one should.
static bool scan(struct listing *listing, struct slice pattern, DIR *folder, const char **out_stray)
{
    char buffer[CONFIG_PATH_MAX + 1];
    const struct slice name = last_part(pattern);
    const struct slice start = slice_first(pattern, pattern.len - name.len);
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        struct text path;
        const struct slice own = slice_of_string(entry->d_name);
        if (*out_stray == NULL && own.data[0] != '.' && ends_as_included(own) &&
            !fits_other(listing, start, own))
            *out_stray = reader_copy(listing->reader, own);
        if (!include_name_fits(name, own))
            continue;
        if (listing->list->count == NAMES_MAX)
            return false;
        text_init(&path, buffer, sizeof buffer);
        text_append(&path, start);
        text_append_string(&path, entry->d_name);
        struct included_file *file = path.is_cut ? NULL : add(listing, buffer);
        if (file != NULL && !is_good_name(own))
            (void)errinfo_set(&file->problem, ERR_INPUT,
                              "the name of an included file is 1 to 64 of A-Z a-z 0-9 `.` `_` `-`: "
                              "rename it");
    }
    return true;
}

// folder_path gives the folder of a resolved pattern.
static const char *folder_path(struct reader *reader, struct slice pattern)
{
    const struct slice folder = slice_first(pattern, pattern.len - last_part(pattern).len);
    if (folder.len == 0)
        return reader_copy(reader, SLICE_LITERAL("."));
    return reader_copy(reader, slice_first(folder, folder.len > 1 ? folder.len - 1 : 1));
}

// warn_of_nothing warns of a pattern that fits no file: one that names a file, or one beside a file that was perhaps meant.
static void warn_of_nothing(struct listing *listing, const struct node *node, struct slice pattern,
                            const char *stray)
{
    const struct slice name = last_part(pattern);
    const bool names_one = slice_find(name, '*') == name.len;
    if (stray != NULL)
        reader_warning(listing->reader, node,
                       "`include`: no file fits %.*s, and %s beside it fits no pattern"
                       "\nrename it, or change the pattern",
                       (int)pattern.len, (const char *)pattern.data, stray);
    else if (names_one)
        reader_warning(listing->reader, node, "`include`: there is no file %.*s", (int)pattern.len,
                       (const char *)pattern.data);
}

// folder_list lists the files of a folder, which need not be there. False, with `why`: nobody knows which they are.
static bool folder_list(struct listing *listing, const struct node *node, struct slice pattern,
                        const char *folder, struct errinfo *why)
{
    const size_t before = listing->list->count;
    DIR *open = opendir(folder);
    if (open == NULL && (errno == ENOENT || errno == ENOTDIR)) {
        reader_warning(listing->reader, node, "`include`: there is no folder %s\nmkdir -p %s",
                       folder, folder);
        return true;
    }
    if (open == NULL) {
        (void)file_explain(why, "read", folder);
        return false;
    }
    const char *stray = NULL;
    const bool is_whole = scan(listing, pattern, open, &stray);
    (void)closedir(open);
    if (is_whole && listing->list->count == before)
        warn_of_nothing(listing, node, pattern, stray);
    if (is_whole)
        return true;
    (void)errinfo_set(why, ERR_LIMIT, "the folder %s has more than %d files", folder, NAMES_MAX);
    listing->list->count = before;
    return false;
}

// miss notes why not all files are known.
static void miss(struct listing *listing, const struct node *node, const struct errinfo *why)
{
    reader_error(listing->reader, node, "`include`: %s", why->text);
    listing->reader->diagnostics->included_count++;
    listing->list->problem = *why;
}

// pattern_read reads a pattern, whose files are listed when all patterns are known.
static void pattern_read(struct listing *listing, const struct node *node)
{
    struct reader *reader = listing->reader;
    const char *path = NULL;
    if (!reader_path(reader, node, "`include`", &path))
        return;
    const char *problem = include_pattern_check(slice_of_string(path));
    if (problem != NULL)
        reader_refuse(reader, node, "`include`", problem, "such as \"clients.d/*.yaml\"");
    else if (listing->pattern_count < INCLUDE_PATTERNS_MAX)
        listing->patterns[listing->pattern_count++] = (struct pattern){.node = node, .path = path};
}

static void pattern_list(struct listing *listing, const struct pattern *found)
{
    struct reader *reader = listing->reader;
    struct errinfo why = {0};
    const struct slice pattern = slice_of_string(found->path);
    const char *folder = folder_path(reader, pattern);
    if (folder == NULL)
        return;
    reader_note_file(reader, folder, (struct slice){0});
    if (folder_list(listing, found->node, pattern, folder, &why))
        return;
    miss(listing, found->node, &why);
    keep_known(listing, pattern, &why);
}

static int compare_files(const void *left, const void *right)
{
    return strcmp(((const struct included_file *)left)->path,
                  ((const struct included_file *)right)->path);
}

// sort puts the list in order, and drops what more than one pattern names.
static void sort(struct include_list *list)
{
    size_t count = 0;
    if (list->count > 0)
        qsort(list->files, list->count, sizeof *list->files, compare_files);
    for (size_t i = 0; i < list->count; i++) {
        if (count == 0 || strcmp(list->files[count - 1].path, list->files[i].path) != 0)
            list->files[count++] = list->files[i];
    }
    list->count = count;
}

// ---- the bytes ----------------------------------------------------------------------------------

static bool is_known(const struct listing *listing, const char *path)
{
    for (size_t i = 0; listing->in_force != NULL && i < listing->in_force->count; i++) {
        const struct included_part *part = &listing->in_force->items[i];
        if ((part->text.data != NULL || part->holdings.data != NULL) &&
            strcmp(part->path, path) == 0)
            return true;
    }
    return false;
}

// is_inside tells whether the open file is in the folder of `path`, or below it, and no link leads out of there. When in doubt
// it is not.
static bool is_inside(const char *path, int fd)
{
    const struct slice name = last_part(slice_of_string(path));
    char folder[CONFIG_PATH_MAX + 1];
    struct stat open_file;
    struct stat found;
    const struct slice parent = slice_first(slice_of_string(path), strlen(path) - name.len);
    if (!string_copy(folder, sizeof folder, parent.len == 0 ? SLICE_LITERAL(".") : parent))
        return false;
    char *real_folder = realpath(folder, NULL);
    char *real = realpath(path, NULL);
    bool is_below = real_folder != NULL && real != NULL;
    if (is_below) {
        const struct slice rest = slice_from(slice_of_string(real), strlen(real_folder));
        is_below = slice_starts_with(slice_of_string(real), slice_of_string(real_folder)) &&
                   (slice_starts_with(rest, SLICE_LITERAL("/")) || strcmp(real_folder, "/") == 0) &&
                   fstat(fd, &open_file) == 0 && lstat(real, &found) == 0 &&
                   open_file.st_dev == found.st_dev && open_file.st_ino == found.st_ino;
    }
    free(real_folder);
    free(real);
    return is_below;
}

// read_content reads a file, and notes whether a link led out of its folder.
static enum err read_content(struct included_file *file, size_t max_len)
{
    const int fd = file_open(file->path);
    file->leads_out = true;
    if (fd < 0) // which says why
        return file_read(file->path, max_len, FILE_PUBLIC, &file->content, &file->problem);
    const enum err error =
        file_read_at(fd, file->path, max_len, FILE_PUBLIC, &file->content, &file->problem);
    file->leads_out = !is_inside(file->path, fd);
    (void)close(fd);
    return error;
}

// total is what has been read.
struct total {
    size_t count;
    size_t bytes;
};

// read_file reads one file. False where the bounds do not allow it.
static bool read_file(struct reader *reader, struct included_file *file, struct total *total)
{
    const size_t left = INCLUDE_BYTES_MAX - total->bytes;
    if (total->count == INCLUDE_FILES_MAX || left == 0)
        return false;
    total->count++;
    if (file->problem.text[0] != '\0')
        return true;
    const enum err error = read_content(file, left < INCLUDE_FILE_MAX ? left : INCLUDE_FILE_MAX);
    if (error == ERR_MEMORY)
        reader_no_memory(reader);
    file->is_read = error == ERR_OK;
    total->bytes += file->content.bytes.len;
    return true;
}

// read_all reads what the bounds allow, and drops the rest.
static void read_all(struct listing *listing, const struct node *node)
{
    struct include_list *list = listing->list;
    struct total total = {0};
    size_t kept = 0;
    const char *first = NULL; // that is left out
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < list->count; i++) {
            if (is_known(listing, list->files[i].path) == (turn == 0))
                list->files[i].is_out = !read_file(listing->reader, &list->files[i], &total);
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!list->files[i].is_out)
            list->files[kept++] = list->files[i];
        else if (first == NULL)
            first = list->files[i].path;
    }
    if (first != NULL) {
        struct errinfo why;
        (void)errinfo_set(&why, ERR_LIMIT,
                          "there are more than %d files, or %d MiB in them: %zu are left out, "
                          "beginning with %s",
                          INCLUDE_FILES_MAX, INCLUDE_BYTES_MAX / 1024 / 1024, list->count - kept,
                          first);
        miss(listing, node, &why);
    }
    list->count = kept;
    for (size_t i = 0; i < list->count; i++)
        reader_note_file(listing->reader, list->files[i].path,
                         list->files[i].is_read ? list->files[i].content.bytes : (struct slice){0});
}

void include_read(struct reader *reader, const struct node *node,
                  const struct included_parts *in_force, struct include_list *out)
{
    struct listing listing = {.reader = reader, .in_force = in_force, .list = out};
    *out = (struct include_list){0};
    if (node == NULL || !reader_list(reader, node, "`include`", 1, INCLUDE_PATTERNS_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        pattern_read(&listing, entry);
    for (size_t i = 0; i < listing.pattern_count; i++)
        pattern_list(&listing, &listing.patterns[i]);
    sort(out);
    read_all(&listing, node);
}

void include_list_deinit(struct include_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        file_content_deinit(&list->files[i].content);
    free(list->files);
    *list = (struct include_list){0};
}
