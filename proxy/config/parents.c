// A parent is one or more proxies in the same role. Over https:// each of them is checked against the CAs that are named
// here, and is shown the certificate that is named here. In the clear neither has a meaning.
#include "proxy/config/parents.h"

#include <string.h>

#include "auth/base/date.h"
#include "proxy/config/named_files.h"
#include "proxy/config/pair_files.h"
#include "proxy/config/parent_config.h"
#include "proxy/config/parent_places.h"
#include "proxy/config/validity.h"
#include "proxy/uplink/credentials.h"
#include "proxy/uplink/proxy_board.h"

enum {
    CAS_MAX = 16,
    CERTIFICATE_FILE_MAX = 1024 * 1024, // bytes
    CA_FILE_MAX = 16 * 1024 * 1024,     // bytes
};

static const char *const resolve_words[] = {"here", "parent", NULL};
static const char *const identity_words[] = {"none", "client_cert", NULL};

// parent is what the table fills.
struct parent {
    const char *name;
    uint32_t resolve;
    uint32_t identity;
    struct parent_health health;
};

static const struct key health_keys[] = {
    KEY_ROW("every", KEY_DURATION, struct parent_health, every_ms, .min = 100, .max = 3600 * 1000,
            .fallback = 10 * 1000),
    KEY_ROW("fall", KEY_NUMBER, struct parent_health, fall, .min = 1, .max = 100, .fallback = 3),
    KEY_ROW("rise", KEY_NUMBER, struct parent_health, rise, .min = 1, .max = 100, .fallback = 2),
};

const struct section parent_health_section = SECTION("`health` of a parent", health_keys);

static const struct key keys[] = {
    KEY_ROW("name", KEY_NAME, struct parent, name, .support = KEY_REQUIRED, .label = "parent name"),
    KEY_KNOWN("to", KEY_REQUIRED),
    KEY_KNOWN("ca", KEY_OPTIONAL),
    KEY_KNOWN("certificate", KEY_OPTIONAL),
    KEY_ROW("resolve", KEY_CHOICE, struct parent, resolve, .words = resolve_words),
    KEY_ROW("identity", KEY_CHOICE, struct parent, identity, .words = identity_words),
    KEY_KNOWN("health", KEY_OPTIONAL),
};

static const struct key certificate_keys[] = {
    KEY_KNOWN("chain", KEY_REQUIRED),
    KEY_KNOWN("key", KEY_REQUIRED),
};

const struct section parent_section = SECTION("a parent", keys);
const struct section parent_certificate_section =
    SECTION("the `certificate` of a parent", certificate_keys);

// ---- what is shown to it ------------------------------------------------------------------------

// files is the content of what a parent names.
struct files {
    struct pair_files own;
    struct file_content cas[CAS_MAX];
    struct credential_text ca_texts[CAS_MAX];
    size_t ca_count;
};

static void files_deinit(struct files *files)
{
    pair_files_deinit(&files->own);
    for (size_t i = 0; i < CAS_MAX; i++)
        file_content_deinit(&files->cas[i]);
}

// certificate_read reads the two files of `certificate`. False: they cannot be used.
static bool certificate_read(struct reader *reader, const struct node *node, struct files *files,
                             struct credential_texts *out)
{
    if (!section_read(reader, node, &parent_certificate_section, NULL))
        return node == NULL;
    const bool is_read = pair_files_read(reader, node, &files->own);
    out->cert.path = files->own.chain_path;
    out->cert.pem = files->own.chain.bytes;
    out->key_path = files->own.key_path;
    out->key = files->own.key;
    return is_read;
}

// cas_read reads the files of `ca`. False: one of them cannot be used.
static bool cas_read(struct reader *reader, const struct node *node, struct files *files)
{
    if (!reader_list(reader, node, "`ca`", 1, CAS_MAX))
        return false;
    bool is_good = true;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct credential_text *text = &files->ca_texts[files->ca_count];
        struct file_content *content = &files->cas[files->ca_count++];
        is_good =
            reader_file(reader, entry, "`ca`", CA_FILE_MAX, FILE_PUBLIC, &text->path, content) &&
            is_good;
        text->pem = content->bytes;
    }
    return is_good;
}

// check_shown says what is wrong with the certificate that the parent will see: with one that is out of date, or not for
// clients, no request gets through.
static void check_shown(struct reader *reader, const struct node *node, const char *path,
                        const struct credentials *credentials)
{
    const struct own_certificate *own = &credentials->own;
    char date[DATE_TEXT_CAP];
    if (!own->is_shown)
        return;
    if (own->not_after_s < reader->now_s)
        reader_error(reader, node, "%s has expired on %s\nthe parent would refuse it: renew it",
                     path, date_format(own->not_after_s, DATE_DAY, date));
    else if (own->not_before_s > reader->now_s)
        reader_error(reader, node,
                     "%s is not valid before %s"
                     "\nthe parent would refuse it: is the clock of this machine right?",
                     path, date_format(own->not_before_s, DATE_DAY, date));
    else
        validity_report(reader, node, path, "shown to a parent", own->not_after_s);
    if (!own->is_for_clients)
        reader_error(reader, node,
                     "%s is not a client's certificate: its key usage and extended key usage must "
                     "allow digitalSignature and clientAuth"
                     "\nthe parent would refuse it: issue one with clientAuth",
                     path);
}

