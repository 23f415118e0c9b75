/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/slot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "decide/hex.h"

/* "/dd.f" and "+rrrr" */
#define STEP_LENGTH 5U

static uint16_t routing_id(struct p2p_address a)
{
        return (uint16_t)(a.bus << 8 | a.devfn);
}

/* The function that the slot leads to: a VF's PF. */
static int find_physical(const struct p2p_machine *m, uint32_t function, uint32_t *ret_function,
                         uint16_t *ret_distance)
{
        const struct p2p_function *f = &m->functions[function], *pf;
        uint16_t distance;

        if (!f->is_vf) {
                *ret_function = function;
                *ret_distance = 0;
                return 0;
        }
        if (f->physfn == P2P_NONE)
                return P2P_SLOT_E_UNKNOWN;
        pf = &m->functions[f->physfn];
        distance = (uint16_t)(routing_id(f->address) - routing_id(pf->address));
        if (pf->is_vf || pf->address.segment != f->address.segment || distance == 0)
                return P2P_SLOT_E_UNKNOWN;
        *ret_function = f->physfn;
        *ret_distance = distance;
        return 0;
}

int p2p_slot_format(const struct p2p_machine *m, uint32_t function, char *buf, size_t size)
{
        uint8_t devfns[P2P_SLOT_DEPTH_MAX];
        char address[P2P_ADDRESS_STRING_MAX];
        uint32_t at, n = 0;
        uint16_t distance;
        size_t length;
        int r;

        assert(function < m->n_functions);
        r = find_physical(m, function, &at, &distance);
        if (r != 0)
                return r;
        for (; m->functions[at].parent != P2P_NONE; at = m->functions[at].parent) {
                if (n == P2P_SLOT_DEPTH_MAX)
                        return P2P_SLOT_E_TOO_LONG;
                devfns[n++] = m->functions[at].address.devfn;
        }
        if (m->functions[at].parent_why != P2P_WHY_KNOWN)
                return P2P_SLOT_E_UNKNOWN;
        length = strlen(p2p_address_format(m->functions[at].address, address));
        if (length + ((size_t)n + (distance != 0)) * STEP_LENGTH >= size)
                return P2P_SLOT_E_TOO_LONG;
        memcpy(buf, address, length);
        buf += length;
        while (n-- > 0) {
                *buf++ = '/';
                buf = p2p_put_hex(buf, devfns[n] >> 3, 2);
                *buf++ = '.';
                buf = p2p_put_hex(buf, devfns[n] & 7U, 1);
        }
        if (distance != 0) {
                *buf++ = '+';
                buf = p2p_put_hex(buf, distance, 4);
        }
        *buf = '\0';
        return 0;
}

int p2p_slot_compute(const struct p2p_machine *m, uint32_t function, struct p2p_slot *ret)
{
        return p2p_slot_format(m, function, ret->text, sizeof(ret->text));
}

/* "dd.f"; moves *text behind it. */
static bool skip_devfn(const char **text)
{
        uint32_t device = 0, function = 0;

        return p2p_take_hex(text, 2, &device) && device <= 0x1f && *(*text)++ == '.' &&
               p2p_take_hex(text, 1, &function) && function <= 7;
}

bool p2p_slot_is_valid(const char *text)
{
        uint32_t val;
        size_t n;

        if (strnlen(text, P2P_SLOT_MAX) == P2P_SLOT_MAX)
                return false;
        /* A segment has at least four digits, and more only if it needs them. */
        n = strspn(text, "0123456789abcdef");
        if (n < 4 || n > 8 || (n > 4 && *text == '0') || text[n] != ':')
                return false;
        text += n + 1;
        if (!p2p_take_hex(&text, 2, &val) || *text++ != ':' || !skip_devfn(&text))
                return false;
        while (*text == '/') {
                text++;
                if (!skip_devfn(&text))
                        return false;
        }
        if (*text == '+') {
                text++;
                if (!p2p_take_hex(&text, 4, &val) || val == 0)
                        return false;
        }
        return *text == '\0';
}

/* An id that a function may do without. */
static bool optional_id(struct p2p_fact fact, uint32_t *ret)
{
        if (p2p_fact_is_unknown(fact))
                return false;
        *ret = p2p_fact_is_absent(fact) ? P2P_IDENTITY_ABSENT : (uint32_t)fact.val;
        return true;
}

struct p2p_identity p2p_function_identity(const struct p2p_machine *m, uint32_t function)
{
        const struct p2p_function *f = &m->functions[function];
        struct p2p_identity identity = {.is_known = true};

        assert(function < m->n_functions);
        if (!p2p_fact_is_known(f->vendor) || !p2p_fact_is_known(f->device) ||
            !p2p_fact_is_known(f->class_code) ||
            !optional_id(f->subsystem_vendor, &identity.subsystem_vendor) ||
            !optional_id(f->subsystem_device, &identity.subsystem_device))
                return (struct p2p_identity){.is_known = false};
        identity.vendor = (uint32_t)f->vendor.val;
        identity.device = (uint32_t)f->device.val;
        identity.class_code = (uint32_t)f->class_code.val;
        identity.serial = p2p_machine_serial(m, function);
        if (p2p_fact_is_unknown(identity.serial))
                identity.serial = p2p_fact_without(P2P_WHY_NOT_REPORTED);
        return identity;
}

