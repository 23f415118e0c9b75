/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/what-if.h"

#include <string.h>
#include <strings.h>

#include "decide/boot-parameter.h"

/* KEY=VALUE or KEY=VALUE@NAME. Every step takes a piece of the text, and says where it stopped. */
struct parsing {
        const char *text;
        p2p_edit_resolve_fn resolve;
        void *userdata;
        struct p2p_edit edit;
        struct p2p_edit_fault fault;
};

struct piece {
        const char *text;
        uint32_t len;
};

static int refuse(struct parsing *p, int error, struct piece piece)
{
        p->fault = (struct p2p_edit_fault){(uint32_t)(piece.text - p->text), piece.len};
        return error;
}

static bool piece_is(struct piece piece, const char *text)
{
        return piece.len == strlen(text) && strncasecmp(piece.text, text, piece.len) == 0;
}

static struct piece piece_before(struct piece *rest, char c)
{
        const char *at = memchr(rest->text, c, rest->len);
        struct piece head = *rest;

        if (at) {
                head.len = (uint32_t)(at - rest->text);
                rest->text = at + 1;
                rest->len -= head.len + 1;
        } else {
                rest->text += rest->len;
                rest->len = 0;
        }
        return head;
}

static int resolve(struct parsing *p, struct piece name, uint32_t *ret)
{
        int r;

        if (name.len == 0)
                return refuse(p, P2P_WHAT_IF_E_SYNTAX, name);
        r = p->resolve(name.text, name.len, ret, p->userdata);
        return r > 0 ? refuse(p, r, name) : r;
}

static uint16_t acs_bit(struct piece name)
{
        static const char names[][3] = {"SV", "TB", "RR", "CR", "UF", "EC", "DT"};

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (piece_is(name, names[i]))
                        return (uint16_t)(1U << i);
        return 0;
}

/* "RR,CR": exactly these; "+EC,-RR": these changes. One form or the other. */
static int parse_bits(struct parsing *p, struct piece list)
{
        bool exact = false, relative = false;

        while (list.len > 0 || !(exact || relative)) {
                struct piece item = piece_before(&list, ','), name = item;
                const char sign = item.len > 0 ? *item.text : '\0';
                uint16_t bit;

                if (sign == '+' || sign == '-') {
                        relative = true;
                        name.text++;
                        name.len--;
                } else {
                        exact = true;
                }
                bit = acs_bit(name);
                if (bit == 0)
                        return refuse(p, P2P_WHAT_IF_E_UNKNOWN_BIT, item);
                if ((exact && relative) || ((p->edit.acs_set | p->edit.acs_clear) & bit))
                        return refuse(p, P2P_WHAT_IF_E_SYNTAX, item);
                if (sign == '-')
                        p->edit.acs_clear |= bit;
                else
                        p->edit.acs_set |= bit;
        }
        if (exact)
                p->edit.acs_clear = P2P_BOOT_ACS_BITS & (uint16_t)~p->edit.acs_set;
        return 0;
}

static int parse_acs(struct parsing *p, struct piece value, struct piece name)
{
        int r = 0;

        if (piece_is(value, "off"))
                p->edit.acs_clear = UINT16_MAX;
        else if (piece_is(value, "on"))
                p->edit.acs_default = true;
        else
                r = parse_bits(p, value);
        if (r != 0)
                return r;
        if (piece_is(name, "all"))
                return 0;
        return resolve(p, name, &p->edit.function);
}

static int parse_iommu(struct parsing *p, struct piece value)
{
        static const char *const modes[P2P_EDIT_IOMMU_MAX] = {
                [P2P_EDIT_IOMMU_OFF] = "off",
                [P2P_EDIT_IOMMU_TRANSLATED] = "translated",
                [P2P_EDIT_IOMMU_PASSTHROUGH] = "passthrough",
        };

        for (unsigned i = 0; i < P2P_EDIT_IOMMU_MAX; i++)
                if (piece_is(value, modes[i])) {
                        p->edit.iommu = i;
                        return 0;
                }
        return refuse(p, P2P_WHAT_IF_E_UNKNOWN_MODE, value);
}

/* Takes one to five digits off the front. False: there are none, or too many. */
static bool take_number(struct piece *rest, uint32_t *ret)
{
        uint32_t val = 0, n = 0;

        while (n < rest->len && rest->text[n] >= '0' && rest->text[n] <= '9') {
                if (n == 5)
                        return false;
                val = val * 10 + (uint32_t)(rest->text[n++] - '0');
        }
        if (n == 0)
                return false;
        rest->text += n;
        rest->len -= n;
        *ret = val;
        return true;
}