// credentials_read makes what is needed for https://.
static void credentials_read(struct reader *reader, const struct node *node,
                             struct parent_config *out)
{
    const struct node *ca = node_get(node, "ca");
    const struct node *certificate = node_get(node, "certificate");
    struct files files = {.ca_count = 0};
    struct credential_texts texts = {.cas = files.ca_texts};
    struct errinfo info = {0};
    enum cause cause = CAUSE_NONE;
    if (ca == NULL) {
        reader_error(reader, node,
                     "parent `%s`: https:// needs `ca`, the files of the CAs that its certificate "
                     "is checked against",
                     out->name);
        return;
    }
    const bool has_certificate = certificate_read(reader, certificate, &files, &texts);
    if (cas_read(reader, ca, &files) && has_certificate) {
        texts.ca_count = files.ca_count;
        const enum err error =
            credentials_create(&texts, reader->now_s, &out->credentials, &cause, &info);
        if (error == ERR_MEMORY) {
            (void)reader_no_memory(reader);
        } else if (error != ERR_OK) {
            reader_error(reader, cause == CAUSE_CA_FILE ? ca : certificate, "parent `%s`: %s",
                         out->name, info.text);
            if (cause != CAUSE_CA_FILE)
                reader->diagnostics->pair_count++;
        } else {
            check_shown(reader, node_get(certificate, "chain"), texts.cert.path, out->credentials);
        }
    }
    files_deinit(&files);
}

// check_clear refuses what has no meaning in the clear.
static void check_clear(struct reader *reader, const struct node *node, const char *key)
{
    const struct node *given = node_get(node, key);
    if (given != NULL)
        reader_error(reader, given,
                     "`%s` has no meaning for a parent with http://: nobody shows a certificate "
                     "there"
                     "\nwrite https:// in `to`, or remove it",
                     key);
}

// health_read reads how its proxies are checked (NULL: they are not).
static void health_read(struct reader *reader, const struct node *node, struct parent_config *out)
{
    if (!section_read(reader, node, &parent_health_section, &out->health))
        return;
    out->board = proxy_board_create();
    if (out->board == NULL)
        (void)reader_no_memory(reader);
}

// ---- the list -----------------------------------------------------------------------------------

// check_identity refuses to tell a parent about our client that cannot know who tells it.
static void check_identity(struct reader *reader, const struct node *node,
                           const struct parent_config *parent)
{
    if (parent->is_clear)
        reader_error(
            reader, node_get(node, "identity"),
            "`identity: client_cert` and http://: the parent could not know who says whose "
            "request it is"
            "\nwrite https:// in `to`, and give it our `certificate`");
    else if (node_get(node, "certificate") == NULL)
        reader_error(reader, node_get(node, "identity"),
                     "`identity: client_cert` needs `certificate`: the parent has to know who says "
                     "whose request it is"
                     "\nadd `certificate: {chain: FILE, key: FILE}`");
}

static bool parent_read(struct reader *reader, const struct node *node, void *item, void *arg)
{
    struct parent_config *out = item;
    struct named_places *names = arg;
    struct parent parent = {.name = "?"};
    out->name = parent.name;
    if (!section_read(reader, node, &parent_section, &parent))
        return true;
    out->name = parent.name;
    if (parent.name[0] != '?')
        reader_note_name(reader, names, parent.name, node_get(node, "name"));
    if (strcmp(parent.name, "direct") == 0)
        reader_error(reader, node_get(node, "name"),
                     "`direct` is no name for a parent: in `via` it means to go without one");
    parent_places_read(reader, node_get(node, "to"), out);
    health_read(reader, node_get(node, "health"), out);
    out->resolves = parent.resolve != 0;
    out->tells_client = parent.identity != 0;
    if (out->proxies == NULL && out->srv == NULL)
        return true;
    if (out->tells_client)
        check_identity(reader, node, out);
    if (out->is_clear) {
        check_clear(reader, node, "ca");
        check_clear(reader, node, "certificate");
    } else {
        credentials_read(reader, node, out);
    }
    return true;
}

void parents_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    struct named_places names = {0};
    const struct items entries = {.what = "`parents`",
                                  .min = 1,
                                  .max = PARENTS_MAX,
                                  .size = sizeof(struct parent_config),
                                  .read = parent_read,
                                  .arg = &names};
    if (node == NULL)
        return;
    snapshot->parents = reader_items(reader, node, &entries, &snapshot->parent_count);
    reader_unique(reader, "parent name", &names);
}
