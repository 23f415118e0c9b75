/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading registers out of config space bytes: where they end, the fact says why. */

#include "config-parse.h"

#define P2P_CONFIG_STATUS 0x06U
#define P2P_CONFIG_HEADER_TYPE 0x0eU

static inline uint16_t p2p_config_get16(const uint8_t *bytes, uint32_t offset)
{
        return (uint16_t)(bytes[offset] | bytes[offset + 1] << 8);
}

static inline uint32_t p2p_config_get32(const uint8_t *bytes, uint32_t offset)
{
        return p2p_config_get16(bytes, offset) | (uint32_t)p2p_config_get16(bytes, offset + 2)
                                                         << 16;
}

static inline bool p2p_config_has_bytes(const struct p2p_config_input *in, uint32_t offset,
                                        uint32_t n)
{
        return in->n_bytes >= n && offset <= in->n_bytes - n;
}

/* Why bytes are missing at an offset that a structure points to: either not read, or there are
 * none. */
static inline enum p2p_why p2p_config_missing_why(const struct p2p_config_input *in)
{
        return in->short_why == P2P_WHY_KNOWN ? P2P_WHY_MALFORMED : in->short_why;
}

static inline struct p2p_fact p2p_config_read8(const struct p2p_config_input *in, uint32_t offset)
{
        return p2p_config_has_bytes(in, offset, 1) ? p2p_fact_known(in->bytes[offset])
                                                   : p2p_fact_without(p2p_config_missing_why(in));
}

static inline struct p2p_fact p2p_config_read16(const struct p2p_config_input *in, uint32_t offset)
{
        return p2p_config_has_bytes(in, offset, 2)
                       ? p2p_fact_known(p2p_config_get16(in->bytes, offset))
                       : p2p_fact_without(p2p_config_missing_why(in));
}

static inline struct p2p_fact p2p_config_bits(struct p2p_fact f, unsigned shift, uint64_t mask)
{
        if (p2p_fact_is_known(f))
                f.val = f.val >> shift & mask;
        return f;
}
