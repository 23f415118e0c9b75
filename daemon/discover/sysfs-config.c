/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Config space of a function: from the reader on the live machine, from its file in a captured
 * root, or kept from before where reading would wake the function up. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "sysfs-reading.h"

/* Keeps the facts of config space that were read before, of a function that must not be woken. */
static void keep_config_facts(struct p2pd_reading *g, const struct p2p_function *before)
{
        struct p2p_function kept = *before, *f = g->f;
        struct p2p_config_extra *x = g->x->extra;

        kept.address = f->address;
        kept.incarnation = f->incarnation;
        kept.parent = kept.root = kept.physfn = kept.group = P2P_NONE;
        kept.driver = kept.cpulist = NULL;
        kept.names = NULL;
        kept.n_names = 0;
        kept.is_vf = f->is_vf;
        kept.parent_why = f->parent_why;
        *f = kept;
        x->bars_why = P2P_WHY_KNOWN;
        for (unsigned k = 0; k < P2P_BARS_MAX; k++)
                x->bars[k] = (struct p2p_config_bar){
                        .kind = before->bars[k].kind,
                        .is_64bit = before->bars[k].is_64bit,
                        .prefetchable = before->bars[k].prefetchable,
                        .bus_start = before->bars[k].bus_why == P2P_WHY_KNOWN
                                             ? p2p_fact_known(before->bars[k].bus_start.val)
                                             : p2p_fact_without(before->bars[k].bus_why),
                };
}

static bool is_suspended(struct p2pd_reading *g)
{
        __attribute__((cleanup(p2pd_closep))) int power = -1;

        if (!g->r->config_fn || !g->r->previous || !p2pd_reading_has(g, P2PD_ENTRY_POWER))
                return false;
        power = p2pd_dir_open_dir(g->dir, p2pd_entry_names[P2PD_ENTRY_POWER]);
        return power >= 0 &&
               p2pd_dir_read_text(power, "runtime_status", false, g->r->line, sizeof(g->r->line)) >
                       0 &&
               !strcmp(g->r->line, "suspended\n");
}

/* Not another device that came to the same address; where that is not known, the same. */
static bool is_same(const struct p2p_function *f, const struct p2p_function *before)
{
        return f->incarnation == 0 || before->incarnation == 0 ||
               f->incarnation == before->incarnation;
}

/* How many bytes config has for the kernel: the file says so even to those who may not read
 * them. */
static uint32_t config_file_size(const struct p2pd_reading *g)
{
        struct stat st;

        if (fstatat(g->dir, p2pd_entry_names[P2PD_ENTRY_CONFIG], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (st.st_size != P2P_CONFIG_CONVENTIONAL_BYTES &&
             st.st_size != P2P_CONFIG_EXTENDED_BYTES))
                return 0;
        return (uint32_t)st.st_size;
}

static bool is_header_only(const uint8_t *bytes, uint32_t n)
{
        return n == P2P_CONFIG_HEADER_BYTES ||
               (n == P2P_CONFIG_CARDBUS_BYTES && (bytes[0x0e] & 0x7f) == 2);
}

static void read_live_config(struct p2pd_reading *g, struct p2p_config_input *in)
{
        enum p2p_why why;

        if (!p2pd_reading_has(g, P2PD_ENTRY_CONFIG)) {
                in->short_why = P2P_WHY_NO_FILE;
                return;
        }
        in->size_bytes = config_file_size(g);
        why = g->r->config_fn(g->f->address, g->r->config, &in->n_bytes, g->r->config_userdata);
        if (why != P2P_WHY_KNOWN)
                in->n_bytes = 0;
        if (in->n_bytes == 0)
                in->short_why = why == P2P_WHY_KNOWN ? P2P_WHY_IO_ERROR : why;
        else if (in->n_bytes == P2P_CONFIG_EXTENDED_BYTES || in->n_bytes == in->size_bytes)
                in->short_why = P2P_WHY_KNOWN;
        else if (is_header_only(g->r->config, in->n_bytes))
                in->short_why = P2P_WHY_NO_PRIVILEGE;
        else
                in->short_why = P2P_WHY_IO_ERROR;
}

/* libpci cannot be kept inside a directory that may hold any links, so the files of a captured root
 * are read here. */
static void read_captured_config(struct p2pd_reading *g, struct p2p_config_input *in)
{
        ssize_t n;

        if (!p2pd_reading_has(g, P2PD_ENTRY_CONFIG)) {
                in->short_why = P2P_WHY_NO_FILE;
                return;
        }
        n = p2pd_dir_read(g->dir, p2pd_entry_names[P2PD_ENTRY_CONFIG],
                          g->type[P2PD_ENTRY_CONFIG] == P2PD_ENTRY_FILE, g->r->config,
                          sizeof(g->r->config));
        if (n < 0) {
                in->short_why = p2pd_why_from_errno((int)n);
                return;
        }
        if (n > P2P_CONFIG_EXTENDED_BYTES) {
                g->x->problems |= P2PD_PROBLEM_CONFIG_HUGE;
                in->short_why = P2P_WHY_MALFORMED;
                return;
        }
        in->n_bytes = (uint32_t)n;
        if (n == P2P_CONFIG_EXTENDED_BYTES || n == P2P_CONFIG_CONVENTIONAL_BYTES) {
                in->size_bytes = in->n_bytes;
                in->short_why = P2P_WHY_KNOWN;
        } else {
                in->short_why = is_header_only(g->r->config, in->n_bytes) ? P2P_WHY_NO_PRIVILEGE
                                                                          : P2P_WHY_NOT_CAPTURED;
        }
}

void p2pd_reading_config(struct p2pd_reading *g)
{
        struct p2p_config_input in = {
                .bytes = g->r->config,
                .is_vf = g->f->is_vf,
                .conventional_why = P2P_WHY_HIDDEN,
        };
        uint32_t before = P2P_NONE;

        if (is_suspended(g))
                before = p2p_machine_find(g->r->previous, g->f->address);
        if (before != P2P_NONE && is_same(g->f, &g->r->previous->functions[before])) {
                in.short_why = P2P_WHY_NOT_REPORTED;
                p2pd_scan_parse_config(g->s, g->index, &in);
                keep_config_facts(g, &g->r->previous->functions[before]);
                return;
        }
        if (g->r->config_fn)
                read_live_config(g, &in);
        else
                read_captured_config(g, &in);
        p2pd_scan_parse_config(g->s, g->index, &in);
}
