/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scoped-world.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_bridge(const struct node *x)
{
        return x->kind <= OLD_BRIDGE;
}

static uint32_t draw(struct world *w, uint32_t n)
{
        return random_below(&w->dice, n);
}

static void find_place(const struct world *w, struct node *x)
{
        const char *above = x->parent == UINT32_MAX ? "pci0000:00" : w->nodes[x->parent].place;
        char name[P2P_ADDRESS_STRING_MAX];

        assert_true(snprintf(x->place, sizeof(x->place), "%.130s/%s", above,
                             p2p_address_format(x->address, name)) < (int)sizeof(x->place));
}

uint32_t world_add(struct world *w, enum kind kind, uint32_t parent, uint8_t devfn)
{
        struct node *x = &w->nodes[w->n];

        assert_true(w->n < NODES_MAX && w->next_bus < 0xf0);
        *x = (struct node){
                .kind = kind,
                .parent = parent,
                .physical = UINT32_MAX,
                .address.bus = parent == UINT32_MAX ? 0 : w->nodes[parent].bus,
                .address.devfn = devfn,
                .group = draw(w, 3) ? w->next_group++ : 1000,
                .device = (uint16_t)(0x100 + draw(w, 3)),
                .is_there = true,
        };
        if (is_bridge(x))
                x->bus = w->next_bus++;
        find_place(w, x);
        return w->n++;
}

struct config world_config(const struct world *w, const struct node *x)
{
        static const enum p2p_port_type types[] = {
                [ROOT_PORT] = P2P_PORT_ROOT_PORT,   [UPSTREAM] = P2P_PORT_UPSTREAM,
                [DOWNSTREAM] = P2P_PORT_DOWNSTREAM, [OLD_BRIDGE] = P2P_PORT_PCIE_TO_PCI,
                [ENDPOINT] = P2P_PORT_ENDPOINT,     [NIC] = P2P_PORT_ENDPOINT,
        };
        struct config c = is_bridge(x)         ? config_bridge(0x060400, x->bus, x->bus)
                          : x->kind == VIRTUAL ? config_vf()
                                               : config_new(0x144d, x->device,
                                                            x->kind == NIC ? 0x020000 : 0x010802);
        const bool is_old = x->parent != UINT32_MAX && w->nodes[x->parent].kind == OLD_BRIDGE;
        uint32_t at;

        put16(&c, 0x04, x->has_driver ? 6 : 2);
        if (is_old) {
                c.n_bytes = 256;
                return c;
        }
        at = add_express(&c, types[x->kind == VIRTUAL ? ENDPOINT : x->kind]);
        put16(&c, at + 0x28, x->forwards_ari ? 0x20 : 0);
        if (x->kind == ROOT_PORT || x->kind == DOWNSTREAM)
                add_acs(&c, 0x5f, x->acs);
        if (x->kind == NIC)
                add_sriov(&c, 4, (uint16_t)x->n_virtual, 0x10, 1, 0x10000000ULL + x->acs * 0x1000U);
        return c;
}

void world_list(struct world *w, struct node *x, bool is_listed)
{
        char path[80], target[256], name[P2P_ADDRESS_STRING_MAX];

        if (x->is_listed == is_listed)
                return;
        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s",
                       p2p_address_format(x->address, name));
        (void)snprintf(target, sizeof(target), "../../../devices/%s", x->place);
        if (is_listed)
                root_link(&w->root, path, target);
        else
                root_remove(&w->root, path);
        x->is_listed = is_listed;
}

