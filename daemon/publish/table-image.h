/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One generation of the shared table, put together in private memory: every array as it will stand
 * in an area, byte for byte. The same facts give the same image. What goes where is
 * p2pd/table-layout.h; how it gets there is table.h.
 */

#include <stdint.h>

#include "p2pd/table-layout.h"
#include "publish/table.h"

struct p2pd_table_facts {
        const struct p2p_machine *m;
        const struct p2p_verdicts *v; /* made from m */
        unsigned id_bits;
        uint64_t generation;
        const struct p2pd_table_bar *bars;
        uint32_t n_bars;
};

struct p2pd_table_image {
        uint32_t count[P2P_TABLE_ARRAYS];
        void *arrays[P2P_TABLE_ARRAYS]; /* little endian, padded with zeroes to 8 bytes */
        struct p2p_table_area area;     /* little endian, without sequence and checksums */
};

/* Positive refusal: the image does not fit into the arrays. */
enum { P2PD_TABLE_IMAGE_E_SPACE = 1 };

/* Puts an image together. 0; -EINVAL: see p2pd_table_publish(); -ENOMEM; -E2BIG: too many classes,
 * cells, ranges or endpoints for the layout. */
int p2pd_table_image_new(const struct p2pd_table_facts *facts, struct p2pd_table_image **ret);
struct p2pd_table_image *p2pd_table_image_free(struct p2pd_table_image *image);

/* Writes the image into an area with these arrays, each word at once, so that readers which should
 * not be there see no torn ones. 0 or P2PD_TABLE_IMAGE_E_SPACE; then nothing was written. */
int p2pd_table_image_write(const struct p2pd_table_image *image,
                           const struct p2p_table_array_data arrays[P2P_TABLE_ARRAYS],
                           uint32_t sequence, void *area);
