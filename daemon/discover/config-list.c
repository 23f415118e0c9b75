/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-list.h"

#include "config-bytes.h"

#define STATUS_CAPABILITIES 0x0010U
#define CAPABILITY_POINTER 0x34U
#define CARDBUS_CAPABILITY_POINTER 0x14U

#define CAPABILITY_PCIX 0x07U
#define CAPABILITY_SUBSYSTEM 0x0dU
#define CAPABILITY_EXPRESS 0x10U

#define EXTENDED_FIRST 0x100U
#define EXTENDED_SERIAL 0x0003U
#define EXTENDED_ACS 0x000dU
#define EXTENDED_ATS 0x000fU
#define EXTENDED_SRIOV 0x0010U
#define EXTENDED_PRI 0x0013U
#define EXTENDED_RESIZABLE_BAR 0x0015U
#define EXTENDED_PASID 0x001bU

/* The kernel follows no more than this many links of each list. */
#define LIST_STEPS_MAX 48U
#define EXTENDED_STEPS_MAX 480U

static const struct {
        uint8_t id;
        uint8_t n_bytes; /* that are looked into */
} standard_ids[P2P_STANDARD_MAX] = {
        [P2P_STANDARD_PCIX] = {CAPABILITY_PCIX, 8},
        [P2P_STANDARD_SUBSYSTEM] = {CAPABILITY_SUBSYSTEM, 8},
        [P2P_STANDARD_EXPRESS] = {CAPABILITY_EXPRESS, 0x30},
};

static const struct {
        uint16_t id;
        uint16_t n_bytes; /* that are looked into */
} extended_ids[P2P_EXTENDED_MAX] = {
        [P2P_EXTENDED_SERIAL] = {EXTENDED_SERIAL, 12},
        [P2P_EXTENDED_ACS] = {EXTENDED_ACS, 8},
        [P2P_EXTENDED_ATS] = {EXTENDED_ATS, 8},
        [P2P_EXTENDED_SRIOV] = {EXTENDED_SRIOV, 64},
        [P2P_EXTENDED_PRI] = {EXTENDED_PRI, 16},
        [P2P_EXTENDED_RESIZABLE_BAR] = {EXTENDED_RESIZABLE_BAR, 52},
        [P2P_EXTENDED_PASID] = {EXTENDED_PASID, 8},
};

void p2p_config_warn(struct p2p_config_extra *warnings, enum p2p_config_warning_kind kind,
                     uint32_t offset)
{
        if (warnings->n_warnings < P2P_CONFIG_WARNINGS_MAX)
                warnings->warnings[warnings->n_warnings++] =
                        (struct p2p_config_warning){.kind = kind, .offset = offset};
}

/* Follows the list of the first 256 bytes from pointer on. */
static void walk_standard(const struct p2p_config_input *in, uint32_t pointer,
                          struct p2p_standard_list *list, struct p2p_config_extra *warnings)
{
        uint64_t seen = 0;

        for (unsigned step = 0; step < LIST_STEPS_MAX && pointer != 0; step++) {
                uint32_t at = pointer & ~3U;

                if (at < P2P_CONFIG_HEADER_BYTES) {
                        p2p_config_warn(warnings, P2P_CONFIG_WARNING_LIST_POINTER, pointer);
                        return;
                }
                if (!p2p_config_has_bytes(in, at, 2)) {
                        list->missing_why = p2p_config_missing_why(in);
                        return;
                }
                if (in->bytes[at] == UINT8_MAX) {
                        p2p_config_warn(warnings, P2P_CONFIG_WARNING_LIST_ALL_ONES, at);
                        list->missing_why = P2P_WHY_ALL_ONES;
                        return;
                }
                /* Everything that can be reached was seen: what is not found does not exist for
                 * the kernel either. */
                if (seen & UINT64_C(1) << at / 4) {
                        p2p_config_warn(warnings, P2P_CONFIG_WARNING_LIST_LOOPS, at);
                        return;
                }
                seen |= UINT64_C(1) << at / 4;
                for (unsigned i = 0; i < P2P_STANDARD_MAX; i++)
                        if (!list->at[i] && in->bytes[at] == standard_ids[i].id)
                                list->at[i] = at;
                pointer = in->bytes[at + 1];
        }
}

static uint32_t capability_pointer(const uint8_t *bytes)
{
        return (bytes[P2P_CONFIG_HEADER_TYPE] & 0x7f) == 2 ? CARDBUS_CAPABILITY_POINTER
                                                           : CAPABILITY_POINTER;
}

void p2p_config_find_standard(const struct p2p_config_input *in, struct p2p_standard_list *ret,
                              struct p2p_config_extra *warnings)
{
        struct p2p_fact status = p2p_config_read16(in, P2P_CONFIG_STATUS),
                        header_type = p2p_config_read8(in, P2P_CONFIG_HEADER_TYPE);
        struct p2p_fact pointer;

        *ret = (struct p2p_standard_list){.missing_why = P2P_WHY_ABSENT};
        if (!p2p_fact_is_known(status)) {
                ret->missing_why = status.why;
                return;
        }
        if (!(status.val & STATUS_CAPABILITIES))
                return;
        pointer = p2p_fact_is_known(header_type)
                          ? p2p_config_read8(in, capability_pointer(in->bytes))
                          : header_type;
        if (!p2p_fact_is_known(pointer)) {
                ret->missing_why = pointer.why;
                return;
        }
        walk_standard(in, (uint32_t)pointer.val, ret, warnings);
}

/* Both walks of the extended list stand here, so that what is read and what is parsed agree. Gives
 * the next offset, or 0 at the end of the list with *ret_end saying why. */