void world_write(struct world *w, uint32_t i, bool is_new)
{
        struct node *x = &w->nodes[i];
        struct config c = world_config(w, x);
        char path[256], text[300], name[P2P_ADDRESS_STRING_MAX];
        int n = 0;

        if (is_new) {
                world_list(w, x, false);
                root_function(&w->root, x->place, &c);
                x->is_listed = true;
                (void)snprintf(path, sizeof(path), "sys/devices/%s/iommu_group", x->place);
                (void)snprintf(text, sizeof(text), "../kernel/iommu_groups/%u", x->group);
                root_link(&w->root, path, text);
                (void)snprintf(path, sizeof(path), "sys/devices/%s/iommu", x->place);
                root_link(&w->root, path, "../../virtual/iommu/dmar0");
        }
        (void)snprintf(path, sizeof(path), "sys/devices/%s/config", x->place);
        root_file(&w->root, path, c.bytes, c.n_bytes);
        for (unsigned line = 0; line < 13; line++) {
                const uint64_t start = 0x200000000ULL + i * 0x100000U + x->acs * 0x10U;
                const bool is_bar = line == 0 && !is_bridge(x);

                n += snprintf(text + n, sizeof(text) - (size_t)n, "0x%llx 0x%llx 0x%x\n",
                              is_bar ? (unsigned long long)start : 0,
                              is_bar ? (unsigned long long)start + 0xfff : 0,
                              is_bar ? 0x140204 : 0);
        }
        root_attribute(&w->root, x->place, "resource", x->is_odd ? "nonsense\n" : text);
        if (is_bridge(x)) {
                (void)snprintf(path, sizeof(path), "%u\n", x->bus);
                root_attribute(&w->root, x->place, "secondary_bus_number", path);
                root_attribute(&w->root, x->place, "subordinate_bus_number", path);
        }
        if (x->kind == ENDPOINT)
                root_attribute(&w->root, x->place, "power/runtime_status",
                               x->is_asleep ? "suspended\n" : "active\n");
        root_attribute(&w->root, x->place, "numa_node",
                       x->kind == NIC && x->acs & 1 ? "1\n" : "0\n");
        if (x->kind == VIRTUAL && is_new) {
                (void)snprintf(path, sizeof(path), "sys/devices/%s/physfn", x->place);
                (void)snprintf(text, sizeof(text), "../%s",
                               p2p_address_format(w->nodes[x->physical].address, name));
                root_link(&w->root, path, text);
        }
        /* Reserved regions are those of all members. */
        (void)snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/type", x->group);
        root_text(&w->root, path,
                  x->group % 20      ? "DMA\n"
                  : x->group == 1000 ? "identity\n"
                                     : "odd\n");
}

