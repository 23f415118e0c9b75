/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Config space by sentences, for tests: bytes that a function of this kind would have. */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

struct config {
        uint8_t bytes[4096];
        uint32_t n_bytes;  /* 4096 unless set otherwise */
        uint32_t link_at;  /* where the last standard capability links on */
        uint32_t free_at;  /* of the first 256 bytes */
        uint32_t last_ext; /* 0: none yet */
        uint32_t free_ext;
};

struct config config_new(uint16_t vendor, uint16_t device, uint32_t class_code);
/* A type 1 header with these bus numbers. */
struct config config_bridge(uint32_t class_code, uint8_t secondary, uint8_t subordinate);
/* A VF's header: ids read ffff:ffff. */
struct config config_vf(void);

void put8(struct config *c, uint32_t at, uint8_t val);
void put16(struct config *c, uint32_t at, uint16_t val);
void put32(struct config *c, uint32_t at, uint32_t val);

/* Adds a capability of n bytes and gives its offset. */
uint32_t add_capability(struct config *c, uint8_t id, uint32_t n);
uint32_t add_extended(struct config *c, uint16_t id, uint8_t version, uint32_t n);

/* PCI Express capability version 2 with this port type, link 16 GT/s x8 able, 8 GT/s x4 now. */
uint32_t add_express(struct config *c, enum p2p_port_type type);
uint32_t add_acs(struct config *c, uint16_t capability, uint16_t control);
/* Enabled, with Memory Space Enable. */
uint32_t add_sriov(struct config *c, uint16_t total, uint16_t num, uint16_t first, uint16_t stride,
                   uint64_t vf_bar0);

/* Appends it as `lspci -xxxx` prints it. */
void config_print(const struct config *c, const char *address, uint32_t n_bytes, char *text,
                  size_t size);
