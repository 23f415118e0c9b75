/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Strings and small arrays live in chunks that are freed together with the machine. A request
 * larger than a chunk gets a chunk of its own, put behind the current one so that the rest of that
 * is still used.
 */
#define CHUNK_BYTES (16U * 1024U)

#define HUGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)

struct chunk {
        struct chunk *next;
        size_t used, size;
        max_align_t data[];
};

static struct p2p_function function_unknown(void)
{
        const struct p2p_fact u = p2p_fact_without(P2P_WHY_NOT_IN_SOURCE);
        struct p2p_function f = {
                .parent = P2P_NONE,
                .root = P2P_NONE,
                .physfn = P2P_NONE,
                .parent_why = P2P_WHY_NOT_IN_SOURCE,
                .class_code = u,
                .vendor = u,
                .device = u,
                .subsystem_vendor = u,
                .subsystem_device = u,
                .revision = u,
                .serial = u,
                .header_type = u,
                .port_type = u,
                .driver_why = P2P_WHY_NOT_IN_SOURCE,
                .config_size_bytes = u,
                .secondary_bus = u,
                .subordinate_bus = u,
                .acs_capability = u,
                .acs_control = u,
                .acs_offset = u,
                .memory_decoding = u,
                .bus_master = u,
                .ari = u,
                .ats = u,
                .pri = u,
                .pasid = u,
                .sriov_total_vfs = u,
                .sriov_num_vfs = u,
                .link_speed_mts = u,
                .link_width_lanes = u,
                .link_speed_max_mts = u,
                .link_width_max_lanes = u,
                .numa_node = u,
                .dma_mask_bits = u,
                .group = P2P_NONE,
                .group_why = P2P_WHY_NOT_IN_SOURCE,
                .p2pmem_size_bytes = u,
                .p2pmem_available_bytes = u,
                .p2pmem_published = u,
        };

        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                f.bars[i] = (struct p2p_bar){
                        .kind = P2P_BAR_UNKNOWN,
                        .phys_why = P2P_WHY_NOT_IN_SOURCE,
                        .bus_why = P2P_WHY_NOT_IN_SOURCE,
                        .size_bytes = u,
                        .resize_now_bytes = u,
                        .resize_max_bytes = u,
                };
        return f;
}

struct p2p_arena {
        struct chunk *first;
        uint32_t functions_room, roots_room, groups_room;
        uint32_t group_max;          /* the highest number of a group so far */
        struct p2p_function unknown; /* what an added function begins with */
};

struct p2p_machine *p2p_machine_new(enum p2p_source_kind source)
{
        const struct p2p_fact u = p2p_fact_without(P2P_WHY_NOT_IN_SOURCE);
        struct p2p_machine *m = calloc(1, sizeof(*m));

        if (!m)
                return NULL;
        m->arena = calloc(1, sizeof(*m->arena));
        if (!m->arena) {
                free(m);
                return NULL;
        }
        m->arena->unknown = function_unknown();
        m->source = source;
        m->cpu_why = P2P_WHY_NOT_IN_SOURCE;
        m->cpu_family = m->cpu_model = u;
        m->kernel_why = P2P_WHY_NOT_IN_SOURCE;
        m->kernel_has_p2pdma = u;
        m->numa_nodes = u;
        return m;
}

struct p2p_machine *p2p_machine_free(struct p2p_machine *m)
{
        if (!m)
                return NULL;
        while (m->arena->first) {
                struct chunk *c = m->arena->first;

                m->arena->first = c->next;
                free(c);
        }
        free(m->arena);
        free(m->functions);
        free(m->roots);
        free(m->groups);
        free(m->warnings);
        free(m);
        return NULL;
}

void *p2p_machine_alloc(struct p2p_machine *m, size_t n, size_t size)
{
        struct p2p_arena *a = m->arena;
        struct chunk *c = a->first;
        size_t bytes, room;
        void *p;

        if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
                return NULL;
        bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
        if (!c || c->size - c->used < bytes) {
                room = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
                c = calloc(1, sizeof(*c) + room);
                if (!c)
                        return NULL;
                c->size = room;
                if (room == bytes && a->first) {
                        c->next = a->first->next;
                        a->first->next = c;
                } else {
                        c->next = a->first;
                        a->first = c;
                }
        }
        p = (char *)c->data + c->used;
        c->used += bytes;
        return p;
}

