// A list is changed by making another one, which becomes a revision of the configuration.
#include "proxy/service/blocking.h"

#include <string.h>
#include <time.h>

#include "auth/account.h"
#include "proxy/admin/block_state.h"
#include "proxy/log/log.h"
#include "proxy/service/client_names.h"
#include "proxy/service/fleet.h"
#include "proxy/service/reload.h"

static void end(struct blocking *out, enum blocking_outcome outcome, const char *message)
{
    *out = (struct blocking){.outcome = outcome};
    (void)errinfo_set(&out->message, ERR_OK, "%s", message);
}

bool blocking_keep(struct service *service)
{
    struct errinfo info;
    const char *path = service->snapshot->state_path;
    if (fleet_has_left(service->fleet))
        return true;
    service->blocks_problem.text[0] = '\0';
    if (service->kept.words != NULL) // more than it may hold would not be read again
        (void)fleet_blocks_expire(service->kept.words, (int64_t)time(NULL));
    if (path == NULL || block_state_save(path, &service->kept, &info) == ERR_OK)
        return true;
    service->blocks_problem = info;
    log_error(LOG_BLOCKS_NOT_KEPT, "blocks are in force but not kept: %s", info.text);
    return false;
}

// tell gives the store what was said, and notes for which word it has to be waited.
static void tell(struct service *service, const char *text, enum fleet_op op, struct blocking *out)
{
    if (!fleet_is_shared(service->fleet))
        return;
    (void)string_copy(out->told, sizeof out->told, slice_of_string(text));
    out->op = op;
    fleet_push(service->fleet);
}

// warn_of_silence says in the answer that the other proxies of the fleet do not hear of it now.
static void warn_of_silence(const char *silence, struct blocking *out)
{
    const struct errinfo done = out->message;
    out->outcome = BLOCKING_FAILED;
    (void)errinfo_set(&out->message, ERR_SYSTEM,
                      "%.250s; but on this proxy alone: %.250s. The others hear of it when that is "
                      "over; until then run this on each of them",
                      done.text, silence);
}

// warn_of_other says in the answer that another proxy was told otherwise at the same time.
static void warn_of_other(struct blocking *out)
{
    const struct errinfo done = out->message;
    out->outcome = BLOCKING_FAILED;
    (void)errinfo_set(&out->message, ERR_SYSTEM,
                      "%.250s; but another proxy was told otherwise at the same time, and that "
                      "holds: look at `sallyport status`, and say it once more",
                      done.text);
}

bool blocking_is_told(const struct service *service, bool is_late, struct blocking *blocking)
{
    if (blocking->told[0] == '\0' || !fleet_is_shared(service->fleet))
        return true;
    const struct fleet_word *word = fleet_blocks_find(service->kept.words, blocking->told);
    const bool is_told = word == NULL || word->is_shared;
    const char *silence = fleet_silence(service->fleet);
    if (is_told && word != NULL && word->op != blocking->op)
        warn_of_other(blocking);
    else if (!is_told && silence != NULL)
        warn_of_silence(silence, blocking);
    else if (!is_told && is_late)
        warn_of_silence(fleet_obstacle(service->fleet), blocking);
    return is_told || silence != NULL || is_late;
}

// change brings another list into force, and keeps it.
static void change(struct service *service, struct blocklist *blocks, enum fleet_op op,
                   const char *what, uid_t uid, struct blocking *out)
{
    const char *done = op == FLEET_BLOCK ? "blocked" : "unblocked";
    blocklist_unref(service->blocks);
    service->blocks = blocks;
    *out = (struct blocking){.is_changed = true, .generation = reload_revise(service)};
    out->obeyed = predecessors_obey(&service->succession.predecessors, service->blocks);
    const bool is_kept = blocking_keep(service);
    out->outcome = is_kept ? BLOCKING_DONE : BLOCKING_FAILED;
    if (is_kept)
        (void)errinfo_set(&out->message, ERR_OK, "%s: %.400s", done, what);
    else
        (void)errinfo_set(&out->message, ERR_OK,
                          "%s: %.200s; but only until the next restart: %.250s", done, what,
                          service->blocks_problem.text);
    log_info(LOG_ADMIN, "control: uid %u: %s %.300s", (unsigned)uid, done, what);
    tell(service, what, op, out);
}

enum err blocking_begin(struct service *service, struct errinfo *info)
{
    if (service->snapshot->shared == NULL) {
        fleet_blocks_localize(service->kept.words);
        service->kept.store[0] = '\0';
        service->kept.tickets = 0;
    }
    if (fleet_blocks_list(service->kept.words, &service->blocks) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "no memory for the blocks");
    service->snapshot->blocks = blocklist_ref(service->blocks);
    return ERR_OK;
}

bool blocking_adopt(struct service *service)
{
    struct blocklist *blocks = NULL;
    if (fleet_blocks_list(service->kept.words, &blocks) != ERR_OK) {
        log_error(LOG_NO_MEMORY, "fleet: no memory for the blocks of other proxies: they do not "
                                 "hold here yet; it is tried again");
        return false;
    }
    blocklist_unref(service->blocks);
    service->blocks = blocks;
    fleet_note_compared(service->fleet);
    if (service->worker_count == 0) { // it is the first snapshot that they will have
        blocklist_unref(service->snapshot->blocks);
        service->snapshot->blocks = blocklist_ref(service->blocks);
    } else {
        (void)reload_revise(service);
        (void)predecessors_obey(&service->succession.predecessors, service->blocks);
    }
    (void)blocking_keep(service);
    return true;
}

