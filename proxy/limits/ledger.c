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
#include "proxy/fleet/bandwidth_share.h"
#include "proxy/fleet/lease.h"

enum {
    LEDGER_CHAINS = 16384,
    NAME_CAP = 256, // bytes of a name that is looked up, with the NUL
    SWEEP_MS =
        1000, // a client that is full has the rested accounts of all chains freed so often at most
};

#define NS_A_MS INT64_C(1000000)

// shared_state is what main has said of the fleet.
struct shared_state {
    _Atomic uint32_t fleet; // enum ledger_fleet
    _Atomic uint32_t loss;  // likewise
    _Atomic uint32_t members;
    _Atomic int64_t until_ms; // monotonic; 0: nothing is granted
    _Atomic uint64_t waits;   // requests that had to wait
};

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
    _Atomic(void (*)(void *)) on_change; // NULL: nobody watches
    void *watcher;                       // borrowed; its argument; written before it
    struct shared_state shared;
    _Atomic(struct account *) listed;      // accounts that main is to look at, with references
    _Atomic(void (*)(void *)) on_ask;      // NULL: nobody keeps the fleet's limits
    void *keeper;                          // borrowed; its argument; written before it
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
           rate_is_rested(&account->requests, now_ms * NS_A_MS) &&
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

static void drop_listed(void *arg, struct account *account)
{
    ledger_close_account(arg, account, INT64_MAX / NS_A_MS);
}

