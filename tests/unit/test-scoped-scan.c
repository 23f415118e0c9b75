/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading what uevents named gives the machine that reading everything gives. Random trees on disk,
 * random steps of hotplug with what a kernel changes along with them; each result is what the next
 * step begins with, so that nothing wrong is washed out.
 */

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decide/diff.h"
#include "discover/scope.h"
#include "discover/source.h"
#include "random-machine.h"
#include "root-builder.h"

#define NODES_MAX 96U
#define MACHINES 25U
#define STEPS 24U

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
        bool is_there, forwards_ari, has_driver, is_odd;
        unsigned n_virtual; /* enabled */
};

struct world {
        struct root root;
        struct random dice;
        struct node nodes[NODES_MAX];
        uint32_t n;
        uint8_t next_bus;
        uint32_t next_group;
};

static bool is_bridge(const struct node *x)
{
        return x->kind <= OLD_BRIDGE;
}

static uint32_t draw(struct world *w, uint32_t n)
{
        return random_below(&w->dice, n);
}

static uint32_t add_node(struct world *w, enum kind kind, uint32_t parent, uint8_t devfn)
{
        struct node *x = &w->nodes[w->n];
        const char *above = parent == UINT32_MAX ? "pci0000:00" : w->nodes[parent].place;
        char name[P2P_ADDRESS_STRING_MAX];

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
        assert_true(snprintf(x->place, sizeof(x->place), "%.130s/%s", above,
                             p2p_address_format(x->address, name)) < (int)sizeof(x->place));
        return w->n++;
}

static struct config config_of(const struct world *w, const struct node *x)
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

