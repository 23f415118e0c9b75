/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe.h"

#include <inttypes.h>
#include <string.h>

#include "fields.h"
#include "pci-ids.h"

void describe_names(const struct terminal *t, struct text *out, struct json_object *names,
                    size_t max)
{
        size_t n = array_length(names);

        for (size_t i = 0; i < n; i++) {
                if (max > 0 && i == max && n > max + 1) {
                        text_addf(out, " +%zu", n - max);
                        return;
                }
                text_add(out, i ? " " : "");
                text_add_safe(out, array_string_at(names, i), t->utf8);
        }
}

static void add_gts(struct text *out, int64_t mts)
{
        if (mts % 1000 == 0)
                text_addf(out, "%" PRId64, mts / 1000);
        else
                text_addf(out, "%" PRId64 ".%" PRId64, mts / 1000, mts % 1000 / 100);
}

static void add_speed(struct text *out, struct json_object *link, const char *speed,
                      const char *width)
{
        int64_t mts, lanes;

        if (field_int(link, speed, &mts))
                add_gts(out, mts);
        else
                text_add(out, "?");
        text_add(out, " GT/s");
        if (field_int(link, width, &lanes))
                text_addf(out, " x%" PRId64, lanes);
        else
                text_add(out, " x?");
}

void describe_size(struct text *out, struct json_object *object, const char *name)
{
        uint64_t bytes;

        if (field_hex(object, name, &bytes))
                text_add_size(out, bytes);
        else
                text_add(out, field_string_or(object, name, "?"));
}

bool link_is_below_best(struct json_object *link)
{
        int64_t now, max;

        if (field_int(link, "speed_mts", &now) && field_int(link, "max_speed_mts", &max) &&
            now < max)
                return true;
        return field_int(link, "width_lanes", &now) && field_int(link, "max_width_lanes", &max) &&
               now < max;
}

void describe_link(struct text *out, struct json_object *link)
{
        int64_t v;

        if (!link || (!field_int(link, "speed_mts", &v) && !field_int(link, "width_lanes", &v))) {
                text_add(out, "-");
                return;
        }
        add_speed(out, link, "speed_mts", "width_lanes");
        if (link_is_below_best(link)) {
                text_add(out, " (of ");
                add_speed(out, link, "max_speed_mts", "max_width_lanes");
                text_add(out, ")");
        }
}

void describe_link_briefly(struct text *out, struct json_object *link)
{
        int64_t speed, width, max;

        if (!field_int(link, "speed_mts", &speed) || !field_int(link, "width_lanes", &width)) {
                describe_link(out, link);
                return;
        }
        add_gts(out, speed);
        if (field_int(link, "max_speed_mts", &max) && speed < max) {
                text_add(out, "/");
                add_gts(out, max);
        }
        text_addf(out, " GT/s x%" PRId64, width);
        if (field_int(link, "max_width_lanes", &max) && width < max)
                text_addf(out, "/%" PRId64, max);
}

bool is_unknown(struct json_object *function, const char *fact)
{
        struct json_object *unknowns = field_array(function, "unknowns");

        for (size_t i = 0; i < array_length(unknowns); i++) {
                const char *name = field_string_or(array_at(unknowns, i), "fact", "");

                if (strncmp(name, fact, strlen(fact)) == 0)
                        return true;
        }
        return false;
}

void describe_acs(struct text *out, struct json_object *function, enum style *ret_style)
{
        struct json_object *acs = field_object(function, "acs");
        struct json_object *set = field_array(acs, "set");
        enum style style = STYLE_PLAIN;

        if (!acs && is_unknown(function, "acs")) {
                text_add(out, "?");
                style = STYLE_UNKNOWN;
        } else if (!acs) {
                text_add(out, "-");
                style = STYLE_FAINT;
        } else if (array_length(set) == 0) {
                text_add(out, "none set");
        }
        for (size_t i = 0; i < array_length(set); i++)
                text_addf(out, "%s%s", i ? " " : "", array_string_at(set, i));
        if (field_is_true(acs, "redirects"))
                style = STYLE_CAUTION;
        if (ret_style)
                *ret_style = style;
}

void describe_device(const struct terminal *t, struct text *out, struct pci_access *ids,
                     struct json_object *function)
{
        char name[256] = "";
        uint64_t vendor = 0, device = 0;

        if (field_hex(function, "vendor", &vendor) && field_hex(function, "device", &device))
                pci_ids_lookup(ids, (unsigned int)vendor, (unsigned int)device, name, sizeof(name));
        if (name[0] != '\0')
                text_add_safe(out, name, t->utf8);
        else if (vendor != 0)
                text_addf(out, "%04" PRIx64 ":%04" PRIx64, vendor, device);
        else
                text_add(out, "?");
}

bool all_in_segment_0(struct json_object *functions)
{
        for (size_t i = 0; i < array_length(functions); i++) {
                struct json_object *f = array_at(functions, i);
                const char *address = json_object_is_type(f, json_type_string)
                                              ? json_object_get_string(f)
                                              : field_string_or(f, "address", "");

                if (strncmp(address, "0000:", 5) != 0)
                        return false;
        }
        return true;
}

const char *short_address(const char *address, bool without_segment)
{
        return without_segment && strncmp(address, "0000:", 5) == 0 ? address + 5 : address;
}