static bool take_text(struct piece *rest, const char *text)
{
        const size_t n = strlen(text);

        if (rest->len < n || strncasecmp(rest->text, text, n) != 0)
                return false;
        rest->text += n;
        rest->len -= (uint32_t)n;
        return true;
}

static int parse_kernel(struct parsing *p, struct piece value)
{
        struct piece rest = value;
        uint32_t numbers[3], n = 0;

        do {
                if (n == 3 || !take_number(&rest, &numbers[n]) || numbers[n] > UINT16_MAX)
                        return refuse(p, P2P_WHAT_IF_E_BAD_RELEASE, value);
                n++;
        } while (take_text(&rest, "."));
        if (n < 2 || rest.len > 0 || value.len >= sizeof(p->edit.release))
                return refuse(p, P2P_WHAT_IF_E_BAD_RELEASE, value);
        memcpy(p->edit.release, value.text, value.len);
        return 0;
}

static bool is_one_of(uint32_t val, const uint32_t *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (list[i] == val)
                        return true;
        return false;
}

/* "16", "16GT", "16GT/s", "2.5GT/s" */
static bool take_speed(struct piece *rest, uint32_t *ret_mts)
{
        static const uint32_t speeds[] = {2500, 5000, 8000, 16000, 32000, 64000, 128000};
        uint32_t whole, tenths = 0;

        if (!take_number(rest, &whole) || whole > 128)
                return false;
        if (take_text(rest, ".") && (!take_number(rest, &tenths) || tenths > 9))
                return false;
        if (take_text(rest, "GT"))
                (void)take_text(rest, "/s");
        *ret_mts = whole * 1000 + tenths * 100;
        return is_one_of(*ret_mts, speeds, sizeof(speeds) / sizeof(speeds[0]));
}

static int parse_link(struct parsing *p, struct piece value, struct piece name)
{
        static const uint32_t widths[] = {1, 2, 4, 8, 12, 16, 32};
        struct piece rest = value;
        bool ok = value.len > 0;

        if (ok && *rest.text != 'x' && *rest.text != 'X')
                ok = take_speed(&rest, &p->edit.speed_mts);
        if (ok && rest.len > 0)
                ok = take_text(&rest, "x") && take_number(&rest, &p->edit.width_lanes) &&
                     rest.len == 0 &&
                     is_one_of(p->edit.width_lanes, widths, sizeof(widths) / sizeof(widths[0]));
        if (!ok)
                return refuse(p, P2P_WHAT_IF_E_BAD_LINK, value);
        return resolve(p, name, &p->edit.function);
}

static int parse_move(struct parsing *p, struct piece function, struct piece port)
{
        int r = resolve(p, function, &p->edit.function);

        return r == 0 ? resolve(p, port, &p->edit.port) : r;
}

static int parse(struct parsing *p)
{
        struct piece rest = {p->text, (uint32_t)strlen(p->text)}, all = rest, key, value;
        bool named;

        if (!memchr(rest.text, '=', rest.len))
                return refuse(p, P2P_WHAT_IF_E_SYNTAX, all);
        key = piece_before(&rest, '=');
        named = memchr(rest.text, '@', rest.len) != NULL;
        for (unsigned kind = 0; kind < P2P_EDIT_KIND_MAX; kind++) {
                const bool wants_name = kind != P2P_EDIT_IOMMU && kind != P2P_EDIT_KERNEL;

                if (!piece_is(key, p2p_edit_kind_to_string(kind)))
                        continue;
                if (wants_name != named)
                        return refuse(p, P2P_WHAT_IF_E_SYNTAX, rest);
                p->edit.kind = kind;
                value = piece_before(&rest, '@');
                switch (p->edit.kind) {
                case P2P_EDIT_ACS:
                        return parse_acs(p, value, rest);
                case P2P_EDIT_IOMMU:
                        return parse_iommu(p, value);
                case P2P_EDIT_KERNEL:
                        return parse_kernel(p, value);
                case P2P_EDIT_MOVE:
                        return parse_move(p, value, rest);
                case P2P_EDIT_LINK:
                        return parse_link(p, value, rest);
                case P2P_EDIT_KIND_MAX:
                        break;
                }
        }
        return refuse(p, P2P_WHAT_IF_E_UNKNOWN_KEY, key);
}

int p2p_edit_parse(const char *text, p2p_edit_resolve_fn resolve_name, void *userdata,
                   struct p2p_edit *ret, struct p2p_edit_fault *ret_fault)
{
        struct parsing p = {
                .text = text,
                .resolve = resolve_name,
                .userdata = userdata,
                .edit = {.function = P2P_NONE, .port = P2P_NONE},
        };
        int r = parse(&p);

        if (r == 0)
                *ret = p.edit;
        else if (r > 0 && ret_fault)
                *ret_fault = p.fault;
        return r;
}
