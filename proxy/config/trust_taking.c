// One revision after the other: each that can be finished takes the place of the one before.
#include "proxy/config/trust_taking.h"

#include "proxy/config/crls.h"
#include "proxy/config/trust_profiles.h"

// progress is the profile as far as it has been revised.
struct progress {
    struct trust *trust; // owned; finished
    bool is_early;
};

// finish_like finishes a revision of `base` for today, or, where no anchor is valid today, for the time of
// `base`: then every chain has ended by its dates.
static enum err finish_like(const struct trust *base, int64_t now_s, struct trust **revision)
{
    struct errinfo info;
    const enum err error = trust_finish(*revision, now_s, &info);
    if (error == ERR_OK || error == ERR_MEMORY)
        return error;
    trust_destroy(*revision);
    *revision = NULL;
    TRY(trust_revise(base, revision));
    return trust_finish(*revision, trust_finished_s(base), &info);
}

// begin_revision returns a revision of the profile; NULL, and an error, without memory.
static struct trust *begin_revision(struct reader *reader, const struct progress *progress)
{
    struct trust *revision = NULL;
    if (trust_revise(progress->trust, &revision) != ERR_OK)
        reader_no_memory(reader);
    return revision;
}

// end_revision puts a revision in the place of the profile, unless making it ended with an error. One
// that cannot be finished today may be good another day.
static void end_revision(struct reader *reader, struct progress *progress, struct trust *revision,
                         enum err error)
{
    struct errinfo info;
    if (error == ERR_OK) {
        error = trust_finish(revision, reader->now_s, &info);
        progress->is_early |= error != ERR_OK;
    }
    if (error == ERR_MEMORY)
        reader_no_memory(reader);
    trust_destroy(error == ERR_OK ? progress->trust : revision);
    if (error == ERR_OK)
        progress->trust = revision;
}

// take_crl makes a revision for each file, so that a bad one spoils no other.
static void take_crl(struct reader *reader, const struct node *node, const char *path,
                     struct slice bytes, void *arg)
{
    struct progress *progress = arg;
    struct errinfo info;
    struct trust *revision = begin_revision(reader, progress);
    (void)path;
    if (revision != NULL)
        end_revision(reader, progress, revision, crl_add(revision, node, bytes, &info));
}

// take_cas takes away the CAs that are gone from the profile's files. Where one of these cannot be read it
// takes nothing.
static void take_cas(struct reader *reader, const struct node *node, struct progress *progress)
{
    const struct trust_options options = {.name = trust_name(progress->trust)};
    const size_t errors_before = reader->diagnostics->error_count;
    struct trust *present = NULL;
    struct trust *revision = begin_revision(reader, progress);
    if (revision == NULL)
        return;
    enum err error = trust_create(&options, &present);
    if (error == ERR_OK) {
        profile_add_cas(reader, node, present);
        error = reader->diagnostics->error_count == errors_before
                    ? trust_drop_absent(revision, present)
                    : ERR_INPUT;
    }
    end_revision(reader, progress, revision, error);
    trust_destroy(present);
}

// take_denied denies what the list `denied` names, where all of it is good.
static void take_denied(struct reader *reader, const struct node *denied, struct progress *progress)
{
    const size_t errors_before = reader->diagnostics->error_count;
    struct trust *revision = denied == NULL ? NULL : begin_revision(reader, progress);
    if (revision == NULL)
        return;
    profile_read_denied(reader, denied, revision);
    const bool is_good = reader->diagnostics->error_count == errors_before;
    end_revision(reader, progress, revision, is_good ? ERR_OK : ERR_INPUT);
}

enum err trust_taking_read(struct reader *reader, const struct node *node, const struct node *next,
                           const struct trust *current, bool *is_early, struct trust **out)
{
    struct progress progress = {0};
    const struct crl_visitor visitor = {.take = take_crl, .arg = &progress};
    enum err error = trust_revise(current, &progress.trust);
    if (error == ERR_OK)
        error = finish_like(current, reader->now_s, &progress.trust);
    if (error == ERR_OK) {
        crls_walk(reader, node, &visitor);
        take_cas(reader, node, &progress);
        take_denied(reader, node_get(next, "denied"), &progress);
    }
    if (error != ERR_OK || reader->is_out_of_memory) {
        trust_destroy(progress.trust);
        *out = NULL;
        return ERR_MEMORY;
    }
    *is_early |= progress.is_early;
    *out = progress.trust;
    return ERR_OK;
}
