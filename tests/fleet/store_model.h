// store_model: the store as the scripts of proxy/fleet/fleet_scripts.c make it, in C: for the simulator, and compared with a
// real one by agreement_test.
//
// Instances and accounts are numbers; where the store goes by the order of names, names of equal length are meant.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_INSTANCES = 1600, MODEL_ACCOUNTS = 4, MODEL_DIRECTIONS = 2 };

struct model_account {
    uint32_t held[MODEL_INSTANCES];
    uint32_t total;
    bool is_there;     // the store has a total
    int64_t scarce_ms; // 0: it is not scarce
    double paid_us[2]; // of both rates; 0: nothing was taken
    int64_t paid_ends_ms[2];
    struct {
        int64_t demand[MODEL_INSTANCES]; // 0: none
        int64_t at_ms[MODEL_INSTANCES];
        int64_t sums_ms; // 0: there are none
        int64_t sums[3];
    } shares[MODEL_DIRECTIONS];
};

// store_model is zeroed when it is empty. Copied as a whole it is a replica.
struct store_model {
    int64_t now_us;                   // its clock
    int64_t last_ms;                  // of the last beat; 0: there was none
    int64_t fleet_ms;                 // the fleet's time
    double alive_ms[MODEL_INSTANCES]; // when it is dead; 0: being reaped
    bool is_alive[MODEL_INSTANCES];   // the store knows it
    uint64_t epoch[MODEL_INSTANCES];  // of its last beat; 0: none
    uint32_t alive_count;
    struct model_account accounts[MODEL_ACCOUNTS];
};

struct model_beat {
    bool was_known;
    uint32_t members;
    bool is_scarce[MODEL_ACCOUNTS];
};

struct model_beat store_model_beat(struct store_model *model, uint32_t instance, uint64_t epoch,
                                   int64_t ttl_ms);

void store_model_leave(struct store_model *model, uint32_t instance);

// store_model_lease gives what is granted; false: NOTALIVE.
bool store_model_lease(struct store_model *model, uint32_t account, uint32_t instance,
                       uint64_t epoch, uint32_t n, uint32_t keep, uint32_t need, uint32_t want,
                       uint32_t *out_granted, uint32_t *out_others, bool *out_settles);

uint32_t store_model_rate(struct store_model *model, uint32_t account, uint32_t which,
                          uint32_t per_second, uint32_t burst, uint32_t want, int64_t *out_wait_us);

void store_model_share(struct store_model *model, uint32_t account, uint32_t direction,
                       uint32_t instance, int64_t limit, int64_t demand, int64_t out[3]);