static bool is_same_kind(const struct p2p_identity *a, const struct p2p_identity *b)
{
        return a->vendor == b->vendor && a->device == b->device &&
               a->subsystem_vendor == b->subsystem_vendor &&
               a->subsystem_device == b->subsystem_device && a->class_code == b->class_code;
}

static bool has_same_serial(const struct p2p_identity *a, const struct p2p_identity *b)
{
        return a->serial.why == b->serial.why && a->serial.val == b->serial.val;
}

bool p2p_identity_is_other(const struct p2p_identity *a, const struct p2p_identity *b)
{
        return a->is_known && b->is_known && !p2p_identity_may_be(a, b);
}

bool p2p_identity_may_be(const struct p2p_identity *a, const struct p2p_identity *b)
{
        return a->is_known && b->is_known && is_same_kind(a, b) &&
               (has_same_serial(a, b) || p2p_fact_is_unknown(a->serial) ||
                p2p_fact_is_unknown(b->serial));
}

bool p2p_identity_is_same(const struct p2p_identity *recorded, const struct p2p_identity *now)
{
        return recorded->is_known && now->is_known && is_same_kind(recorded, now) &&
               (has_same_serial(recorded, now) || p2p_fact_is_unknown(recorded->serial));
}

bool p2p_identity_is_equal(const struct p2p_identity *a, const struct p2p_identity *b)
{
        if (!a->is_known || !b->is_known)
                return a->is_known == b->is_known;
        return is_same_kind(a, b) && has_same_serial(a, b);
}

bool p2p_identity_learn(struct p2p_identity *recorded, const struct p2p_identity *now)
{
        assert(!p2p_identity_is_other(recorded, now));
        if (!now->is_known || p2p_identity_is_equal(recorded, now) ||
            (recorded->is_known && p2p_fact_is_unknown(now->serial)))
                return false;
        *recorded = *now;
        return true;
}

static char *put_id(char *to, uint32_t id)
{
        if (id != P2P_IDENTITY_ABSENT)
                return p2p_put_hex(to, id & 0xffffU, 4);
        *to++ = '-';
        return to;
}

static char *put_serial(char *to, struct p2p_fact serial)
{
        if (p2p_fact_is_known(serial)) {
                to = p2p_put_hex(to, (uint32_t)(serial.val >> 32), 8);
                return p2p_put_hex(to, (uint32_t)serial.val, 8);
        }
        *to++ = p2p_fact_is_absent(serial) ? '-' : '?';
        return to;
}

const char *p2p_identity_format(const struct p2p_identity *identity,
                                char buf[static P2P_IDENTITY_STRING_MAX])
{
        char *to = buf;

        if (!identity->is_known)
                return strcpy(buf, "unknown");
        to = p2p_put_hex(to, identity->vendor & 0xffffU, 4);
        *to++ = ':';
        to = p2p_put_hex(to, identity->device & 0xffffU, 4);
        *to++ = ':';
        to = put_id(to, identity->subsystem_vendor);
        *to++ = ':';
        to = put_id(to, identity->subsystem_device);
        *to++ = ':';
        to = p2p_put_hex(to, identity->class_code & 0xffffffU, 6);
        *to++ = ':';
        to = put_serial(to, identity->serial);
        *to = '\0';
        return buf;
}

static bool take_id(const char **text, uint32_t *ret)
{
        if (**text != '-')
                return p2p_take_hex(text, 4, ret);
        (*text)++;
        *ret = P2P_IDENTITY_ABSENT;
        return true;
}

static bool take_serial(const char **text, struct p2p_fact *ret)
{
        uint32_t high, low;

        switch (**text) {
        case '-':
                *ret = p2p_fact_without(P2P_WHY_ABSENT);
                (*text)++;
                return true;
        case '?':
                *ret = p2p_fact_without(P2P_WHY_NOT_REPORTED);
                (*text)++;
                return true;
        default:
                if (!p2p_take_hex(text, 8, &high) || !p2p_take_hex(text, 8, &low))
                        return false;
                *ret = p2p_fact_known((uint64_t)high << 32 | low);
                return true;
        }
}

int p2p_identity_parse(const char *text, struct p2p_identity *ret)
{
        struct p2p_identity identity = {
                .is_known = true,
                .serial = p2p_fact_without(P2P_WHY_NOT_REPORTED),
        };

        if (strcmp(text, "unknown") == 0) {
                *ret = (struct p2p_identity){.is_known = false};
                return 0;
        }
        if (!p2p_take_hex(&text, 4, &identity.vendor) || *text++ != ':' ||
            !p2p_take_hex(&text, 4, &identity.device) || *text++ != ':' ||
            !take_id(&text, &identity.subsystem_vendor) || *text++ != ':' ||
            !take_id(&text, &identity.subsystem_device) || *text++ != ':' ||
            !p2p_take_hex(&text, 6, &identity.class_code))
                return -EINVAL;
        if (*text == ':') {
                text++;
                if (!take_serial(&text, &identity.serial))
                        return -EINVAL;
        }
        if (*text != '\0')
                return -EINVAL;
        *ret = identity;
        return 0;
}