void ledger_destroy(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    ledger_report(ledger, false, forget_report, NULL);
    ledger_take_listed(ledger, drop_listed, ledger);
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

bool ledger_lacks_memory(const struct ledger *ledger)
{
    const uint64_t max = ledger->memory_max;
    return max != 0 && ledger->memory + ledger->foreign_memory > max;
}

bool ledger_note_memory(struct ledger *ledger, uint64_t bytes)
{
    ledger->memory = bytes;
    return ledger_lacks_memory(ledger);
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

// bandwidth_of gives an account's bandwidth here: of a limit of the fleet the share, or an equal part as long as none is set.
static uint64_t bandwidth_of(const struct ledger *ledger, const struct client_limits *limits,
                             uint64_t limit, uint64_t share)
{
    if (limits->scope == LIMIT_MACHINE || limit == 0)
        return limit;
    const uint32_t members = ledger->shared.members;
    return share != 0 && share <= limit ? share
                                        : bandwidth_share_alone(limit, members == 0 ? 1 : members);
}

// list has main look at an account that the caller holds, and wakes it.
static void list(struct ledger *ledger, struct account *account)
{
    void (*on_ask)(void *) = atomic_load_explicit(&ledger->on_ask, memory_order_acquire);
    if (on_ask == NULL || atomic_exchange(&account->fleet.is_listed, true))
        return;
    account->refs++;
    account->fleet.next_listed = ledger->listed;
    while (!atomic_compare_exchange_weak(&ledger->listed, &account->fleet.next_listed, account)) {
    }
    on_ask(ledger->keeper);
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
    const bool is_news =
        account->fleet.keeper == NULL || account->generation != request->generation;
    account->generation = request->generation;
    account->fleet.limits = *request->limits;
    bandwidth_set(&account->up, bandwidth_of(ledger, request->limits, request->limits->bandwidth_up,
                                             account->fleet.share_up));
    bandwidth_set(&account->down,
                  bandwidth_of(ledger, request->limits, request->limits->bandwidth_down,
                               account->fleet.share_down));
    // What is open already, takes bandwidth, or is the fleet's no more is for main to know.
    const bool is_shaped =
        request->limits->bandwidth_up != 0 || request->limits->bandwidth_down != 0;
    const bool has_left = request->limits->scope == LIMIT_MACHINE && account->fleet.keeper != NULL;
    if ((is_news && has_left) || ((is_news || is_shaped) && request->limits->scope == LIMIT_FLEET))
        list(ledger, account);
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

// take_for_process counts a tunnel for the process that the account has taken, or takes it back.
static bool take_for_process(struct ledger *ledger, struct account *account,
                             struct limit_refusal *out)
{
    if (!take_one(&ledger->tunnels, ledger->tunnels_max, ledger->foreign_tunnels)) {
        account->tunnels--;
        account->fleet.spare++;
        return refuse(out, REASON_LIMIT_PROXY_TUNNELS, true, 0);
    }
    account->refs++; // the caller holds one: it does not rise from 0
    note_change(ledger);
    return true;
}

// The client's own limits come first: what they refuse never takes anything, not even for a moment, from what
// all clients share.
bool ledger_take_tunnel(struct ledger *ledger, struct account *account,
                        const struct client_limits *limits, struct limit_refusal *out)
{
    if (ledger_lacks_memory(ledger))
        return refuse(out, REASON_LIMIT_MEMORY, true, 0);
    if (!take_one(&account->tunnels, limits->tunnels, account->foreign))
        return refuse(out, REASON_LIMIT_TUNNELS, false, 0);
    account->fleet.spare--;
    return take_for_process(ledger, account, out);
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
    account->fleet.spare++;
    note_change(ledger);
    ledger_close_account(ledger, account, now_ms);
}

void ledger_move_tunnel(struct ledger *ledger, struct account *from, struct account *to,
                        const struct client_limits *limits, int64_t now_ms)
{
    to->tunnels++;
    to->fleet.spare--;
    to->refs++; // the caller holds one: it does not rise from 0
    if (limits->scope == LIMIT_FLEET)
        list(ledger, to);
    count_down(&from->tunnels);
    from->fleet.spare++;
    note_change(ledger);
    ledger_close_account(ledger, from, now_ms);
}

void ledger_end_wait(struct ledger *ledger, struct ledger_ticket *ticket, int64_t now_ms)
{
    struct account *account = ticket->account;
    if (account == NULL)
        return;
    count_down(&account->fleet.queues[ticket->kind].waiting);
    ticket->account = NULL;
    ledger_close_account(ledger, account, now_ms);
}

static enum ledger_turn refuse_turn(struct limit_refusal *out, enum reason reason, int64_t wait_ms)
{
    (void)refuse(out, reason, false, wait_ms * NS_A_MS);
    return LEDGER_REFUSED;
}

static const char cannot_say[] = "the store cannot say now"; // an error, or it was empty

// why_lost tells why nothing is asked: there is no store, or it has an error for this client.
static const char *why_lost(const struct ledger *ledger)
{
    return (enum ledger_fleet)ledger->shared.fleet == LEDGER_FLEET_ASKS ? cannot_say
                                                                        : "the store is lost";
}

// refuse_unknown refuses because nobody can say what the client may now.
static enum ledger_turn refuse_unknown(struct limit_refusal *out, const char *why)
{
    (void)refuse(out, REASON_STORE_LOST, false, 0);
    out->detail = why;
    return LEDGER_REFUSED;
}

// begin_wait makes a request wait. It counts in the next question: one that is under way may have been sent before.
static void begin_wait(struct account *account, enum fleet_kind kind, struct ledger_ticket *ticket)
{
    struct fleet_queue *queue = &account->fleet.queues[kind];
    account->refs++;
    queue->waiting++;
    *ticket = (struct ledger_ticket){.account = account, .kind = kind, .round = queue->round + 1};
}

// wait_for makes a request wait, or says what has become of its question; `reason` is that of a full limit.
static enum ledger_turn wait_for(struct ledger *ledger, struct account *account,
                                 enum fleet_kind kind, struct ledger_ticket *ticket,
                                 enum reason reason, struct limit_refusal *out)
{
    if (ticket->account == NULL) {
        begin_wait(account, kind, ticket);
        ledger->shared.waits++;
        list(ledger, account);
        return LEDGER_WAITS;
    }
    struct fleet_queue *queue = &account->fleet.queues[kind];
    const struct fleet_answer answer = fleet_queue_answer(queue);
    if ((int32_t)(answer.round - ticket->round) < 0)
        return LEDGER_WAITS;
    switch (answer.outcome) {
    case FLEET_GRANTED: // others were quicker
        ticket->round = queue->round + 1;
        list(ledger, account);
        return LEDGER_WAITS;
    case FLEET_FULL:
        return refuse_turn(out, reason, answer.wait_ms);
    case FLEET_UNKNOWN:
        break;
    }
    return refuse_unknown(out, cannot_say);
}

// fleet_of tells what becomes of a request for which nothing is left.
static enum ledger_fleet fleet_of(const struct ledger *ledger, const struct account *account,
                                  enum fleet_kind kind)
{
    const enum ledger_fleet fleet = (enum ledger_fleet)ledger->shared.fleet;
    if (fleet == LEDGER_FLEET_ASKS && account->fleet.is_unheard[kind])
        return (enum ledger_fleet)ledger->shared.loss;
    return fleet;
}

bool ledger_is_answered(const struct ledger *ledger, const struct ledger_ticket *ticket)
{
    const struct account *account = ticket->account;
    if (account == NULL || fleet_of(ledger, account, ticket->kind) != LEDGER_FLEET_ASKS)
        return true;
    const struct fleet_answer answer = fleet_queue_answer(&account->fleet.queues[ticket->kind]);
    return (int32_t)(answer.round - ticket->round) >= 0;
}

// may_fill tells whether spare places may be filled: those that were granted until the grant ends, and after main has taken these
// back those of tunnels that have ended, unless nothing new is to be opened.
static bool may_fill(const struct ledger *ledger, int64_t now_ms)
{
    const int64_t until_ms = ledger->shared.until_ms;
    return until_ms > now_ms || (until_ms == 0 && ledger->shared.fleet != LEDGER_FLEET_REFUSES);
}

// take_place takes one of the account's places, or makes the request wait for one.
static enum ledger_turn take_place(struct ledger *ledger, struct account *account, uint32_t limit,
                                   int64_t now_ms, struct ledger_ticket *ticket,
                                   struct limit_refusal *out)
{
    struct fleet_account *fleet = &account->fleet;
    if (account->tunnels >= limit) // what is spare was granted when the limit was higher
        return refuse_turn(out, REASON_LIMIT_TUNNELS, 0);
    if (may_fill(ledger, now_ms) && fleet_account_take_place(fleet)) {
        account->tunnels++;
        if (fleet->spare <= fleet->low)
            list(ledger, account);
        return LEDGER_TAKEN;
    }
    switch (fleet_of(ledger, account, FLEET_TUNNELS)) {
    case LEDGER_FLEET_ASKS:
        return wait_for(ledger, account, FLEET_TUNNELS, ticket, REASON_LIMIT_TUNNELS, out);
    case LEDGER_FLEET_SHARES:
        if (!take_one(&account->tunnels, lease_share(limit, ledger->shared.members),
                      account->foreign))
            return refuse_turn(out, REASON_LIMIT_TUNNELS, 0);
        fleet->spare--;
        return LEDGER_TAKEN;
    case LEDGER_FLEET_REFUSES:
        break;
    }
    return refuse_unknown(out, why_lost(ledger));
}

// settle ends the waiting of a request that has its turn, for this or for anything else.
static enum ledger_turn settle(struct ledger *ledger, struct ledger_ticket *ticket,
                               enum ledger_turn turn, int64_t now_ms)
{
    if (turn != LEDGER_WAITS)
        ledger_end_wait(ledger, ticket, now_ms);
    return turn;
}

// leave_others ends the waiting for something else, or for an account that the client does not have any more.
static void leave_others(struct ledger *ledger, const struct account *account, enum fleet_kind kind,
                         struct ledger_ticket *ticket, int64_t now_ms)
{
    if (ticket->account != account || ticket->kind != kind)
        ledger_end_wait(ledger, ticket, now_ms);
}

enum ledger_turn ledger_take_tunnel_of_fleet(struct ledger *ledger, struct account *account,
                                             const struct client_limits *limits, int64_t now_ms,
                                             struct ledger_ticket *ticket,
                                             struct limit_refusal *out)
{
    enum ledger_turn turn = LEDGER_TAKEN;
    leave_others(ledger, account, FLEET_TUNNELS, ticket, now_ms);
    if (ledger_lacks_memory(ledger)) {
        (void)refuse(out, REASON_LIMIT_MEMORY, true, 0);
        return settle(ledger, ticket, LEDGER_REFUSED, now_ms);
    }
    if (limits->tunnels == 0) {
        account->tunnels++;
        account->fleet.spare--;
    } else {
        turn = take_place(ledger, account, limits->tunnels, now_ms, ticket, out);
    }
    if (turn == LEDGER_TAKEN && !take_for_process(ledger, account, out))
        turn = LEDGER_REFUSED;
    return settle(ledger, ticket, turn, now_ms);
}

// event_rate is a rate of which an event is to be taken.
struct event_rate {
    enum fleet_kind kind;
    enum reason reason;
    struct rate *rate; // that counts here
    uint32_t per_second;
    uint32_t burst;
};

// take_token takes an event of a rate of the fleet, or makes the request wait for one.
static enum ledger_turn take_token(struct ledger *ledger, struct account *account,
                                   const struct event_rate *event, int64_t now_ms,
                                   struct ledger_ticket *ticket, struct limit_refusal *out)
{
    struct fleet_account *fleet = &account->fleet;
    const uint32_t members = ledger->shared.members;
    int64_t wait_ns = 0;
    if (fleet_account_take_token(fleet, event->kind, now_ms)) {
        if (fleet_account_tokens(fleet, event->kind, now_ms) ==
            fleet->low_lots[event->kind - FLEET_NEW_TUNNELS])
            list(ledger, account);
        return LEDGER_TAKEN;
    }
    switch (fleet_of(ledger, account, event->kind)) {
    case LEDGER_FLEET_ASKS:
        return wait_for(ledger, account, event->kind, ticket, event->reason, out);
    case LEDGER_FLEET_SHARES:
        if (rate_take(event->rate, lease_share(event->per_second, members),
                      lease_share(event->burst, members), now_ms * NS_A_MS, &wait_ns))
            return LEDGER_TAKEN;
        (void)refuse(out, event->reason, false, wait_ns);
        return LEDGER_REFUSED;
    case LEDGER_FLEET_REFUSES:
        break;
    }
    return refuse_unknown(out, why_lost(ledger));
}

enum ledger_turn ledger_begin_tunnel_of_fleet(struct ledger *ledger, struct account *account,
                                              const struct client_limits *limits, int64_t now_ms,
                                              struct ledger_ticket *ticket,
                                              struct limit_refusal *out)
{
    const struct event_rate event = {.kind = FLEET_NEW_TUNNELS,
                                     .reason = REASON_LIMIT_NEW_TUNNELS,
                                     .rate = &account->new_tunnels,
                                     .per_second = limits->new_tunnels,
                                     .burst = limits->burst};
    leave_others(ledger, account, event.kind, ticket, now_ms);
    const enum ledger_turn turn = limits->new_tunnels == 0
                                      ? LEDGER_TAKEN
                                      : take_token(ledger, account, &event, now_ms, ticket, out);
    return settle(ledger, ticket, turn, now_ms);
}

enum ledger_turn ledger_take_request(struct ledger *ledger, struct account *account,
                                     const struct client_limits *limits, int64_t now_ms,
                                     struct ledger_ticket *ticket, struct limit_refusal *out)
{
    const struct event_rate event = {.kind = FLEET_REQUESTS,
                                     .reason = REASON_LIMIT_REQUESTS,
                                     .rate = &account->requests,
                                     .per_second = limits->requests,
                                     .burst = limits->requests_burst};
    int64_t wait_ns = 0;
    enum ledger_turn turn = LEDGER_TAKEN;
    leave_others(ledger, account, event.kind, ticket, now_ms);
    if (limits->requests != 0 && limits->scope == LIMIT_FLEET) {
        turn = take_token(ledger, account, &event, now_ms, ticket, out);
    } else if (limits->requests != 0 &&
               !rate_take(event.rate, event.per_second, event.burst, now_ms * NS_A_MS, &wait_ns)) {
        (void)refuse(out, event.reason, false, wait_ns);
        turn = LEDGER_REFUSED;
    }
    return settle(ledger, ticket, turn, now_ms);
}

void ledger_set_fleet(struct ledger *ledger, enum ledger_fleet fleet, uint32_t members)
{
    ledger->shared.members = members;
    ledger->shared.fleet = fleet;
}

void ledger_set_fleet_loss(struct ledger *ledger, enum ledger_fleet loss)
{
    ASSERT(loss != LEDGER_FLEET_ASKS);
    ledger->shared.loss = loss;
}

void ledger_set_fleet_end(struct ledger *ledger, int64_t until_ms)
{
    ledger->shared.until_ms = until_ms;
}

void ledger_set_share(struct ledger *ledger, struct account *account, bool is_up, uint64_t share)
{
    (void)pthread_mutex_lock(&ledger->lock); // `set` reads the one and writes the other under it
    if (is_up)
        account->fleet.share_up = share;
    else
        account->fleet.share_down = share;
    bandwidth_set(is_up ? &account->up : &account->down, share);
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ledger_keep_fleet(struct ledger *ledger, void (*on_ask)(void *arg), void *arg)
{
    if (on_ask != NULL)
        ledger->keeper = arg;
    atomic_store_explicit(&ledger->on_ask, on_ask, memory_order_release);
}

void ledger_take_listed(struct ledger *ledger, void (*take)(void *arg, struct account *account),
                        void *arg)
{
    struct account *account = atomic_exchange(&ledger->listed, NULL);
    while (account != NULL) {
        struct account *next = account->fleet.next_listed;
        account->fleet.is_listed = false; // from here on it may be listed again
        take(arg, account);
        account = next;
    }
}

void ledger_list_fleet(struct ledger *ledger)
{
    (void)pthread_mutex_lock(&ledger->lock);
    for (size_t i = 0; i < LEDGER_CHAINS; i++) {
        for (struct account *at = ledger->chains[i]; at != NULL; at = at->next) {
            if (at->fleet.limits.scope == LIMIT_FLEET && at->tunnels > 0)
                list(ledger, at);
        }
    }
    (void)pthread_mutex_unlock(&ledger->lock);
}

void *ledger_find_keeper(struct ledger *ledger, struct slice name)
{
    char text[NAME_CAP];
    if (!string_copy(text, sizeof text, name))
        return NULL;
    (void)pthread_mutex_lock(&ledger->lock);
    const struct account *account = find(*chain_of(ledger, hash_of(ledger, text)), text);
    void *keeper = account == NULL ? NULL : account->fleet.keeper;
    (void)pthread_mutex_unlock(&ledger->lock);
    return keeper;
}

struct client_limits ledger_read_limits(struct ledger *ledger, const struct account *account)
{
    (void)pthread_mutex_lock(&ledger->lock);
    const struct client_limits limits = account->fleet.limits;
    (void)pthread_mutex_unlock(&ledger->lock);
    return limits;
}

bool ledger_take_refusal(struct ledger *ledger, struct account *account, int64_t now_ms)
{
    int64_t wait_ns = 0;
    const uint32_t max = ledger->refused_requests_max;
    return max == 0 || rate_take(&account->refusals, max, max, now_ms * NS_A_MS, &wait_ns);
}

enum reason ledger_take_session(struct ledger *ledger)
{
    if (ledger_lacks_memory(ledger))
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
                                  .fleet_waits = ledger->shared.waits};
}

struct ledger_totals ledger_read_all(const struct ledger *ledger)
{
    struct ledger_totals totals = ledger_read(ledger);
    totals.sessions += ledger->foreign_sessions;
    totals.tunnels += ledger->foreign_tunnels;
    totals.memory += ledger->foreign_memory;
    return totals;
}