static uint32_t next_extended(uint32_t header, enum p2p_why *ret_end)
{
        uint32_t next = header >> 20 & 0xffcU;

        if (header != UINT32_MAX && next >= EXTENDED_FIRST)
                return next;
        /* A pointer below 0x100 ends the list for Linux as 0 does: what is behind it does not exist
         * for anybody. */
        *ret_end = header == UINT32_MAX ? P2P_WHY_ALL_ONES : P2P_WHY_ABSENT;
        return 0;
}

struct visited {
        uint64_t bits[P2P_CONFIG_EXTENDED_BYTES / 4 / 64];
};

static bool visit(struct visited *v, uint32_t at)
{
        uint64_t bit = UINT64_C(1) << (at / 4 & 63);
        uint64_t *word = &v->bits[at / 4 / 64];

        if (*word & bit)
                return false;
        *word |= bit;
        return true;
}

static void note_extended(struct p2p_extended_list *list, uint32_t at, uint32_t header,
                          struct p2p_config_extra *warnings)
{
        for (unsigned i = 0; i < P2P_EXTENDED_MAX; i++) {
                if (list->at[i] || (header & 0xffff) != extended_ids[i].id)
                        continue;
                list->at[i] = at;
                if ((header >> 16 & 0xf) == 0)
                        p2p_config_warn(warnings, P2P_CONFIG_WARNING_VERSION_0, at);
        }
}

void p2p_config_find_extended(const struct p2p_config_input *in, struct p2p_extended_list *ret,
                              struct p2p_config_extra *warnings)
{
        struct visited visited = {0};
        uint32_t at = EXTENDED_FIRST;

        *ret = (struct p2p_extended_list){.missing_why = P2P_WHY_ABSENT};
        for (unsigned step = 0; step < EXTENDED_STEPS_MAX; step++) {
                uint32_t header, next;

                if (!p2p_config_has_bytes(in, at, 4)) {
                        ret->missing_why = p2p_config_missing_why(in);
                        return;
                }
                if (!visit(&visited, at)) {
                        p2p_config_warn(warnings, P2P_CONFIG_WARNING_EXTENDED_LOOPS, at);
                        return;
                }
                header = p2p_config_get32(in->bytes, at);
                if (header != UINT32_MAX)
                        note_extended(ret, at, header, warnings);
                next = next_extended(header, &ret->missing_why);
                if (next == 0) {
                        if (ret->missing_why == P2P_WHY_ALL_ONES)
                                p2p_config_warn(warnings, P2P_CONFIG_WARNING_EXTENDED_ALL_ONES, at);
                        else if (header >> 20 & 0xffcU)
                                p2p_config_warn(warnings, P2P_CONFIG_WARNING_EXTENDED_POINTER,
                                                header >> 20 & 0xffcU);
                        return;
                }
                at = next;
        }
}

static void visit_standard(const uint8_t *bytes, p2p_config_read_fn read_fn, void *userdata)
{
        uint32_t at;
        uint64_t seen = 0;

        if (!(p2p_config_get16(bytes, P2P_CONFIG_STATUS) & STATUS_CAPABILITIES))
                return;
        at = bytes[capability_pointer(bytes)] & ~3U;
        while (at >= P2P_CONFIG_HEADER_BYTES && !(seen & UINT64_C(1) << at / 4)) {
                seen |= UINT64_C(1) << at / 4;
                if (!read_fn(at, 4, userdata))
                        return;
                for (unsigned i = 0; i < P2P_STANDARD_MAX; i++) {
                        uint32_t n = standard_ids[i].n_bytes;

                        if (bytes[at] != standard_ids[i].id)
                                continue;
                        if (n > P2P_CONFIG_CONVENTIONAL_BYTES - at)
                                n = P2P_CONFIG_CONVENTIONAL_BYTES - at;
                        if (!read_fn(at, n, userdata))
                                return;
                }
                at = bytes[at] == UINT8_MAX ? 0 : bytes[at + 1] & ~3U;
        }
}

static void visit_extended(const uint8_t *bytes, p2p_config_read_fn read_fn, void *userdata)
{
        struct visited visited = {0};
        uint32_t at = EXTENDED_FIRST;
        enum p2p_why end;

        for (unsigned step = 0; step < EXTENDED_STEPS_MAX && at; step++) {
                uint32_t header;

                if (!visit(&visited, at) || !read_fn(at, 4, userdata))
                        return;
                header = p2p_config_get32(bytes, at);
                for (unsigned i = 0; i < P2P_EXTENDED_MAX; i++) {
                        uint32_t n = extended_ids[i].n_bytes;

                        if (header == UINT32_MAX || (header & 0xffff) != extended_ids[i].id)
                                continue;
                        if (n > P2P_CONFIG_EXTENDED_BYTES - at)
                                n = P2P_CONFIG_EXTENDED_BYTES - at;
                        if (!read_fn(at, n, userdata))
                                return;
                }
                at = next_extended(header, &end);
        }
}

void p2p_config_visit(const uint8_t *bytes, uint32_t n_bytes, p2p_config_read_fn read_fn,
                      void *userdata)
{
        if (!read_fn(0, P2P_CONFIG_HEADER_BYTES, userdata))
                return;
        if (n_bytes >= P2P_CONFIG_CARDBUS_BYTES && (bytes[P2P_CONFIG_HEADER_TYPE] & 0x7f) == 2 &&
            !read_fn(0x40, 4, userdata))
                return;
        if (n_bytes >= P2P_CONFIG_CONVENTIONAL_BYTES)
                visit_standard(bytes, read_fn, userdata);
        if (n_bytes == P2P_CONFIG_EXTENDED_BYTES)
                visit_extended(bytes, read_fn, userdata);
}