const char *p2p_machine_strndup(struct p2p_machine *m, const char *text, size_t len)
{
        size_t n = strnlen(text, len);
        char *p = p2p_machine_alloc(m, n + 1, 1);

        if (!p)
                return NULL;
        memcpy(p, text, n);
        p[n] = '\0';
        return p;
}

/* Makes room for one more element of an array that grows by half; *room counts what fits now. 0 or
 * -ENOMEM. */
static int grow(void **array, uint32_t n, uint32_t *room, size_t size)
{
        uint32_t want;
        void *p;

        if (n < *room)
                return 0;
        want = *room + *room / 2 + 16;
        if (want < *room)
                return -ENOMEM;
        p = reallocarray(*array, want, size);
        if (!p)
                return -ENOMEM;
        *array = p;
        *room = want;
        return 0;
}

/* n * size bytes, not zeroed, for free(): on huge pages where they are worth it and the system
 * gives them, because the records of thousands of functions otherwise cost more page faults than
 * work. */
static void *alloc_large(size_t n, size_t size)
{
        size_t bytes;
        void *p;

        if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
                return NULL;
        if (bytes < HUGE_PAGE_BYTES)
                return malloc(bytes + 1);
        bytes = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        if (posix_memalign(&p, HUGE_PAGE_BYTES, bytes) != 0)
                return NULL;
        (void)madvise(p, bytes, MADV_HUGEPAGE);
        return p;
}

int p2p_machine_reserve(struct p2p_machine *m, uint32_t n)
{
        struct p2p_function *functions;

        if (n <= m->arena->functions_room)
                return 0;
        functions = alloc_large(n, sizeof(*functions));
        if (!functions)
                return -ENOMEM;
        if (m->n_functions > 0)
                memcpy(functions, m->functions, m->n_functions * sizeof(*functions));
        free(m->functions);
        m->functions = functions;
        m->arena->functions_room = n;
        return 0;
}

struct p2p_function *p2p_machine_add_function(struct p2p_machine *m, struct p2p_address address)
{
        void *array = m->functions;

        if (grow(&array, m->n_functions, &m->arena->functions_room, sizeof(*m->functions)) < 0)
                return NULL;
        m->functions = array;
        m->functions[m->n_functions] = m->arena->unknown;
        m->functions[m->n_functions].address = address;
        return &m->functions[m->n_functions++];
}

uint32_t p2p_machine_add_root(struct p2p_machine *m, uint32_t segment, uint8_t bus)
{
        void *array = m->roots;

        for (uint32_t i = 0; i < m->n_roots; i++)
                if (m->roots[i].segment == segment && m->roots[i].bus == bus)
                        return i;
        if (grow(&array, m->n_roots, &m->arena->roots_room, sizeof(*m->roots)) < 0)
                return P2P_NONE;
        m->roots = array;
        m->roots[m->n_roots] = (struct p2p_root){
                .segment = segment,
                .bus = bus,
                .first_function = P2P_NONE,
        };
        return m->n_roots++;
}

uint32_t p2p_machine_add_group(struct p2p_machine *m, uint32_t number)
{
        void *array = m->groups;

        /* A scan adds them in order of number: one above all others is new. */
        if (number <= m->arena->group_max)
                for (uint32_t i = m->n_groups; i > 0; i--)
                        if (m->groups[i - 1].number == number)
                                return i - 1;
        if (grow(&array, m->n_groups, &m->arena->groups_room, sizeof(*m->groups)) < 0)
                return P2P_NONE;
        m->groups = array;
        if (number > m->arena->group_max)
                m->arena->group_max = number;
        m->groups[m->n_groups] = (struct p2p_group){
                .number = number,
                .type = P2P_GROUP_TYPE_UNKNOWN,
                .type_why = P2P_WHY_NO_FILE,
                .regions_why = P2P_WHY_NO_FILE,
        };
        return m->n_groups++;
}

