/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Machines of slots for the tests of leases, and short ways to ask the table. */

#include "leases.h"
#include "machine-builder.h"
#include "publish/state-file.h"

/* A machine of slots: 16 root ports, with a device of some kind in each, or none. A device of kind
 * NIC has two virtual functions. Bus numbers begin at a base, which changes. */
#define N_SLOTS 16U

enum kind { EMPTY, GPU, OTHER_GPU, NIC, UNREADABLE, N_KINDS };

#define SERIAL_HIDDEN UINT64_MAX

struct layout {
        enum kind kinds[N_SLOTS];
        uint64_t serials[N_SLOTS]; /* 0: the device has none; SERIAL_HIDDEN: it cannot be read */
        unsigned first_bus;
};

struct builder machine_of(const struct layout *layout);

/* A NIC in every fourth slot, GPUs in the others. */
struct layout layout_of(unsigned first_bus);

/* Function 0, or 1 and 2 for the virtual ones; P2P_NONE: it is not there. */
uint32_t index_of(const struct builder *b, unsigned bus, unsigned function);

/* What was told. */
struct told {
        uint32_t n;
        enum p2pd_lease_event_kind kinds[64];
        uint64_t numbers[64];
        struct p2p_address devices[64]; /* {0} without one */
};

/* A p2pd_lease_event_fn for struct told. */
void tell(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
          const struct p2pd_lease_device *device, void *userdata);

/* With the default limits; it has followed the machine. */
struct p2pd_leases *table_new(const struct builder *b);

/* The moment of request_of(): the wall clock is that much ahead. */
#define BOOT_NOW UINT64_C(1000)
#define WALL_AHEAD UINT64_C(50000000)

/* The moment at which it is boot_usec, the wall clock being that much ahead. */
struct p2pd_lease_time time_at(uint64_t boot_usec, uint64_t ahead_usec);

/* By uid 1000, pid 77, over connection 5, without an end. */
struct p2pd_lease_request request_of(const struct builder *b, const char *name,
                                     const uint32_t *functions, uint32_t n);

bool is_held(const struct p2pd_leases *l, const struct builder *b, uint64_t except,
             uint32_t function);

/* Written at BOOT_NOW. The caller frees the devices. */
struct p2pd_state_lease exported(const struct p2pd_lease *lease);
