/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish/state-line.h"
#include "publish/state-text.h"

#define N_IDS (P2P_BAR_IDS_LAST + 1)

struct parser {
        struct p2pd_state s; /* ids in the order of the file */
        p2pd_state_report_fn report;
        void *userdata;
        uint32_t n_reports;

        const char *text;
        size_t line_start; /* offset of the line */
        uint32_t n_lines;  /* before it */
        bool has_end;
        uint32_t greatest_id;
        bool given[N_IDS]; /* the first line names it */
        bool doubtful[N_IDS];
        uint32_t position[N_IDS]; /* of its record in s.ids, plus 1 */

        uint64_t n_registrations, n_leases; /* how many there should be */
        uint64_t n_lease_devices;           /* likewise, of the last lease */
        uint64_t n_devices;                 /* of all leases */
};

static void __attribute__((format(printf, 2, 3))) lost(struct parser *p, const char *format, ...)
{
        char text[256];
        va_list ap;
        int n;

        p->s.is_damaged = true;
        if (++p->n_reports >= P2PD_STATE_REPORTS_MAX || !p->report)
                return;
        n = snprintf(text, sizeof(text), "state file: ");
        va_start(ap, format);
        (void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
        va_end(ap);
        p->report(text, p->userdata);
}

static void report_rest(const struct parser *p)
{
        char text[64];

        if (p->n_reports < P2PD_STATE_REPORTS_MAX || !p->report)
                return;
        (void)snprintf(text, sizeof(text), "state file: %" PRIu32 " more such findings",
                       p->n_reports - (P2PD_STATE_REPORTS_MAX - 1));
        p->report(text, p->userdata);
}

/* The array with room for one more after n: it has room for the next power of two. NULL: memory. */
static void *grow(void *array, uint32_t n, size_t size)
{
        if ((n & (n - 1)) != 0)
                return array;
        return reallocarray(array, n == 0 ? 1 : 2 * (size_t)n, size);
}

/* "1-5,7": ascending. */
static bool parse_id_list(struct parser *p, const char *at, size_t n)
{
        uint32_t val[2] = {0}, least = 1;
        const char *end = at + n;
        unsigned which = 0;

        for (const char *start = at;; at++) {
                if (at < end && *at >= '0' && *at <= '9') {
                        val[which] = val[which] * 10 + (uint32_t)(*at - '0');
                        if (val[which] > P2P_BAR_IDS_LAST)
                                return false;
                        continue;
                }
                if (at == start || val[which] < least)
                        return false;
                least = val[which] + 1;
                if (at < end && *at == '-' && which == 0) {
                        which = 1;
                } else if (at == end || *at == ',') {
                        for (uint32_t id = val[0]; id <= val[which]; id++)
                                p->given[id] = true;
                        p->greatest_id = val[which];
                        val[0] = which = 0;
                } else {
                        return false;
                }
                if (at == end)
                        return true;
                val[1] = 0;
                start = at + 1;
        }
}

static bool take_id_set(struct parser *p, struct p2pd_state_line *line)
{
        const char *at;
        size_t n;

        if (!p2pd_state_take_raw(line, &at, &n))
                return false;
        if (n == 3 && memcmp(at, "all", 3) == 0) {
                p->s.is_id_set_lost = true;
                return true;
        }
        return (n == 4 && memcmp(at, "none", 4) == 0) || parse_id_list(p, at, n);
}

static bool open_header(const char *text, size_t n, struct p2pd_state_line *ret,
                        uint64_t *ret_version)
{
        return p2pd_state_line_open(text, n, ret) && p2pd_state_take_word(ret, "p2pd-state") &&
               p2pd_state_take_number(ret, UINT64_MAX, ret_version);
}

bool p2pd_state_is_newer(const char *text, size_t size)
{
        const char *newline = memchr(text, '\n', size);
        struct p2pd_state_line line;
        uint64_t version;

        return newline && open_header(text, (size_t)(newline - text), &line, &version) &&
               version > P2PD_STATE_VERSION;
}

static bool parse_header(struct parser *p, const char *text, size_t n)
{
        struct p2pd_state_line line;
        uint64_t version, width;

        if (!open_header(text, n, &line, &version) || version == 0 ||
            version > P2PD_STATE_VERSION ||
            !p2pd_state_take_text(&line, p->s.boot_id, sizeof(p->s.boot_id)) ||
            !p2pd_state_take_number(&line, P2P_BAR_IDS_WIDTH_MAX, &width) ||
            !p2pd_state_take_number(&line, UINT64_MAX, &p->s.last_lease) ||
            !take_id_set(p, &line) ||
            !p2pd_state_take_number(&line, P2P_BAR_IDS_REGISTRATIONS_MAX, &p->n_registrations) ||
            !p2pd_state_take_number(&line, P2PD_STATE_LEASES_MAX, &p->n_leases) ||
            !p2pd_state_line_is_done(&line))
                return false;
        p->s.id_width = (unsigned)width;
        return true;
}

static void forget_header(struct parser *p)
{
        lost(p, "the first line is damaged: which BAR ids were given is not known, and no other "
                "is given while readers of earlier may be left");
        p->s.boot_id[0] = '\0';
        p->s.last_lease = 0;
        p->s.is_id_set_lost = true;
        memset(p->given, 0, sizeof(p->given));
        p->greatest_id = 0;
        p->n_registrations = p->n_leases = 0;
}

static bool take_slot(struct p2pd_state_line *line, struct p2p_slot *ret)
{
        return p2pd_state_take_text(line, ret->text, sizeof(ret->text)) &&
               (ret->text[0] == '\0' || p2p_slot_is_valid(ret->text));
}

static bool take_address(struct p2pd_state_line *line, struct p2p_address *ret)
{
        char text[P2P_ADDRESS_STRING_MAX];

        return p2pd_state_take_text(line, text, sizeof(text)) && p2p_address_parse(text, ret) == 0;
}

static bool take_identity(struct p2pd_state_line *line, struct p2p_identity *ret)
{
        char text[P2P_IDENTITY_STRING_MAX];

        return p2pd_state_take_text(line, text, sizeof(text)) && p2p_identity_parse(text, ret) == 0;
}

/* The functions below take one record each: 1 if it is one, 0 if it is malformed, or -ENOMEM. */

static int take_id(struct parser *p, struct p2pd_state_line *line)
{
        struct p2p_bar_id record = {.function = P2P_NONE};
        uint64_t id, bar_index;
        void *grown;
        char state[8];

        if (!p2pd_state_take_number(line, P2P_BAR_IDS_LAST, &id) || id == 0 ||
            !p2pd_state_take_text(line, state, sizeof(state)) ||
            !p2pd_state_take_number(line, INT64_MAX, &record.retired_order) ||
            !take_slot(line, &record.slot) || !take_address(line, &record.address) ||
            !p2pd_state_take_number(line, P2P_BARS_MAX - 1, &bar_index) ||
            !take_identity(line, &record.identity) || !p2pd_state_line_is_done(line))
                return 0;
        while (record.state < P2P_BAR_ID_STATE_MAX &&
               strcmp(state, p2p_bar_id_state_to_string(record.state)) != 0)
                record.state++;
        if (record.state == P2P_BAR_ID_STATE_MAX)
                return 0;
        record.id = (uint32_t)id;
        record.bar_index = (uint32_t)bar_index;
        if (p->position[id] != 0) {
                p->doubtful[id] = true;
                lost(p, "BAR id %" PRIu64 " has two records", id);
                return 1;
        }
        grown = grow(p->s.ids, p->s.n_ids, sizeof(record));
        if (!grown)
                return -ENOMEM;
        p->s.ids = grown;
        p->s.ids[p->s.n_ids++] = record;
        p->position[id] = p->s.n_ids;
        if (id > p->greatest_id)
                p->greatest_id = (uint32_t)id;
        return 1;
}

static int take_registration(struct parser *p, struct p2pd_state_line *line)
{
        struct p2p_bar_registration record = {.has_address = false};
        uint64_t bar_index;
        void *grown;

        if (!take_slot(line, &record.slot) || record.slot.text[0] == '\0' ||
            !p2pd_state_take_number(line, P2P_BARS_MAX - 1, &bar_index) ||
            !take_identity(line, &record.identity) || !record.identity.is_known)
                return 0;
        if (!p2pd_state_line_is_done(line)) {
                if (!take_address(line, &record.address))
                        return 0;
                record.has_address = true;
        }
        if (!p2pd_state_line_is_done(line) || p->s.n_registrations == P2P_BAR_IDS_REGISTRATIONS_MAX)
                return 0;
        record.bar_index = (uint32_t)bar_index;
        grown = grow(p->s.registrations, p->s.n_registrations, sizeof(record));
        if (!grown)
                return -ENOMEM;
        p->s.registrations = grown;
        p->s.registrations[p->s.n_registrations++] = record;
        return 1;
}

/* All lines of the last lease were read. */
static void finish_lease(struct parser *p)
{
        struct p2pd_state_lease *lease;

        if (p->s.n_leases == 0)
                return;
        lease = &p->s.leases[p->s.n_leases - 1];
        if (lease->n_devices < p->n_lease_devices)
                lost(p, "lease %" PRIu64 " (%s) has lost %" PRIu64 " of its %" PRIu64 " devices",
                     lease->number, lease->name, p->n_lease_devices - lease->n_devices,
                     p->n_lease_devices);
        p->n_lease_devices = 0;
        if (lease->n_devices > 0)
                return;
        p2pd_state_lease_deinit(lease);
        p->s.n_leases--;
}

/* Names go into logs. */
static bool is_name(const char *text)
{
        if (*text == '\0')
                return false;
        for (; *text; text++)
                if (*text <= ' ' || *text > '~')
                        return false;
        return true;
}

/* When it ends, and how many devices it has. */
static bool take_term(struct p2pd_state_line *line, struct p2pd_state_lease *record,
                      uint64_t *ret_n_devices)
{
        uint64_t number;

        if (!p2pd_state_take_number(line, UINT64_MAX, &record->taken_usec) ||
            !p2pd_state_take_number(line, UINT64_MAX, &record->expires_usec) ||
            !p2pd_state_take_number(line, UINT64_MAX, &number))
                return false;
        if (!p2pd_state_line_is_done(line)) {
                record->deadline_usec = number;
                if (!p2pd_state_take_number(line, UINT64_MAX, &record->duration_usec) ||
                    !p2pd_state_take_number(line, UINT64_MAX, &number))
                        return false;
        } else if (record->expires_usec > record->taken_usec) {
                record->duration_usec = record->expires_usec - record->taken_usec;
        }
        *ret_n_devices = number;
        return number > 0 && number <= P2PD_STATE_LEASE_DEVICES_MAX &&
               p2pd_state_line_is_done(line);
}

static int take_lease(struct parser *p, struct p2pd_state_line *line)
{
        struct p2pd_state_lease record = {0};
        uint64_t uid, pid, n_devices;
        void *grown;

        if (!p2pd_state_take_number(line, UINT64_MAX, &record.number) || record.number == 0 ||
            !p2pd_state_take_text(line, record.name, sizeof(record.name)) ||
            !is_name(record.name) ||
            !p2pd_state_take_text(line, record.owner, sizeof(record.owner)) ||
            !p2pd_state_take_number(line, UINT32_MAX, &uid) ||
            !p2pd_state_take_number(line, UINT32_MAX, &pid) ||
            !take_term(line, &record, &n_devices))
                return 0;
        finish_lease(p);
        if (p->s.n_leases == P2PD_STATE_LEASES_MAX ||
            (p->s.n_leases > 0 && p->s.leases[p->s.n_leases - 1].number >= record.number))
                return 0;
        record.uid = (uint32_t)uid;
        record.pid = (uint32_t)pid;
        grown = grow(p->s.leases, p->s.n_leases, sizeof(record));
        if (!grown)
                return -ENOMEM;
        p->s.leases = grown;
        p->s.leases[p->s.n_leases++] = record;
        p->n_lease_devices = n_devices;
        return 1;
}

static int take_device(struct parser *p, struct p2pd_state_line *line)
{
        struct p2pd_state_lease *lease = p->s.n_leases > 0 ? &p->s.leases[p->s.n_leases - 1] : NULL;
        struct p2pd_state_device record;
        uint64_t number;
        void *grown;

        if (!p2pd_state_take_number(line, UINT64_MAX, &number) || !take_slot(line, &record.slot) ||
            record.slot.text[0] == '\0' || !take_identity(line, &record.identity) ||
            !record.identity.is_known || !take_address(line, &record.address) ||
            !p2pd_state_line_is_done(line) || p->n_devices == P2PD_STATE_LEASE_DEVICES_MAX)
                return 0;
        p->n_devices++;
        if (!lease || lease->number != number || lease->n_devices >= p->n_lease_devices) {
                lost(p, "lease %" PRIu64 " is lost; it held %s", number, record.slot.text);
                return 1;
        }
        grown = grow(lease->devices, lease->n_devices, sizeof(record));
        if (!grown)
                return -ENOMEM;
        lease->devices = grown;
        lease->devices[lease->n_devices++] = record;
        return 1;
}

static int take_end(struct parser *p, struct p2pd_state_line *line)
{
        uint64_t n_lines;
        const char *digits;
        size_t n;
        char crc[9];

        if (!p2pd_state_take_number(line, UINT64_MAX, &n_lines) ||
            !p2pd_state_take_raw(line, &digits, &n) || n != 8 || !p2pd_state_line_is_done(line))
                return 0;
        (void)snprintf(crc, sizeof(crc), "%08" PRIx32, p2pd_state_crc(0, p->text, p->line_start));
        p->has_end = true;
        if (n_lines != p->n_lines || memcmp(crc, digits, 8) != 0)
                lost(p, "it is not as a whole what was written");
        return 1;
}

static int take_record(struct parser *p, const char *text, size_t n)
{
        static const struct {
                const char *word;
                int (*take)(struct parser *p, struct p2pd_state_line *line);
        } kinds[] = {
                {"id", take_id},       {"registration", take_registration},
                {"lease", take_lease}, {"device", take_device},
                {"end", take_end},
        };
        struct p2pd_state_line line;
        const char *word;
        size_t length;

        if (!p2pd_state_line_open(text, n, &line) || !p2pd_state_take_raw(&line, &word, &length))
                return 0;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strlen(kinds[i].word) == length && memcmp(kinds[i].word, word, length) == 0)
                        return kinds[i].take(p, &line);
        return 0;
}

