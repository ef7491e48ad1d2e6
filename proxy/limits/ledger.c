// A chained table of accounts under one lock, and counters that need none.
//
// Many accounts of one client count as members of the client's own account, which has the client's name. It lives as long
// as it has members.
#include "proxy/limits/ledger.h"

#include <openssl/rand.h>
#include <openssl/siphash.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/share.h"
#include "auth/base/slice.h"

enum {
    LEDGER_CHAINS = 16384,
    SWEEP_MS =
        1000, // a client that is full has the rested accounts of all chains freed so often at most
};

#define NS_A_MS INT64_C(1000000)

struct ledger {
    uint64_t key[2];             // of the hash: names come from certificates
    pthread_mutex_t lock;        // of the chains
    int64_t swept_ms;            // monotonic; under the lock
    atomic_size_t account_count; // written under the lock
    _Atomic uint32_t sessions;
    _Atomic uint32_t tunnels;
    _Atomic uint64_t memory;
    _Atomic uint32_t sessions_max; // these three: 0 is no limit
    _Atomic uint32_t tunnels_max;
    _Atomic uint64_t memory_max;
    _Atomic uint32_t refused_requests_max; // likewise
    _Atomic uint32_t sessions_room;        // that there can be; 0: unknown
    _Atomic uint32_t foreign_sessions;     // these three: of other processes
    _Atomic uint32_t foreign_tunnels;
    _Atomic uint64_t foreign_memory;
    _Atomic(void (*)(void *)) on_change;   // NULL: nobody watches
    void *watcher;                         // borrowed; its argument; written before it
    struct account *chains[LEDGER_CHAINS]; // owned; under the lock
};

struct ledger *ledger_create(void)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL || pthread_mutex_init(&ledger->lock, NULL) != 0) {
        free(ledger);
        return NULL;
    }
    (void)RAND_bytes((uint8_t *)ledger->key, sizeof ledger->key); // BoringSSL's never fails
    ledger->swept_ms = -SWEEP_MS;
    return ledger;
}

static uint64_t hash_of(const struct ledger *ledger, const char *name)
{
    return SIPHASH_24(ledger->key, (const uint8_t *)name, strlen(name));
}

static struct account **chain_of(struct ledger *ledger, uint64_t id)
{
    return &ledger->chains[id % LEDGER_CHAINS];
}

// is_over tells whether nobody holds the account, and nothing counts in it any more.
static bool is_over(const struct account *account, int64_t now_ms)
{
    return account->refs == 0 && account->foreign == 0 && account->reported == 0 &&
           rate_is_rested(&account->new_tunnels, now_ms * NS_A_MS) &&
           rate_is_rested(&account->refusals, now_ms * NS_A_MS) &&
           bandwidth_is_rested(&account->up, now_ms) && bandwidth_is_rested(&account->down, now_ms);
}

// remove_at frees the account that `*at` points to.
static void remove_at(struct ledger *ledger, struct account **at)
{
    struct account *account = *at;
    *at = account->next;
    ledger->account_count--;
    free(account);
}

// end_membership takes one member off a client's own account, and frees that if it is over.
static void end_membership(struct ledger *ledger, struct account *owner, int64_t now_ms)
{
    owner->members--;
    owner->refs--;
    if (!is_over(owner, now_ms))
        return;
    struct account **at = chain_of(ledger, owner->id);
    while (*at != owner)
        at = &(*at)->next;
    remove_at(ledger, at);
}

// drop_rested frees the accounts of a chain that are over, under the lock.
static void drop_rested(struct ledger *ledger, struct account **chain, int64_t now_ms)
{
    struct account **at = chain;
    while (*at != NULL) {
        struct account *owner = (*at)->owner;
        if (!is_over(*at, now_ms)) {
            at = &(*at)->next;
            continue;
        }
        remove_at(ledger, at);
        if (owner != NULL) {
            end_membership(ledger, owner, now_ms);
            at = chain; // the owner may have been in this chain
        }
    }
}

// drop_all_rested does so for every chain, under the lock.
static void drop_all_rested(struct ledger *ledger, int64_t now_ms)
{
    for (size_t i = 0; i < LEDGER_CHAINS; i++)
        drop_rested(ledger, &ledger->chains[i], now_ms);
}

