/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every function of p2pd/table.h once, to be compiled in all the languages that it promises: C11
 * and C++11 without extensions, and a kernel without a library. Never linked.
 */

#include "p2pd/table.h"

uint64_t table_header_use(struct p2p_table *t, const void *memory, uint64_t bytes);

uint64_t table_header_use(struct p2p_table *t, const void *memory, uint64_t bytes)
{
        struct p2p_table_segment segments[4];
        struct p2p_table_record record;
        struct p2p_table_client client;
        struct p2p_table_pair pair;
        struct p2p_table_view view;
        struct p2p_table_hit hit;
        uint64_t sum = 0;
        uint32_t n = 0;

        if (p2p_table_attach(t, memory, bytes) != P2P_TABLE_OK)
                return 0;
        if (p2p_table_lookup(t, bytes, &hit) == P2P_TABLE_OK)
                sum += hit.offset + hit.id + hit.place + hit.record;
        if (p2p_table_get_bar(t, 1, &record) == P2P_TABLE_OK)
                sum += record.first + record.since;
        if (p2p_table_get_client(t, 0, 1, 2, &client) != P2P_TABLE_OK)
                return sum;
        if (p2p_table_get_pair(t, 1, client, &pair) == P2P_TABLE_OK)
                sum += pair.map + pair.distance;
        if (p2p_table_map(t, client, 0, bytes, segments, 4, &n) == P2P_TABLE_OK)
                sum += segments[0].bytes + n;
        if (p2p_table_begin(t) == P2P_TABLE_OK) {
                p2p_table_find_address(t, bytes, &hit);
                if (p2p_table_find_record(t, p2p_table_find_id(t, 1), &record) == P2P_TABLE_OK)
                        sum += record.bus_start;
                if (p2p_table_find_client(t, 0, 1, 2, &client) == P2P_TABLE_OK &&
                    p2p_table_find_pair(t, 1, client, &pair) == P2P_TABLE_OK)
                        sum += pair.own;
                if (p2p_table_find_view(t, client, &view) == P2P_TABLE_OK &&
                    p2p_table_find_reach(&view, 1, &pair) == P2P_TABLE_OK)
                        sum += pair.map;
                if (p2p_table_find_segments(t, client, 0, bytes, segments, 4, &n) == P2P_TABLE_OK)
                        sum += n;
                if (!p2p_table_retry(t))
                        sum += p2p_table_generation(t) + hit.offset;
        }
        return sum + (uint64_t)p2p_table_verify(t);
}
