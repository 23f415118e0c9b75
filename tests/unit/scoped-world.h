/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A machine on disk whose functions come, go and change like those of a real one, for tests that
 * read it as a captured root or as the live machine. Every function ends the test when the system
 * does not do as it is told.
 */

#include "config-builder.h"
#include "discover/scope.h"
#include "machine.h"
#include "random-machine.h"
#include "root-builder.h"

#define NODES_MAX 96U

enum kind { ROOT_PORT, UPSTREAM, DOWNSTREAM, OLD_BRIDGE, ENDPOINT, NIC, VIRTUAL };

struct node {
        enum kind kind;
        char place[160]; /* below sys/devices */
        struct p2p_address address;
        uint32_t parent;   /* node; UINT32_MAX: on the root bus */
        uint32_t physical; /* of a VIRTUAL */
        uint8_t bus;       /* behind a bridge */
        uint32_t group;
        uint16_t acs, device;
        bool is_there, is_listed, forwards_ari, has_driver, is_odd;
        bool is_asleep, is_deaf; /* live: runtime suspended; its config space cannot be read */
        unsigned n_virtual;      /* enabled */
};

struct world {
        struct root root;
        struct random dice;
        struct node nodes[NODES_MAX];
        uint32_t n;
        uint8_t next_bus;
        uint32_t next_group;
};

/* A machine to begin with; the caller removes its root and frees it. */
struct world *world_new_random(uint32_t seed);

/* A switch with an endpoint, and an endpoint elsewhere. */
void world_build_fixed(struct world *w, uint32_t *near, uint32_t *far);

/* Some random steps; *scope: what uevents would name. */
void world_random_steps(struct world *w, struct p2pd_scope *scope);

/* A node more, not written; parent: node, or UINT32_MAX. Its number. */
uint32_t world_add(struct world *w, enum kind kind, uint32_t parent, uint8_t devfn);

/* Writes what the function is now; where it stands already, over it. */
void world_write(struct world *w, uint32_t i, bool is_new);

/* In the kernel's list, or not. */
void world_list(struct world *w, struct node *x, bool is_listed);

/* The directory at a place below sys/devices, with all in it. */
void world_remove_files(const struct world *w, const char *place);

/* Removes it with what is below; some of that may still be listed. */
void world_unplug(struct world *w, uint32_t top);

/* Enables one VF more, which the scope names; its PF changes without being named. */
void world_enable_virtual(struct world *w, uint32_t pf, struct p2pd_scope *scope);

/* Config space of a function as it is now. */
struct config world_config(const struct world *w, const struct node *x);