static void write_shared_group(struct world *w)
{
        char text[2048] = "";

        for (uint32_t i = 0; i < w->n; i++)
                if (w->nodes[i].is_there && w->nodes[i].is_listed && w->nodes[i].group == 1000 &&
                    strlen(text) < 1900)
                        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                                       "0x%x000 0x%xfff direct\n", i, i);
        root_text(&w->root, "sys/kernel/iommu_groups/1000/reserved_regions", text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

void world_remove_files(const struct world *w, const char *place)
{
        char full[400];

        (void)snprintf(full, sizeof(full), "%s/sys/devices/%s", w->root.path, place);
        assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static bool is_below(const struct world *w, uint32_t i, uint32_t top)
{
        for (; i != UINT32_MAX; i = w->nodes[i].parent)
                if (i == top || w->nodes[i].physical == top)
                        return true;
        return false;
}

/* Two to four root ports with a switch, an endpoint, a NIC or an old bridge each. */
static void build(struct world *w)
{
        const uint32_t ports = 2 + draw(w, 3);

        for (uint32_t p = 0; p < ports; p++) {
                const uint32_t port = world_add(w, ROOT_PORT, UINT32_MAX, (uint8_t)((p + 1) << 3));
                const uint32_t what = draw(w, 4);

                if (what == 0) {
                        const uint32_t up = world_add(w, UPSTREAM, port, 0);

                        for (uint8_t d = 0; d < 3; d++)
                                (void)world_add(w, draw(w, 2) ? NIC : ENDPOINT,
                                                world_add(w, DOWNSTREAM, up, (uint8_t)(d << 3)), 0);
                } else if (what == 1) {
                        const uint32_t old = world_add(w, OLD_BRIDGE, port, 0);

                        (void)world_add(w, ENDPOINT, old, 8);
                        (void)world_add(w, ENDPOINT, world_add(w, OLD_BRIDGE, old, 16), 8);
                } else {
                        for (uint8_t f = 0; f < 1 + draw(w, 3); f++)
                                (void)world_add(w, f == 0 && what == 2 ? NIC : ENDPOINT, port, f);
                }
        }
        root_text(&w->root, "proc/version", "Linux version 6.12.0 (x)\n");
        root_text(&w->root, "proc/cpuinfo",
                  "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n\n");
        root_text(&w->root, "boot/config-6.12.0", "# CONFIG_PCI_P2PDMA is not set\n");
        for (uint32_t i = 0; i < w->n; i++)
                world_write(w, i, true);
        write_shared_group(w);
}

/* The kernel may set up the ports above anew, and what is beside it. */
static void change_around(struct world *w, uint32_t i)
{
        for (uint32_t at = w->nodes[i].parent; at != UINT32_MAX; at = w->nodes[at].parent)
                if (draw(w, 2)) {
                        w->nodes[at].acs ^= 0x1d;
                        w->nodes[at].forwards_ari ^= draw(w, 3) == 0;
                        w->nodes[at].is_deaf = draw(w, 8) == 0;
                        world_write(w, at, false);
                }
        for (uint32_t k = 0; k < w->n; k++)
                if (w->nodes[k].is_there && w->nodes[k].parent == w->nodes[i].parent &&
                    w->nodes[k].kind == ENDPOINT && draw(w, 2)) {
                        w->nodes[k].acs++;
                        world_write(w, k, false);
                }
}

void world_unplug(struct world *w, uint32_t top)
{
        const bool is_torn = draw(w, 4) == 0;

        /* From the leaves up; those below may be named, too. The list can be older than that. */
        for (uint32_t i = w->n; i-- > 0;)
                if (w->nodes[i].is_there && is_below(w, i, top)) {
                        world_remove_files(w, w->nodes[i].place);
                        if (!is_torn || draw(w, 2))
                                world_list(w, &w->nodes[i], false);
                        w->nodes[i].is_there = false;
                        w->nodes[i].n_virtual = 0;
                }
        change_around(w, top);
}

/* What is below, and not there, gets other bus numbers. */
static void renumber(struct world *w, uint32_t top)
{
        for (uint32_t i = top + 1; i < w->n; i++) {
                struct node *x = &w->nodes[i];

                if (x->is_there || !is_below(w, i, top))
                        continue;
                world_list(w, x, false);
                x->address.bus = w->nodes[x->parent].bus;
                if (is_bridge(x) && w->next_bus < 0xf0)
                        x->bus = w->next_bus++;
                find_place(w, x);
        }
}

static void plug(struct world *w, uint32_t top)
{
        const uint32_t parent = w->nodes[top].parent;

        if (parent != UINT32_MAX && !w->nodes[parent].is_there)
                return;
        if (is_bridge(&w->nodes[top]) && draw(w, 3) == 0 && w->next_bus < 0xf0) {
                w->nodes[top].bus = w->next_bus++;
                renumber(w, top);
        }
        for (uint32_t i = top; i < w->n; i++) {
                struct node *x = &w->nodes[i];

                if (!x->is_there && x->kind != VIRTUAL && is_below(w, i, top)) {
                        x->is_there = true;
                        x->has_driver = x->is_asleep = false;
                        /* The number of a group that is gone, or it joins one. */
                        if (draw(w, 3) == 0)
                                x->group = w->nodes[draw(w, w->n)].group;
                        world_write(w, i, true);
                }
        }
        change_around(w, top);
}

void world_enable_virtual(struct world *w, uint32_t pf, struct p2pd_scope *scope)
{
        struct node *x = &w->nodes[pf];
        const uint8_t devfn = (uint8_t)(x->address.devfn + 0x10 + x->n_virtual);
        uint32_t vf = UINT32_MAX;

        if (x->n_virtual == 4 || w->n == NODES_MAX)
                return;
        for (uint32_t i = 0; i < w->n; i++)
                if (w->nodes[i].physical == pf && w->nodes[i].address.devfn == devfn)
                        vf = i;
        if (vf == UINT32_MAX) {
                vf = world_add(w, VIRTUAL, x->parent, devfn);
                w->nodes[vf].physical = pf;
        }
        w->nodes[vf].is_there = true;
        x->n_virtual++;
        x->acs++;
        x->is_deaf = draw(w, 8) == 0;
        world_write(w, vf, true);
        world_write(w, pf, false);
        p2pd_scope_add(scope, w->nodes[vf].address);
}

static void bind(struct world *w, uint32_t i)
{
        struct node *x = &w->nodes[i];
        char path[256];

        x->has_driver = !x->has_driver;
        world_write(w, i, false);
        (void)snprintf(path, sizeof(path), "sys/devices/%s/driver", x->place);
        if (!x->has_driver) {
                root_remove(&w->root, path);
                return;
        }
        root_link(&w->root, path,
                  x->kind == NIC ? "../bus/pci/drivers/mlx5_core" : "../bus/pci/drivers/nvme");
        root_attribute(&w->root, x->place, x->kind == NIC ? "net/eth0/x" : "nvme/nvme0/x", "\n");
        if (x->kind == ENDPOINT) {
                root_attribute(&w->root, x->place, "p2pmem/size", "4096\n");
                root_attribute(&w->root, x->place, "p2pmem/available", "4096\n");
                root_attribute(&w->root, x->place, "p2pmem/published", "1\n");
        }
}

/* Another device in the slot, or a port that changes itself, or files that do not parse. */
static void change(struct world *w, uint32_t i)
{
        struct node *x = &w->nodes[i];

        x->device ^= 1;
        x->acs ^= 0x1d;
        x->forwards_ari = !x->forwards_ari;
        x->is_odd = draw(w, 4) == 0;
        x->is_asleep = x->kind == ENDPOINT && draw(w, 4) == 0;
        x->is_deaf = draw(w, 8) == 0;
        world_write(w, i, false);
        if (is_bridge(x))
                for (uint32_t k = 0; k < w->n; k++)
                        if (k != i && w->nodes[k].is_there && is_below(w, k, i)) {
                                w->nodes[k].acs ^= 1;
                                world_write(w, k, false);
                        }
}

/* The function or a port above it that is not listed, though it is there; UINT32_MAX: none. */
static uint32_t find_unlisted(const struct world *w, uint32_t i)
{
        while (i != UINT32_MAX && (w->nodes[i].is_listed || !w->nodes[i].is_there))
                i = w->nodes[i].parent;
        return i;
}

static void step(struct world *w, struct p2pd_scope *scope)
{
        const uint32_t i = draw(w, w->n);
        const uint32_t unlisted = find_unlisted(w, i);
        struct node *x = &w->nodes[i];

        /* A list that was read while it changed; nobody says so. */
        if (unlisted != UINT32_MAX) {
                world_list(w, &w->nodes[unlisted], true);
                return;
        }
        if (x->is_there && draw(w, 6) == 0) {
                world_list(w, x, false);
                return;
        }
        if (!x->is_there) {
                if (x->kind != VIRTUAL)
                        plug(w, i);
                /* What is listed needs no name. */
                if (draw(w, 4) == 0)
                        return;
        } else if (draw(w, 3) == 0) {
                world_unplug(w, i);
        } else if (x->kind == NIC && draw(w, 2)) {
                world_enable_virtual(w, i, scope);
                return;
        } else if (!is_bridge(x) && x->kind != VIRTUAL && draw(w, 2)) {
                bind(w, i);
        } else {
                change(w, i);
        }
        p2pd_scope_add(scope, w->nodes[i].address);
}

struct world *world_new_random(uint32_t seed)
{
        struct world *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->root = root_new();
        w->dice.state = seed + 1;
        w->next_bus = 1;
        build(w);
        return w;
}

void world_random_steps(struct world *w, struct p2pd_scope *scope)
{
        *scope = (struct p2pd_scope){0};
        for (uint32_t k = 1 + draw(w, 3); k > 0; k--)
                step(w, scope);
        write_shared_group(w);
}

void world_build_fixed(struct world *w, uint32_t *near, uint32_t *far)
{
        uint32_t up;

        *w = (struct world){.root = root_new(), .next_bus = 1, .dice.state = 1};
        up = world_add(w, UPSTREAM, world_add(w, ROOT_PORT, UINT32_MAX, 8), 0);
        *near = world_add(w, ENDPOINT, world_add(w, DOWNSTREAM, up, 0), 0);
        *far = world_add(w, ENDPOINT, world_add(w, ROOT_PORT, UINT32_MAX, 16), 0);
        root_text(&w->root, "proc/version", "Linux version 6.12.0 (x)\n");
        for (uint32_t i = 0; i < w->n; i++)
                world_write(w, i, true);
}