void p2p_machine_warn(struct p2p_machine *m, const struct p2p_address *address, const char *format,
                      ...)
{
        struct p2p_warning *w;
        char text[256];
        va_list ap;

        if (!m->warnings)
                m->warnings = calloc(P2P_WARNINGS_MAX, sizeof(*m->warnings));
        if (!m->warnings || m->n_warnings == P2P_WARNINGS_MAX) {
                m->n_warnings_dropped++;
                return;
        }
        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        w = &m->warnings[m->n_warnings];
        w->text = p2p_machine_strndup(m, text, sizeof(text));
        if (!w->text) {
                m->n_warnings_dropped++;
                return;
        }
        w->has_address = address != NULL;
        w->address = address ? *address : (struct p2p_address){0};
        m->n_warnings++;
}

uint32_t p2p_machine_find(const struct p2p_machine *m, struct p2p_address address)
{
        uint32_t low = 0, high = m->n_functions;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                int c = p2p_address_compare(m->functions[middle].address, address);

                if (c == 0)
                        return middle;
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return P2P_NONE;
}

/* Function 0 of the device, P2P_NONE with why: with ARI a bus has one device, whose functions are
 * counted through (PCIe 6.13). */
static uint32_t find_function_0(const struct p2p_machine *m, const struct p2p_function *f,
                                enum p2p_why *ret_why)
{
        struct p2p_address address = f->address;
        uint32_t found;

        if (address.devfn >= 8 && p2p_fact_is_unknown(f->ari)) {
                *ret_why = f->ari.why;
                return P2P_NONE;
        }
        address.devfn = p2p_fact_is_known(f->ari) && f->ari.val ? 0 : address.devfn & 0xf8U;
        found = p2p_machine_find(m, address);
        *ret_why = P2P_WHY_NOT_REPORTED;
        return found != P2P_NONE && m->functions[found].is_vf ? P2P_NONE : found;
}

struct p2p_fact p2p_machine_serial(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];
        enum p2p_why why = P2P_WHY_NOT_REPORTED;
        uint32_t at = function;

        if (!p2p_fact_is_absent(f->serial))
                return f->serial;
        if (f->is_vf) {
                at = f->physfn;
                if (at == P2P_NONE || m->functions[at].is_vf)
                        return p2p_fact_without(why);
        }
        if (p2p_fact_is_absent(m->functions[at].serial))
                at = find_function_0(m, &m->functions[at], &why);
        return at == P2P_NONE ? p2p_fact_without(why) : m->functions[at].serial;
}

enum p2p_kind p2p_function_kind(const struct p2p_function *f)
{
        if (!p2p_fact_is_known(f->class_code))
                return P2P_KIND_OTHER;
        switch (f->class_code.val >> 8) {
        case 0x0108:
                return P2P_KIND_NVME;
        case 0x0b40:
                return P2P_KIND_ACCELERATOR;
        }
        switch (f->class_code.val >> 16) {
        case 0x01:
                return P2P_KIND_STORAGE;
        case 0x02:
                return P2P_KIND_NIC;
        case 0x03:
                return P2P_KIND_GPU;
        case 0x05:
                return P2P_KIND_MEMORY;
        case 0x06:
                return P2P_KIND_BRIDGE;
        case 0x12:
                return P2P_KIND_ACCELERATOR;
        }
        return P2P_KIND_OTHER;
}

bool p2p_function_is_endpoint(const struct p2p_function *f)
{
        if (p2p_fact_is_known(f->class_code))
                return f->class_code.val >> 16 != 0x06;
        return !p2p_fact_is_known(f->header_type) || f->header_type.val == 0;
}

bool p2p_function_is_candidate(const struct p2p_function *f)
{
        if (f->is_vf || !p2p_function_is_endpoint(f) || p2p_function_kind(f) == P2P_KIND_OTHER)
                return false;
        for (unsigned i = 0; i < P2P_BARS_MAX; i++)
                if (f->bars[i].kind == P2P_BAR_MEMORY)
                        return true;
        return false;
}