/* Writes what the function is now; where it stands already, over it. */
static void write_node(struct world *w, uint32_t i, bool is_new)
{
        const struct node *x = &w->nodes[i];
        struct config c = config_of(w, x);
        char path[256], text[300], name[P2P_ADDRESS_STRING_MAX];
        int n = 0;

        if (is_new) {
                root_function(&w->root, x->place, &c);
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
        root_text(&w->root, path, draw(w, 20) || x->group == 1000 ? "DMA\n" : "odd\n");
}

static void write_shared_group(struct world *w)
{
        char text[2048] = "";

        for (uint32_t i = 0; i < w->n; i++)
                if (w->nodes[i].is_there && w->nodes[i].group == 1000 && strlen(text) < 1900)
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

static void remove_files(const struct world *w, const char *place)
{
        char full[400];

        (void)snprintf(full, sizeof(full), "%s/sys/devices/%s", w->root.path, place);
        assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void unlist(const struct world *w, const struct node *x)
{
        char path[80], name[P2P_ADDRESS_STRING_MAX];

        (void)snprintf(path, sizeof(path), "sys/bus/pci/devices/%s",
                       p2p_address_format(x->address, name));
        root_remove(&w->root, path);
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
                const uint32_t port = add_node(w, ROOT_PORT, UINT32_MAX, (uint8_t)((p + 1) << 3));
                const uint32_t what = draw(w, 4);

                if (what == 0) {
                        const uint32_t up = add_node(w, UPSTREAM, port, 0);

                        for (uint8_t d = 0; d < 3; d++)
                                (void)add_node(w, draw(w, 2) ? NIC : ENDPOINT,
                                               add_node(w, DOWNSTREAM, up, (uint8_t)(d << 3)), 0);
                } else if (what == 1) {
                        const uint32_t old = add_node(w, OLD_BRIDGE, port, 0);

                        (void)add_node(w, ENDPOINT, old, 8);
                        (void)add_node(w, ENDPOINT, add_node(w, OLD_BRIDGE, old, 16), 8);
                } else {
                        for (uint8_t f = 0; f < 1 + draw(w, 3); f++)
                                (void)add_node(w, f == 0 && what == 2 ? NIC : ENDPOINT, port, f);
                }
        }
        root_text(&w->root, "proc/version", "Linux version 6.12.0 (x)\n");
        root_text(&w->root, "proc/cpuinfo",
                  "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n\n");
        root_text(&w->root, "boot/config-6.12.0", "# CONFIG_PCI_P2PDMA is not set\n");
        for (uint32_t i = 0; i < w->n; i++)
                write_node(w, i, true);
        write_shared_group(w);
}

/* The kernel may set up the ports above anew, and what is beside it. */
static void change_around(struct world *w, uint32_t i)
{
        for (uint32_t at = w->nodes[i].parent; at != UINT32_MAX; at = w->nodes[at].parent)
                if (draw(w, 2)) {
                        w->nodes[at].acs ^= 0x1d;
                        w->nodes[at].forwards_ari ^= draw(w, 3) == 0;
                        write_node(w, at, false);
                }
        for (uint32_t k = 0; k < w->n; k++)
                if (w->nodes[k].is_there && w->nodes[k].parent == w->nodes[i].parent &&
                    w->nodes[k].kind == ENDPOINT && draw(w, 2)) {
                        w->nodes[k].acs++;
                        write_node(w, k, false);
                }
}

static void unplug(struct world *w, uint32_t top)
{
        /* From the leaves up; those below may be named, too. */
        for (uint32_t i = w->n; i-- > 0;)
                if (w->nodes[i].is_there && is_below(w, i, top)) {
                        remove_files(w, w->nodes[i].place);
                        unlist(w, &w->nodes[i]);
                        w->nodes[i].is_there = false;
                        w->nodes[i].n_virtual = 0;
                }
        change_around(w, top);
}

static void plug(struct world *w, uint32_t top)
{
        const uint32_t parent = w->nodes[top].parent;

        if (parent != UINT32_MAX && !w->nodes[parent].is_there)
                return;
        for (uint32_t i = top; i < w->n; i++)
                if (!w->nodes[i].is_there && w->nodes[i].kind != VIRTUAL && is_below(w, i, top)) {
                        w->nodes[i].is_there = true;
                        w->nodes[i].has_driver = false;
                        write_node(w, i, true);
                }
        change_around(w, top);
}

/* Enables one VF more; its PF changes without being named. */
static void enable_virtual(struct world *w, uint32_t pf, struct p2pd_scope *scope)
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
                vf = add_node(w, VIRTUAL, x->parent, devfn);
                w->nodes[vf].physical = pf;
        }
        w->nodes[vf].is_there = true;
        x->n_virtual++;
        write_node(w, vf, true);
        write_node(w, pf, false);
        p2pd_scope_add(scope, w->nodes[vf].address);
}

static void bind(struct world *w, uint32_t i)
{
        struct node *x = &w->nodes[i];
        char path[256];

        x->has_driver = !x->has_driver;
        write_node(w, i, false);
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
        write_node(w, i, false);
        if (is_bridge(x))
                for (uint32_t k = 0; k < w->n; k++)
                        if (k != i && w->nodes[k].is_there && is_below(w, k, i)) {
                                w->nodes[k].acs ^= 1;
                                write_node(w, k, false);
                        }
}

static void step(struct world *w, struct p2pd_scope *scope)
{
        const uint32_t i = draw(w, w->n);
        struct node *x = &w->nodes[i];

        if (!x->is_there) {
                if (x->kind != VIRTUAL)
                        plug(w, i);
        } else if (draw(w, 3) == 0) {
                unplug(w, i);
        } else if (x->kind == NIC && draw(w, 2)) {
                enable_virtual(w, i, scope);
                return;
        } else if (!is_bridge(x) && x->kind != VIRTUAL && draw(w, 2)) {
                bind(w, i);
        } else {
                change(w, i);
        }
        p2pd_scope_add(scope, w->nodes[i].address);
}

static void assert_same_facts(const struct p2p_function *a, const struct p2p_function *b)
{
        assert_int_equal(a->parent, b->parent);
        assert_int_equal(a->root, b->root);
        assert_int_equal(a->physfn, b->physfn);
        assert_int_equal(a->group, b->group);
        assert_int_equal(a->incarnation, b->incarnation);
        assert_int_equal(a->p2pmem_available_bytes.why, b->p2pmem_available_bytes.why);
        assert_int_equal(a->p2pmem_available_bytes.val, b->p2pmem_available_bytes.val);
}