// forget_report says nothing: what is told afterwards is that nothing is left.
static void forget_report(void *arg, const char *name, uint32_t tunnels)
{
    (void)arg;
    (void)name;
    (void)tunnels;
}

void ledger_destroy(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    ledger_report(ledger, false, forget_report, NULL);
    drop_all_rested(ledger, INT64_MAX / NS_A_MS);
    ASSERT(ledger->sessions == 0 && ledger->tunnels == 0 && ledger->account_count == 0);
    (void)pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

void ledger_configure(struct ledger *ledger, const struct proxy_limits *limits, int64_t now_ms)
{
    ledger->sessions_max = limits->sessions;
    ledger->tunnels_max = limits->tunnels;
    ledger->memory_max = limits->memory;
    ledger->refused_requests_max = limits->refused_requests;
    (void)pthread_mutex_lock(&ledger->lock);
    drop_all_rested(ledger, now_ms);
    (void)pthread_mutex_unlock(&ledger->lock);
}

static bool has_too_much_memory(const struct ledger *ledger)
{
    const uint64_t max = ledger->memory_max;
    return max != 0 && ledger->memory + ledger->foreign_memory > max;
}

bool ledger_note_memory(struct ledger *ledger, uint64_t bytes)
{
    ledger->memory = bytes;
    return has_too_much_memory(ledger);
}

// find looks a name up, under the lock.
static struct account *find(struct account *account, const char *name)
{
    while (account != NULL && strcmp(account->name, name) != 0)
        account = account->next;
    return account;
}

// add makes an account, under the lock.
static struct account *add(struct ledger *ledger, uint64_t id, const char *name)
{
    struct account **chain = chain_of(ledger, id);
    const size_t cap = strlen(name) + 1;
    struct account *account = calloc(1, sizeof *account + cap);
    if (account == NULL)
        return NULL;
    ASSERT(string_copy(account->name, cap, slice_of_string(name)));
    account->id = id;
    account->next = *chain;
    *chain = account;
    ledger->account_count++;
    return account;
}

// find_or_add gives the account of a name, under the lock; NULL without memory.
static struct account *find_or_add(struct ledger *ledger, const char *name, int64_t now_ms)
{
    const uint64_t id = hash_of(ledger, name);
    struct account **chain = chain_of(ledger, id);
    struct account *account = find(*chain, name);
    if (account != NULL)
        return account;
    drop_rested(ledger, chain, now_ms);
    return add(ledger, id, name);
}

// has_place tells whether a client may have one more account. Accounts that are over do not count.
static bool has_place(struct ledger *ledger, struct account *owner, int64_t now_ms)
{
    if (owner->members >= owner->members_max && now_ms - ledger->swept_ms >= SWEEP_MS) {
        ledger->swept_ms = now_ms;
        owner->refs++; // it stays when its last member goes
        drop_all_rested(ledger, now_ms);
        owner->refs--;
    }
    return owner->members < owner->members_max;
}

// join makes the account a member of `owner`, or of nobody (NULL), under the lock. It leaves the owner that it had before
// the configuration changed.
static void join(struct ledger *ledger, struct account *account, struct account *owner,
                 int64_t now_ms)
{
    struct account *former = account->owner;
    if (former == owner)
        return;
    account->owner = owner;
    if (owner != NULL) {
        owner->members++;
        owner->refs++;
    }
    if (former != NULL)
        end_membership(ledger, former, now_ms);
}

// set makes the account, which the caller holds, what the request says, under the lock.
static enum err set(struct ledger *ledger, struct account *account,
                    const struct account_request *request)
{
    struct account *owner = NULL;
    if (request->owner != NULL) {
        owner = find_or_add(ledger, request->owner, request->now_ms);
        if (owner == NULL)
            return ERR_MEMORY;
        if (request->generation >= owner->generation) {
            owner->generation = request->generation;
            owner->members_max = request->members_max;
        }
        if (account->owner != owner && !has_place(ledger, owner, request->now_ms))
            return ERR_LIMIT;
    }
    join(ledger, account, owner, request->now_ms);
    account->generation = request->generation;
    bandwidth_set(&account->up, request->limits->bandwidth_up);
    bandwidth_set(&account->down, request->limits->bandwidth_down);
    return ERR_OK;
}

enum err ledger_open_account(struct ledger *ledger, const struct account_request *request,
                             struct account **out)
{
    enum err error = ERR_MEMORY;
    (void)pthread_mutex_lock(&ledger->lock);
    struct account *account = find_or_add(ledger, request->name, request->now_ms);
    if (account != NULL) {
        account->refs++;
        error = request->generation < account->generation ? ERR_OK : set(ledger, account, request);
        if (error != ERR_OK) {
            account->refs--;
            drop_rested(ledger, chain_of(ledger, account->id), request->now_ms);
        }
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    *out = error == ERR_OK ? account : NULL;
    return error;
}

void ledger_close_account(struct ledger *ledger, struct account *account, int64_t now_ms)
{
    if (account == NULL)
        return;
    // The last one is given back under the lock, so that nobody finds an account that is being freed.
    size_t refs = account->refs;
    while (refs > 1) {
        if (atomic_compare_exchange_weak(&account->refs, &refs, refs - 1))
            return;
    }
    (void)pthread_mutex_lock(&ledger->lock);
    account->refs--;
    drop_rested(ledger, chain_of(ledger, account->id), now_ms);
    (void)pthread_mutex_unlock(&ledger->lock);
}

// note_change tells who watches, if anybody does.
static void note_change(const struct ledger *ledger)
{
    void (*on_change)(void *) = atomic_load_explicit(&ledger->on_change, memory_order_acquire);
    if (on_change != NULL)
        on_change(ledger->watcher);
}

void ledger_watch(struct ledger *ledger, void (*on_change)(void *arg), void *arg)
{
    ledger->watcher = arg;
    atomic_store_explicit(&ledger->on_change, on_change, memory_order_release);
}

// set_foreign sets the number of one account, under the lock.
static void set_foreign(struct ledger *ledger, struct account *account, size_t other,
                        uint32_t tunnels)
{
    const uint32_t before = account->foreign_of[other];
    account->foreign_of[other] = tunnels;
    account->foreign += tunnels - before; // unsigned: may be fewer
    ledger->foreign_tunnels += tunnels - before;
}

bool ledger_set_foreign(struct ledger *ledger, size_t other, const char *name, uint32_t tunnels,
                        int64_t now_ms)
{
    (void)pthread_mutex_lock(&ledger->lock);
    struct account *account = find_or_add(ledger, name, now_ms);
    if (account != NULL) {
        set_foreign(ledger, account, other, tunnels);
        drop_rested(ledger, chain_of(ledger, account->id), now_ms);
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return account != NULL;
}

void ledger_set_foreign_totals(struct ledger *ledger, uint32_t sessions, uint64_t memory)
{
    ledger->foreign_sessions = sessions;
    ledger->foreign_memory = memory;
}

void ledger_forget_foreign(struct ledger *ledger, size_t other, int64_t now_ms)
{
    (void)pthread_mutex_lock(&ledger->lock);
    for (size_t i = 0; i < LEDGER_CHAINS; i++) {
        for (struct account *at = ledger->chains[i]; at != NULL; at = at->next)
            set_foreign(ledger, at, other, 0);
    }
    drop_all_rested(ledger, now_ms);
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ledger_report(struct ledger *ledger, bool is_full,
                   void (*tell)(void *arg, const char *name, uint32_t tunnels), void *arg)
{
    (void)pthread_mutex_lock(&ledger->lock);
    for (size_t i = 0; i < LEDGER_CHAINS; i++) {
        for (struct account *at = ledger->chains[i]; at != NULL; at = at->next) {
            const uint32_t tunnels = at->tunnels;
            if (tunnels != at->reported || (is_full && tunnels > 0))
                tell(arg, at->name, tunnels);
            at->reported = tunnels;
        }
    }
    (void)pthread_mutex_unlock(&ledger->lock);
}

// take_one adds one where that makes, with the foreign ones, no more than `max` (0: no limit).
static bool take_one(_Atomic uint32_t *count, uint32_t max, uint32_t foreign)
{
    uint32_t now = atomic_load(count);
    do {
        if (max != 0 && (foreign >= max || now >= max - foreign))
            return false;
    } while (!atomic_compare_exchange_weak(count, &now, now + 1));
    return true;
}

static bool refuse(struct limit_refusal *out, enum reason reason, bool is_of_whole_proxy,
                   int64_t wait_ns)
{
    const int64_t seconds = (wait_ns + RATE_NS_A_SECOND - 1) / RATE_NS_A_SECOND;
    *out = (struct limit_refusal){
        .reason = reason,
        .retry_after_s = seconds < 1 ? 1 : (uint32_t)seconds,
        .is_of_whole_proxy = is_of_whole_proxy,
    };
    return false;
}

// The client's own limits come first: what they refuse never takes anything, not even for a moment, from what
// all clients share.
bool ledger_take_tunnel(struct ledger *ledger, struct account *account,
                        const struct client_limits *limits, struct limit_refusal *out)
{
    if (has_too_much_memory(ledger))
        return refuse(out, REASON_LIMIT_MEMORY, true, 0);
    if (!take_one(&account->tunnels, limits->tunnels, account->foreign))
        return refuse(out, REASON_LIMIT_TUNNELS, false, 0);
    if (!take_one(&ledger->tunnels, ledger->tunnels_max, ledger->foreign_tunnels)) {
        account->tunnels--;
        return refuse(out, REASON_LIMIT_PROXY_TUNNELS, true, 0);
    }
    account->refs++; // the caller holds one: it does not rise from 0
    note_change(ledger);
    return true;
}

bool ledger_begin_tunnel(struct account *account, const struct client_limits *limits,
                         int64_t now_ms, struct limit_refusal *out)
{
    int64_t wait_ns = 0;
    if (limits->new_tunnels == 0 || rate_take(&account->new_tunnels, limits->new_tunnels,
                                              limits->burst, now_ms * NS_A_MS, &wait_ns))
        return true;
    return refuse(out, REASON_LIMIT_NEW_TUNNELS, false, wait_ns);
}

void ledger_give_tunnel(struct ledger *ledger, struct account *account, int64_t now_ms)
{
    count_down(&ledger->tunnels);
    count_down(&account->tunnels);
    note_change(ledger);
    ledger_close_account(ledger, account, now_ms);
}

bool ledger_take_refusal(struct ledger *ledger, struct account *account, int64_t now_ms)
{
    int64_t wait_ns = 0;
    const uint32_t max = ledger->refused_requests_max;
    return max == 0 || rate_take(&account->refusals, max, max, now_ms * NS_A_MS, &wait_ns);
}

enum reason ledger_take_session(struct ledger *ledger)
{
    if (has_too_much_memory(ledger))
        return REASON_LIMIT_MEMORY;
    return take_one(&ledger->sessions, ledger->sessions_max, ledger->foreign_sessions)
               ? REASON_NONE
               : REASON_LIMIT_SESSIONS;
}

void ledger_give_session(struct ledger *ledger)
{
    count_down(&ledger->sessions);
    note_change(ledger);
}

void ledger_set_room(struct ledger *ledger, uint32_t sessions)
{
    ledger->sessions_room = sessions;
}

bool ledger_is_fair(const struct ledger *ledger, const struct account *account)
{
    const uint32_t max = ledger->sessions_max != 0 ? ledger->sessions_max : ledger->sessions_room;
    // Neither count has the session in question.
    return max == 0 || account->sessions <= 1 ||
           share_may_take(account->sessions - 1, ledger->sessions - 1, max);
}

uint32_t account_take_record(struct account *account)
{
    account->refs++; // the caller holds one: it does not rise from 0
    return atomic_fetch_add(&account->records, 1);
}

void ledger_give_record(struct ledger *ledger, struct account *account, int64_t now_ms)
{
    count_down(&account->records);
    ledger_close_account(ledger, account, now_ms);
}

struct ledger_totals ledger_read(const struct ledger *ledger)
{
    return (struct ledger_totals){.sessions = ledger->sessions,
                                  .tunnels = ledger->tunnels,
                                  .memory = ledger->memory,
                                  .accounts = ledger->account_count,
                                  .foreign_sessions = ledger->foreign_sessions,
                                  .foreign_tunnels = ledger->foreign_tunnels};
}
