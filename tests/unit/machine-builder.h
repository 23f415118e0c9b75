/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Builds machines for tests by sentences. Everything is known unless said otherwise: no ACS
 * capability, no BAR, no driver, no IOMMU group, NUMA node not reported, Linux 7.3 on an Intel
 * server CPU that no rule accepts.
 *
 * Functions are named by address. A handle is good until builder_finish(); after it, ask
 * builder_at() for the index.
 */

#include "machine.h"

struct builder {
        struct p2p_machine *m;
};

#define ON_ROOT_BUS UINT32_MAX

struct builder builder_new(void);
void builder_free(struct builder *b);

/* Sorts and freezes; the machine stays the builder's. */
const struct p2p_machine *builder_finish(struct builder *b);

/* Index of the function in the finished machine; fails the test if it is not there. */
uint32_t builder_at(const struct builder *b, const char *address);

/* The function itself, before finishing. */
struct p2p_function *builder_edit(struct builder *b, uint32_t handle);

/* Functions. parent: a handle, or ON_ROOT_BUS: then the bus of the address is a root bus. */
uint32_t builder_function(struct builder *b, const char *address, uint32_t parent,
                          enum p2p_port_type type, uint32_t class_code);
uint32_t builder_host_bridge(struct builder *b, const char *address, uint16_t vendor,
                             uint16_t device);
uint32_t builder_root_port(struct builder *b, const char *address);
uint32_t builder_upstream(struct builder *b, const char *address, uint32_t parent);
uint32_t builder_downstream(struct builder *b, const char *address, uint32_t parent);
uint32_t builder_endpoint(struct builder *b, const char *address, uint32_t parent);
uint32_t builder_integrated(struct builder *b, const char *address);
uint32_t builder_vf(struct builder *b, const char *address, uint32_t physfn);

/* Facts. */
void acs(struct builder *b, uint32_t handle, uint16_t control);
void acs_unknown(struct builder *b, uint32_t handle, enum p2p_why why);
void ids(struct builder *b, uint32_t handle, uint16_t vendor, uint16_t device);
void numa(struct builder *b, uint32_t handle, uint32_t node);
void link_is(struct builder *b, uint32_t handle, uint32_t mts, uint32_t lanes, uint32_t max_mts,
             uint32_t max_lanes);
void parent_missing(struct builder *b, uint32_t handle, enum p2p_why why);
struct p2p_bar *bar(struct builder *b, uint32_t handle, unsigned index, uint64_t phys_start,
                    uint64_t size_bytes);
void driver(struct builder *b, uint32_t handle, const char *name, unsigned dma_mask_bits);
struct p2p_group *group(struct builder *b, uint32_t handle, uint32_t number,
                        enum p2p_group_type type);
void cpu(struct builder *b, enum p2p_cpu_vendor vendor, uint32_t family, uint32_t model);
void kernel(struct builder *b, const char *release);
