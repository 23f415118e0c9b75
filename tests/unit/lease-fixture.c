/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease-fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct builder machine_of(const struct layout *layout)
{
        static const uint16_t devices[N_KINDS] = {0, 0x2330, 0x2331, 0x1021, 0x2330};
        struct builder b = builder_new();

        for (unsigned i = 0; i < N_SLOTS; i++) {
                char address[24];
                uint32_t port, device;

                (void)snprintf(address, sizeof(address), "00:%02x.0", i + 1);
                port = builder_root_port(&b, address);
                if (layout->kinds[i] == EMPTY)
                        continue;
                (void)snprintf(address, sizeof(address), "%02x:00.0", layout->first_bus + i);
                device = builder_endpoint(&b, address, port);
                ids(&b, device, 0x10de, devices[layout->kinds[i]]);
                if (layout->serials[i] != 0)
                        builder_edit(&b, device)->serial =
                                layout->serials[i] == SERIAL_HIDDEN
                                        ? p2p_fact_without(P2P_WHY_NO_PRIVILEGE)
                                        : p2p_fact_known(layout->serials[i]);
                for (unsigned vf = 1; vf <= 2 && layout->kinds[i] == NIC; vf++) {
                        (void)snprintf(address, sizeof(address), "%02x:00.%u",
                                       layout->first_bus + i, vf);
                        builder_vf(&b, address, device);
                }
                if (layout->kinds[i] == UNREADABLE)
                        builder_edit(&b, device)->vendor = p2p_fact_without(P2P_WHY_ALL_ONES);
        }
        builder_finish(&b);
        return b;
}

struct layout layout_of(unsigned first_bus)
{
        struct layout layout = {.first_bus = first_bus};

        for (unsigned i = 0; i < N_SLOTS; i++)
                layout.kinds[i] = i % 4 == 3 ? NIC : GPU;
        return layout;
}

uint32_t index_of(const struct builder *b, unsigned bus, unsigned function)
{
        return p2p_machine_find(
                b->m, (struct p2p_address){.bus = (uint8_t)bus, .devfn = (uint8_t)function});
}

void tell(enum p2pd_lease_event_kind kind, const struct p2pd_lease *lease,
          const struct p2pd_lease_device *device, void *userdata)
{
        struct told *told = userdata;

        assert_true(told->n < 64);
        assert_non_null(p2pd_lease_event_to_string(kind));
        told->kinds[told->n] = kind;
        told->numbers[told->n] = lease->number;
        told->devices[told->n++] = device ? device->address : (struct p2p_address){0};
}

struct p2pd_leases *table_new(const struct builder *b)
{
        const struct p2pd_leases_params params = P2PD_LEASES_PARAMS_DEFAULT;
        struct p2pd_leases *l = p2pd_leases_new(&params);

        assert_non_null(l);
        assert_int_equal(p2pd_leases_follow(l, b->m, NULL, NULL), 0);
        return l;
}

struct p2pd_lease_time time_at(uint64_t boot_usec, uint64_t ahead_usec)
{
        return (struct p2pd_lease_time){boot_usec, boot_usec + ahead_usec};
}

struct p2pd_lease_request request_of(const struct builder *b, const char *name,
                                     const uint32_t *functions, uint32_t n)
{
        return (struct p2pd_lease_request){
                .machine = b->m,
                .functions = functions,
                .n_functions = n,
                .name = name,
                .owner = "a job",
                .uid = 1000,
                .pid = 77,
                .connection = 5,
                .now = time_at(BOOT_NOW, WALL_AHEAD),
        };
}

bool is_held(const struct p2pd_leases *l, const struct builder *b, uint64_t except,
             uint32_t function)
{
        bool held[N_SLOTS * 4];

        memset(held, 0xff, sizeof(held));
        p2pd_leases_held(l, b->m, except, held);
        return held[function];
}

struct p2pd_state_lease exported(const struct p2pd_lease *lease)
{
        struct p2pd_state_lease state;

        assert_int_equal(p2pd_lease_export(lease, time_at(BOOT_NOW, WALL_AHEAD), &state), 0);
        return state;
}