/* p2p_diff looks at the facts; here is the rest of the record. */
static void assert_same(const struct p2p_machine *a, const struct p2p_machine *b)
{
        struct p2p_diff *d;

        assert_int_equal(p2p_diff_new(a, NULL, b, NULL, 0, &d), 0);
        for (uint32_t i = 0; i < d->n_changes; i++) {
                char name[P2P_ADDRESS_STRING_MAX];

                print_message("%s %s: %x\n", p2p_address_format(d->changes[i].address, name),
                              p2p_change_kind_to_string(d->changes[i].kind), d->changes[i].what);
        }
        assert_true(p2p_diff_is_empty(d));
        p2p_diff_free(d);
        assert_int_equal(a->n_functions, b->n_functions);
        for (uint32_t i = 0; i < a->n_functions; i++)
                assert_same_facts(&a->functions[i], &b->functions[i]);
        assert_int_equal(a->n_roots, b->n_roots);
        for (uint32_t i = 0; i < a->n_roots; i++)
                assert_int_equal(a->roots[i].first_function, b->roots[i].first_function);
        assert_int_equal(a->n_groups, b->n_groups);
        for (uint32_t i = 0; i < a->n_groups; i++)
                assert_int_equal(a->groups[i].number, b->groups[i].number);
        assert_int_equal(a->n_warnings, b->n_warnings);
        for (uint32_t i = 0; i < a->n_warnings; i++)
                assert_string_equal(a->warnings[i].text, b->warnings[i].text);
}

static struct p2p_machine *scan(struct p2pd_source *source, const struct p2p_machine *previous,
                                const struct p2pd_scope *scope)
{
        struct p2p_machine *m;
        const char *error;

        if (p2pd_source_scan(source, previous, scope, &m, &error) < 0)
                fail_msg("%s", error);
        return m;
}

static struct p2pd_source *open_source(const struct world *w)
{
        struct p2pd_source *source;

        assert_int_equal(p2pd_source_new(P2P_SOURCE_ROOT, w->root.path, NULL, &source), 0);
        return source;
}

static void test_random_steps(void **state)
{
        (void)state;
        for (uint32_t seed = 0; seed < MACHINES; seed++) {
                struct world *w = calloc(1, sizeof(*w));
                struct p2pd_source *source;
                struct p2p_machine *before, *all, *some;

                assert_non_null(w);
                w->root = root_new();
                w->dice.state = seed + 1;
                w->next_bus = 1;
                build(w);
                source = open_source(w);
                before = scan(source, NULL, NULL);
                for (uint32_t n = 0; n < STEPS; n++) {
                        struct p2pd_scope scope = {0};

                        for (uint32_t k = 1 + draw(w, 3); k > 0; k--)
                                step(w, &scope);
                        write_shared_group(w);
                        all = scan(source, NULL, NULL);
                        some = scan(source, before, &scope);
                        p2p_machine_free(before);
                        assert_same(all, some);
                        p2p_machine_free(all);
                        before = some;
                }
                p2p_machine_free(before);
                assert_null(p2pd_source_free(source));
                root_free(&w->root);
                free(w);
        }
}

/* A switch with an endpoint and a NIC, and an endpoint elsewhere. */
static void build_fixed(struct world *w, uint32_t *near, uint32_t *far)
{
        uint32_t up;

        *w = (struct world){.root = root_new(), .next_bus = 1, .dice.state = 1};
        up = add_node(w, UPSTREAM, add_node(w, ROOT_PORT, UINT32_MAX, 8), 0);
        *near = add_node(w, ENDPOINT, add_node(w, DOWNSTREAM, up, 0), 0);
        *far = add_node(w, ENDPOINT, add_node(w, ROOT_PORT, UINT32_MAX, 16), 0);
        root_text(&w->root, "proc/version", "Linux version 6.12.0 (x)\n");
        for (uint32_t i = 0; i < w->n; i++)
                write_node(w, i, true);
}