// note_word keeps what was said about a block: what others have said before it, it outdoes. Without a store only blocks are kept.
static enum err note_word(struct service *service, const struct block *block, enum fleet_op op)
{
    struct fleet_word word = {.block = *block, .op = op};
    if (!fleet_is_shared(service->fleet)) {
        if (op == FLEET_BLOCK)
            return fleet_blocks_put(service->kept.words, &word);
        fleet_blocks_forget(service->kept.words, block->text);
        return ERR_OK;
    }
    word.version = fleet_blocks_next(service->kept.words, block->since_s);
    (void)string_copy(word.by, sizeof word.by, slice_of_string(fleet_instance(service->fleet)));
    return fleet_blocks_put(service->kept.words, &word);
}

// namer gives the included file whose owner has chosen the name that is blocked, and can choose another one; NULL: none.
static const char *namer(const struct service *service, const struct block *block)
{
    const char *name = block_client_name(block);
    const struct client *client =
        name == NULL ? NULL : account_find_client(service->snapshot->policy, name);
    const struct included_parts *parts = &service->snapshot->included;
    for (size_t i = 0; client != NULL && i < parts->count; i++) {
        if (strcmp(parts->items[i].path, client->file->name) == 0)
            return parts->items[i].path;
    }
    return NULL;
}

// warn_of_namer says in the answer that a name does not hold the one who has chosen it.
static void warn_of_namer(const char *file, struct blocking *out)
{
    const struct errinfo done = out->message;
    if (file != NULL)
        (void)errinfo_set(&out->message, ERR_OK,
                          "%.250s; WARNING: the owner of %.120s chooses this name, and can change "
                          "it: block the certificates or their CA as well",
                          done.text, file);
}

// may_block tells whether a name is one that a client has.
static bool may_block(const struct service *service, const struct block *block, bool is_forced,
                      struct errinfo *info)
{
    const char *nearest = NULL;
    const char *name = block_client_name(block);
    if (name == NULL || is_forced || client_names_find(service->snapshot->policy, name, &nearest))
        return true;
    client_names_say_unknown(name, nearest, " (--force blocks the name anyway)", info);
    return false;
}

// read_block reads an argument; `out` says what is wrong with it. `text` lives as long as the block.
static bool read_block(const char *argument, char text[BLOCK_TEXT_CAP], struct block *block,
                       struct blocking *out)
{
    struct errinfo info;
    if (block_parse(slice_of_string(argument), text, block, &info) == ERR_OK)
        return true;
    end(out, BLOCKING_UNREADABLE, info.text);
    return false;
}

// confirm answers for what is blocked already: it may have to be kept still. Where blocks are shared it is said once more, so that
// it outdoes an end that another proxy has given and that is not known here yet.
static void confirm(struct service *service, const struct block *block, struct blocking *out)
{
    const bool is_shared = fleet_is_shared(service->fleet);
    if (is_shared && note_word(service, block, FLEET_BLOCK) != ERR_OK) {
        end(out, BLOCKING_FAILED,
            "it is blocked already, and there is no memory to say so once more to other proxies");
        return;
    }
    const bool must_keep = is_shared || service->blocks_problem.text[0] != '\0';
    const bool is_kept = !must_keep || blocking_keep(service);
    end(out, is_kept ? BLOCKING_DONE : BLOCKING_FAILED,
        is_kept ? "it is blocked already" : service->blocks_problem.text);
    tell(service, block->text, FLEET_BLOCK, out);
}

void blocking_add(struct service *service, const char *argument, bool is_forced, uid_t uid,
                  struct blocking *out)
{
    char text[BLOCK_TEXT_CAP];
    struct block block;
    struct errinfo info;
    struct blocklist *blocks = NULL;
    if (!read_block(argument, text, &block, out))
        return;
    const struct block *known = blocklist_find(service->blocks, &block);
    if (known != NULL) {
        confirm(service, known, out);
        warn_of_namer(namer(service, &block), out);
        return;
    }
    if (!may_block(service, &block, is_forced, &info)) {
        end(out, BLOCKING_FAILED, info.text);
        return;
    }
    block.since_s = (int64_t)time(NULL);
    block.uid = uid;
    enum err error = blocklist_add(service->blocks, &block, &blocks);
    if (error == ERR_OK)
        error = note_word(service, &block, FLEET_BLOCK);
    if (error == ERR_OK) {
        const char *file = namer(service, &block);
        change(service, blocks, FLEET_BLOCK, block.text, uid, out);
        warn_of_namer(file, out);
    } else {
        blocklist_unref(blocks);
        end(out, BLOCKING_FAILED,
            error == ERR_LIMIT ? "there are 10000 blocks already: let the CA revoke instead"
                               : "no memory: not blocked");
    }
}

void blocking_remove(struct service *service, const char *argument, uid_t uid, struct blocking *out)
{
    char text[BLOCK_TEXT_CAP];
    struct block block;
    struct blocklist *blocks = NULL;
    if (!read_block(argument, text, &block, out))
        return;
    block.since_s = (int64_t)time(NULL);
    block.uid = uid;
    enum err error = blocklist_remove(service->blocks, &block, &blocks);
    if (error == ERR_OK)
        error = note_word(service, &block, FLEET_UNBLOCK);
    if (error == ERR_OK) {
        change(service, blocks, FLEET_UNBLOCK, block.text, uid, out);
        return;
    }
    blocklist_unref(blocks);
    end(out, BLOCKING_FAILED,
        error == ERR_INPUT ? "it is not blocked; `sallyport status` lists the blocks"
                           : "no memory: it stays blocked");
}