static int parse_lines(struct parser *p, size_t size)
{
        size_t end;
        int r;

        for (; p->line_start < size; p->line_start = end + 1, p->n_lines++) {
                const char *at = p->text + p->line_start;
                const char *newline = memchr(at, '\n', size - p->line_start);

                end = newline ? (size_t)(newline - p->text) : size;
                if (p->n_lines == 0) {
                        if (!newline || !parse_header(p, at, end))
                                forget_header(p);
                        continue;
                }
                r = newline && !p->has_end ? take_record(p, at, end - p->line_start) : 0;
                if (r < 0)
                        return r;
                if (r == 0)
                        lost(p, "line %" PRIu32 " is damaged", p->n_lines + 1);
        }
        return 0;
}

/* "3, 7-9, ..." */
static void report_lost_ids(struct parser *p)
{
        char text[160] = "";
        uint32_t n = 0, end;
        size_t used = 0;

        for (uint32_t id = 1; id <= p->greatest_id; id = end + 1) {
                for (end = id; end <= p->greatest_id && p->given[end] && p->position[end] == 0;)
                        end++;
                if (end == id)
                        continue;
                n += end - id;
                if (used + 32 > sizeof(text))
                        continue;
                used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRIu32,
                                         used == 0 ? "" : ", ", id);
                if (end > id + 1)
                        used += (size_t)snprintf(text + used, sizeof(text) - used, "-%" PRIu32,
                                                 end - 1);
                if (used + 32 > sizeof(text))
                        used += (size_t)snprintf(text + used, sizeof(text) - used, ", ...");
        }
        if (n > 0)
                lost(p, "whose BAR had these %" PRIu32 " ids is lost, they are held back: %s", n,
                     text);
}