static const struct p2p_function *at(const struct p2p_machine *m, const struct node *x)
{
        const uint32_t i = p2p_machine_find(m, x->address);

        assert_int_not_equal(i, P2P_NONE);
        return &m->functions[i];
}

/* What nobody named, and what has nothing to do with it, is not looked at. */
static void test_others_are_kept(void **state)
{
        struct p2pd_scope scope = {0};
        struct p2p_machine *before, *some, *all;
        struct p2pd_source *source;
        uint32_t near, far;
        struct world w;

        (void)state;
        build_fixed(&w, &near, &far);
        source = open_source(&w);
        before = scan(source, NULL, NULL);
        root_attribute(&w.root, w.nodes[near].place, "dma_mask_bits", "40\n");
        root_attribute(&w.root, w.nodes[far].place, "dma_mask_bits", "40\n");
        p2pd_scope_add(&scope, w.nodes[near].address);
        some = scan(source, before, &scope);
        assert_int_equal(at(some, &w.nodes[near])->dma_mask_bits.val, 40);
        assert_int_equal(at(some, &w.nodes[far])->dma_mask_bits.val, 64);
        /* The record lives on its own. */
        p2p_machine_free(before);
        assert_string_equal(at(some, &w.nodes[far])->cpulist, "0-7");
        scope.everything = true;
        all = scan(source, some, &scope);
        assert_int_equal(at(all, &w.nodes[far])->dma_mask_bits.val, 40);
        p2p_machine_free(all);
        p2p_machine_free(some);
        assert_null(p2pd_source_free(source));
        root_free(&w.root);
}

/* Removed and added again before anybody said so: the entry in the list is another one. */
static void test_another_one_at_the_address(void **state)
{
        struct p2pd_scope scope = {0};
        struct p2p_machine *before, *some;
        struct p2pd_source *source;
        char link[128], target[256], from[256], to[256], name[P2P_ADDRESS_STRING_MAX];
        uint32_t near, far;
        struct world w;

        (void)state;
        build_fixed(&w, &near, &far);
        source = open_source(&w);
        before = scan(source, NULL, NULL);
        (void)snprintf(link, sizeof(link), "sys/bus/pci/devices/%s",
                       p2p_address_format(w.nodes[far].address, name));
        (void)snprintf(target, sizeof(target), "../../../devices/%s", w.nodes[far].place);
        root_attribute(&w.root, w.nodes[far].place, "dma_mask_bits", "40\n");
        /* Moved away, so that its inode cannot be used again. */
        (void)snprintf(from, sizeof(from), "%s/%s", w.root.path, link);
        (void)snprintf(to, sizeof(to), "%s/sys/moved", w.root.path);
        assert_int_equal(rename(from, to), 0);
        root_link(&w.root, link, target);
        p2pd_scope_add(&scope, w.nodes[near].address);
        some = scan(source, before, &scope);
        assert_int_equal(at(some, &w.nodes[far])->dma_mask_bits.val, 40);
        p2p_machine_free(before);
        p2p_machine_free(some);
        assert_null(p2pd_source_free(source));
        root_free(&w.root);
}

static void test_scope(void **state)
{
        struct p2pd_scope s = {0}, more = {0};

        (void)state;
        assert_true(p2pd_scope_is_empty(&s));
        for (unsigned i = 0; i < 2 * P2PD_SCOPE_MAX; i++)
                p2pd_scope_add(&s, (struct p2p_address){.bus = (uint8_t)(i / 2)});
        assert_int_equal(s.n, P2PD_SCOPE_MAX);
        assert_false(s.everything);
        p2pd_scope_add(&more, (struct p2p_address){.bus = 200});
        assert_false(p2pd_scope_is_empty(&more));
        p2pd_scope_merge(&more, &s);
        assert_int_equal(more.n, P2PD_SCOPE_MAX);
        assert_true(more.everything);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scope),
                cmocka_unit_test(test_others_are_kept),
                cmocka_unit_test(test_another_one_at_the_address),
                cmocka_unit_test(test_random_steps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
