/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-builder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void put8(struct config *c, uint32_t at, uint8_t val)
{
        assert(at < sizeof(c->bytes));
        c->bytes[at] = val;
}

void put16(struct config *c, uint32_t at, uint16_t val)
{
        put8(c, at, (uint8_t)val);
        put8(c, at + 1, (uint8_t)(val >> 8));
}

void put32(struct config *c, uint32_t at, uint32_t val)
{
        put16(c, at, (uint16_t)val);
        put16(c, at + 2, (uint16_t)(val >> 16));
}

struct config config_new(uint16_t vendor, uint16_t device, uint32_t class_code)
{
        struct config c = {.n_bytes = 4096, .free_at = 0x40, .free_ext = 0x100};

        put16(&c, 0x00, vendor);
        put16(&c, 0x02, device);
        put16(&c, 0x04, 0x0006); /* memory decoding, bus master */
        put32(&c, 0x08, class_code << 8 | 0x02);
        return c;
}

struct config config_bridge(uint32_t class_code, uint8_t secondary, uint8_t subordinate)
{
        struct config c = config_new(0x1b36, 0x000c, class_code);

        put8(&c, 0x0e, 1);
        put8(&c, 0x19, secondary);
        put8(&c, 0x1a, subordinate);
        return c;
}

struct config config_vf(void)
{
        struct config c = config_new(0xffff, 0xffff, 0x020000);

        put16(&c, 0x04, 0x0004);
        return c;
}

uint32_t add_capability(struct config *c, uint8_t id, uint32_t n)
{
        uint32_t at = c->free_at;

        assert(at + n <= 256);
        put16(c, 0x06, 0x0010);
        if (at == 0x40)
                put8(c, 0x34, 0x40);
        else
                put8(c, c->link_at, (uint8_t)at);
        put8(c, at, id);
        c->link_at = at + 1;
        c->free_at = (at + n + 3) & ~3U;
        return at;
}

uint32_t add_extended(struct config *c, uint16_t id, uint8_t version, uint32_t n)
{
        uint32_t at = c->free_ext;

        assert(at + n <= 4096);
        if (c->last_ext)
                put16(c, c->last_ext + 2, (uint16_t)((c->bytes[c->last_ext + 2] & 0xf) | at << 4));
        put32(c, at, id | (uint32_t)version << 16);
        c->last_ext = at;
        c->free_ext = (at + n + 3) & ~3U;
        return at;
}

uint32_t add_express(struct config *c, enum p2p_port_type type)
{
        uint32_t at = add_capability(c, 0x10, 0x3c);

        put16(c, at + 2, (uint16_t)(2 | type << 4));
        put32(c, at + 0x0c, 4 | 8 << 4);
        put16(c, at + 0x12, 3 | 4 << 4);
        put32(c, at + 0x2c, 0x0f << 1);
        return at;
}

uint32_t add_acs(struct config *c, uint16_t capability, uint16_t control)
{
        uint32_t at = add_extended(c, 0x000d, 1, 8);

        put16(c, at + 4, capability);
        put16(c, at + 6, control);
        return at;
}

uint32_t add_sriov(struct config *c, uint16_t total, uint16_t num, uint16_t first, uint16_t stride,
                   uint64_t vf_bar0)
{
        uint32_t at = add_extended(c, 0x0010, 1, 64);

        put16(c, at + 0x08, 0x0009);
        put16(c, at + 0x0c, total);
        put16(c, at + 0x0e, total);
        put16(c, at + 0x10, num);
        put16(c, at + 0x14, first);
        put16(c, at + 0x16, stride);
        put16(c, at + 0x1a, 0x1234);
        put32(c, at + 0x24, (uint32_t)vf_bar0 | 0xc);
        put32(c, at + 0x28, (uint32_t)(vf_bar0 >> 32));
        return at;
}

void config_print(const struct config *c, const char *address, uint32_t n_bytes, char *text,
                  size_t size)
{
        size_t n = strlen(text);

        n += (size_t)snprintf(text + n, size - n, "%s Some device: of some vendor\n", address);
        for (uint32_t i = 0; i < n_bytes; i++) {
                if (i % 16 == 0)
                        n += (size_t)snprintf(text + n, size - n, "%02x:", (unsigned)i);
                n += (size_t)snprintf(text + n, size - n, " %02x%s", (unsigned)c->bytes[i],
                                      i % 16 == 15 ? "\n" : "");
        }
        assert(n + 1 < size);
        strcpy(text + n, "\n");
}