/* Puts the ids in order, those without a (certain) record as lost. 0 or -ENOMEM. */
static int sort_ids(struct parser *p)
{
        struct p2p_bar_id *sorted;
        uint32_t n = 0;

        report_lost_ids(p);
        for (uint32_t id = 1; id <= p->greatest_id; id++)
                n += p->given[id] || p->position[id] != 0;
        sorted = calloc((size_t)n + 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        n = 0;
        for (uint32_t id = 1; id <= p->greatest_id; id++) {
                if (p->position[id] != 0 && !p->doubtful[id])
                        sorted[n++] = p->s.ids[p->position[id] - 1];
                else if (p->given[id] || p->doubtful[id])
                        sorted[n++] = (struct p2p_bar_id){
                                .id = id,
                                .state = P2P_BAR_ID_LOST,
                                .function = P2P_NONE,
                        };
        }
        free(p->s.ids);
        p->s.ids = sorted;
        p->s.n_ids = n;
        return 0;
}

static int parse_all(struct parser *p, size_t size)
{
        int r;

        if (size == 0)
                forget_header(p);
        r = parse_lines(p, size);
        if (r < 0)
                return r;
        finish_lease(p);
        if (!p->has_end)
                lost(p, "it ends too early");
        if (p->s.n_registrations < p->n_registrations)
                lost(p, "%" PRIu64 " of %" PRIu64 " registrations are lost",
                     p->n_registrations - p->s.n_registrations, p->n_registrations);
        if (p->s.n_leases < p->n_leases)
                lost(p, "%" PRIu64 " of %" PRIu64 " leases are lost", p->n_leases - p->s.n_leases,
                     p->n_leases);
        return sort_ids(p);
}

int p2pd_state_parse(const char *text, size_t size, p2pd_state_report_fn report, void *userdata,
                     struct p2pd_state *ret)
{
        struct parser *p;
        int r;

        if (p2pd_state_is_newer(text, size))
                return P2PD_STATE_E_NEWER;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->text = text;
        p->report = report;
        p->userdata = userdata;
        r = parse_all(p, size);
        if (r == 0) {
                report_rest(p);
                *ret = p->s;
        } else {
                p2pd_state_deinit(&p->s);
        }
        free(p);
        return r;
}
