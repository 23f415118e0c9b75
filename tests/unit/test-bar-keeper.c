/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* BAR ids over generations and restarts: what may be shown, when, and what a state file that
 * cannot be written, is damaged or is somebody else's does to it. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bar-keeper.h"
#include "machine-builder.h"
#include "publish/state-line.h"
#include "readers.h"
#include "serve/server.h"

#define GPUS 3U
#define SERIAL_HIDDEN UINT64_MAX

struct world {
        char directory[64];
        struct p2pd_bar_keeper *keeper;
        struct builder builder;
        const struct p2p_machine *machine;
        uint64_t generation;
        uint64_t serial; /* of the GPUs; 0: they have none; SERIAL_HIDDEN: it cannot be read */
};

/* Of a class that gets no id unasked. */
static uint32_t system_peripheral(struct world *w)
{
        uint32_t handle = builder_function(&w->builder, "0000:00:1f.0", ON_ROOT_BUS,
                                           P2P_PORT_INTEGRATED_ENDPOINT, 0x088000);

        ids(&w->builder, handle, 0x8086, 0x09a4);
        return handle;
}

/* A root port for each bit of present: 00:01.0 + bit, with a GPU below; last an unranked endpoint
 * at 00:1f.0. */
static void build(struct world *w, unsigned present)
{
        if (w->machine)
                builder_free(&w->builder);
        w->builder = builder_new();
        for (unsigned i = 0; i < GPUS; i++) {
                char address[P2P_ADDRESS_STRING_MAX];
                uint32_t port, gpu;

                (void)snprintf(address, sizeof(address), "0000:00:%02x.0", i + 1);
                port = builder_root_port(&w->builder, address);
                if (!(present >> i & 1))
                        continue;
                (void)snprintf(address, sizeof(address), "0000:%02x:00.0", i + 1);
                gpu = builder_function(&w->builder, address, port, P2P_PORT_ENDPOINT, 0x030200);
                ids(&w->builder, gpu, 0x10de, (uint16_t)(0x2330 + i));
                if (w->serial)
                        builder_edit(&w->builder, gpu)->serial =
                                w->serial == SERIAL_HIDDEN ? p2p_fact_without(P2P_WHY_NO_PRIVILEGE)
                                                           : p2p_fact_known(w->serial);
                (void)bar(&w->builder, gpu, 0, 0x100000000ULL * (i + 1), 1U << 24);
        }
        (void)bar(&w->builder, system_peripheral(w), 2, 0x90000000U, 65536);
        w->machine = builder_finish(&w->builder);
}

static int follow(struct world *w)
{
        const struct p2pd_bar_keeper_now now = {
                .machine = w->machine,
                .generation = ++w->generation,
                .oldest_confirmed = P2PD_READERS_NONE,
                .older_instances_gone = !p2pd_bar_keeper_had_older_instances(w->keeper),
        };

        return p2pd_bar_keeper_follow(w->keeper, &now);
}

static int save(struct world *w)
{
        struct p2pd_state state;
        int r;

        assert_int_equal(p2pd_bar_keeper_begin_save(w->keeper, &state), 0);
        r = p2pd_state_save(p2pd_bar_keeper_directory(w->keeper), &state);
        p2pd_bar_keeper_end_save(w->keeper, &state, r);
        assert_null(state.ids);
        return r;
}

static void start(struct world *w, bool with_state, unsigned id_bits)
{
        const struct p2pd_bar_keeper_params params = {
                .state_directory = with_state ? w->directory : NULL,
                .id_bits = id_bits,
        };

        w->generation = 0;
        assert_int_equal(p2pd_bar_keeper_new(&params, &w->keeper), 0);
}

static void setup(struct world *w)
{
        *w = (struct world){0};
        (void)strcpy(w->directory, "/tmp/p2pd-keeper-XXXXXX");
        assert_non_null(mkdtemp(w->directory));
        build(w, 7);
}

static void remove_file(const struct world *w, const char *name)
{
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", w->directory, name);
        (void)unlink(path);
        (void)rmdir(path);
}

static void teardown(struct world *w)
{
        w->keeper = p2pd_bar_keeper_free(w->keeper);
        builder_free(&w->builder);
        remove_file(w, P2PD_STATE_FILE);
        remove_file(w, P2PD_STATE_FILE_NEW);
        remove_file(w, P2PD_STATE_FILE_DAMAGED);
        assert_int_equal(rmdir(w->directory), 0);
}

/* The id that is shown for this BAR, 0: none. */
static uint32_t shown(const struct world *w, const char *address, unsigned bar_index,
                      bool *ret_registered)
{
        uint32_t function = builder_at(&w->builder, address), n, id = 0;
        struct p2pd_snapshot_bar *bars;

        if (ret_registered)
                *ret_registered = false;
        assert_int_equal(p2pd_bar_keeper_list(w->keeper, w->machine, &bars, &n), 0);
        for (uint32_t i = 0; i < n; i++) {
                assert_true(i == 0 || bars[i - 1].function < bars[i].function ||
                            (bars[i - 1].function == bars[i].function &&
                             bars[i - 1].bar_index < bars[i].bar_index));
                assert_int_equal(bars[i].id == 0, bars[i].since == 0);
                if (bars[i].function != function || bars[i].bar_index != bar_index)
                        continue;
                id = bars[i].id;
                if (ret_registered)
                        *ret_registered = bars[i].registered;
        }
        free(bars);
        return id;
}

static void test_memory_only(void **state)
{
        struct world w;

        (void)state;
        setup(&w);
        start(&w, false, 0);
        assert_null(p2pd_bar_keeper_path(w.keeper));
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_id_bits(w.keeper), 4);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        assert_int_equal(shown(&w, "0000:03:00.0", 0, NULL), 3);
        assert_int_equal(shown(&w, "0000:00:1f.0", 2, NULL), 0);
        assert_false(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_true(p2pd_bar_keeper_is_saved(w.keeper, p2pd_bar_keeper_revision(w.keeper)));
        teardown(&w);
}

static void test_shown_only_when_saved(void **state)
{
        struct p2pd_state copy;
        uint64_t revision;
        struct world w;

        (void)state;
        setup(&w);
        build(&w, 1);
        start(&w, true, 0);
        assert_null(p2pd_bar_keeper_error(w.keeper));
        assert_int_equal(follow(&w), 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 0);
        assert_int_equal(save(&w), 0);
        assert_false(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        /* What is given while a save is under way is not in it. */
        build(&w, 3);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_begin_save(w.keeper, &copy), 0);
        build(&w, 7);
        assert_int_equal(follow(&w), 0);
        revision = p2pd_bar_keeper_revision(w.keeper);
        assert_int_equal(p2pd_state_save(p2pd_bar_keeper_directory(w.keeper), &copy), 0);
        p2pd_bar_keeper_end_save(w.keeper, &copy, 0);
        assert_int_equal(shown(&w, "0000:02:00.0", 0, NULL), 2);
        assert_int_equal(shown(&w, "0000:03:00.0", 0, NULL), 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_false(p2pd_bar_keeper_is_saved(w.keeper, revision));
        assert_int_equal(save(&w), 0);
        assert_true(p2pd_bar_keeper_is_saved(w.keeper, revision));
        assert_int_equal(shown(&w, "0000:03:00.0", 0, NULL), 3);
        /* A BAR that is gone is not shown, written down or not. */
        build(&w, 6);
        assert_int_equal(follow(&w), 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(shown(&w, "0000:02:00.0", 0, NULL), 2);
        build(&w, 7);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        teardown(&w);
}

static void test_restart(void **state)
{
        bool registered;
        struct world w;

        (void)state;
        setup(&w);
        build(&w, 6);
        start(&w, true, 9);
        assert_false(p2pd_bar_keeper_had_older_instances(w.keeper));
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_id_bits(w.keeper), 9);
        {
                const struct p2pd_bar_keeper_now now = {
                        .machine = w.machine,
                        .generation = ++w.generation,
                        .oldest_confirmed = P2PD_READERS_NONE,
                };
                struct p2pd_bar_wish wish = {.bar_index = 2, .registered = true};

                wish.function.devfn = 0x1f << 3;
                assert_int_equal(p2pd_bar_keeper_wish(w.keeper, &now, &wish), 0);
                wish.bar_index = 3;
                assert_int_equal(p2pd_bar_keeper_wish(w.keeper, &now, &wish),
                                 P2P_BAR_IDS_E_NO_MEMORY_BAR);
                wish.registered = false;
                assert_int_equal(p2pd_bar_keeper_wish(w.keeper, &now, &wish),
                                 P2P_BAR_IDS_E_NOT_REGISTERED);
                wish.function.bus = 99;
                assert_int_equal(p2pd_bar_keeper_wish(w.keeper, &now, &wish),
                                 P2P_BAR_IDS_E_NO_MEMORY_BAR);
        }
        assert_int_equal(shown(&w, "0000:00:1f.0", 2, &registered), 0);
        assert_true(registered);
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:02:00.0", 0, NULL), 1);
        assert_int_equal(shown(&w, "0000:00:1f.0", 2, &registered), 3);
        assert_true(registered);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        /* Another GPU comes before the others, and one is gone: nobody's id changes. */
        build(&w, 5);
        start(&w, true, 0);
        assert_true(p2pd_bar_keeper_had_older_instances(w.keeper));
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_id_bits(w.keeper), 9);
        assert_int_equal(shown(&w, "0000:03:00.0", 0, NULL), 2);
        assert_int_equal(shown(&w, "0000:00:1f.0", 2, &registered), 3);
        assert_true(registered);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 0);
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 4);
        teardown(&w);
}

/* After another boot nobody is left who knows old ids; and the file must say which boot it is. */
static void test_another_boot(void **state)
{
        struct p2pd_state copy;
        struct world w;

        (void)state;
        setup(&w);
        start(&w, true, 0);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_begin_save(w.keeper, &copy), 0);
        (void)strcpy(copy.boot_id, "00000000-0000-0000-0000-000000000000");
        assert_int_equal(p2pd_state_save(p2pd_bar_keeper_directory(w.keeper), &copy), 0);
        p2pd_bar_keeper_end_save(w.keeper, &copy, 0);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        start(&w, true, 0);
        assert_false(p2pd_bar_keeper_had_older_instances(w.keeper));
        assert_int_equal(follow(&w), 0);
        /* If it were shown now and this p2pd fell over, the next one would think of no reader. */
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(save(&w), 0);
        assert_false(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        start(&w, true, 0);
        assert_true(p2pd_bar_keeper_had_older_instances(w.keeper));
        teardown(&w);
}

static void test_cannot_be_written(void **state)
{
        char path[128];
        struct world w;

        (void)state;
        setup(&w);
        build(&w, 1);
        start(&w, true, 0);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(save(&w), 0);
        /* A directory stands where the new file is to be. */
        (void)snprintf(path, sizeof(path), "%s/%s/x", w.directory, P2PD_STATE_FILE_NEW);
        *strrchr(path, '/') = '\0';
        assert_int_equal(mkdir(path, 0700), 0);
        build(&w, 3);
        assert_int_equal(follow(&w), 0);
        assert_int_not_equal(save(&w), 0);
        assert_non_null(strstr(p2pd_bar_keeper_error(w.keeper), "cannot write"));
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        assert_int_equal(shown(&w, "0000:02:00.0", 0, NULL), 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(save(&w), 0);
        assert_null(p2pd_bar_keeper_error(w.keeper));
        assert_int_equal(shown(&w, "0000:02:00.0", 0, NULL), 2);
        teardown(&w);
}

/* Nothing is known of what was given: nothing is shown, and the file stays as it is. */
static void test_cannot_be_read(void **state)
{
        char path[128];
        struct stat st;
        struct world w;

        (void)state;
        setup(&w);
        (void)snprintf(path, sizeof(path), "%s/%s", w.directory, P2PD_STATE_FILE);
        assert_int_equal(mkdir(path, 0700), 0);
        start(&w, true, 0);
        assert_non_null(strstr(p2pd_bar_keeper_error(w.keeper), "cannot read"));
        assert_true(p2pd_bar_keeper_had_older_instances(w.keeper));
        assert_int_equal(follow(&w), 0);
        for (unsigned i = 0; i < GPUS; i++)
                assert_int_equal(shown(&w,
                                       i == 0   ? "0000:01:00.0"
                                       : i == 1 ? "0000:02:00.0"
                                                : "0000:03:00.0",
                                       0, NULL),
                                 0);
        assert_false(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_false(p2pd_bar_keeper_is_saved(w.keeper, p2pd_bar_keeper_revision(w.keeper)));
        assert_true(p2pd_bar_keeper_status(w.keeper).n_without > 0);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        teardown(&w);
}

static void overwrite(const struct world *w, off_t at, const char *text)
{
        char path[128];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", w->directory, P2PD_STATE_FILE);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (at < 0)
                at += lseek(fd, 0, SEEK_END);
        assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
        assert_int_equal(close(fd), 0);
}

/* Wherever it is damaged: a BAR has its old id or none, and nobody gets one that was another's. */
static void test_damaged(void **state)
{
        struct world w;
        struct stat st;
        char path[128];

        (void)state;
        setup(&w);
        start(&w, true, 0);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(save(&w), 0);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        (void)snprintf(path, sizeof(path), "%s/%s", w.directory, P2PD_STATE_FILE);
        assert_int_equal(stat(path, &st), 0);
        for (off_t at = 0; at < st.st_size; at += 7) {
                bool had_error;

                overwrite(&w, at, "#");
                start(&w, true, 0);
                had_error = p2pd_bar_keeper_error(w.keeper) != NULL;
                assert_true(had_error || p2pd_bar_keeper_warning(w.keeper, 0));
                assert_int_equal(follow(&w), 0);
                for (unsigned i = 0; i < GPUS; i++) {
                        char address[P2P_ADDRESS_STRING_MAX];
                        uint32_t id;

                        (void)snprintf(address, sizeof(address), "0000:%02x:00.0", i + 1);
                        id = shown(&w, address, 0, NULL);
                        assert_true(id == 0 || id == i + 1);
                        if (had_error)
                                assert_int_equal(id, 0);
                }
                w.keeper = p2pd_bar_keeper_free(w.keeper);
                /* As it was. */
                build(&w, 7);
                remove_file(&w, P2PD_STATE_FILE);
                start(&w, true, 0);
                assert_int_equal(follow(&w), 0);
                assert_int_equal(save(&w), 0);
                w.keeper = p2pd_bar_keeper_free(w.keeper);
        }
        teardown(&w);
}

/* Where the first line is damaged, nobody knows of which boot the file is: perhaps of this one. */
static void test_boot_is_lost(void **state)
{
        struct world w;

        (void)state;
        setup(&w);
        start(&w, true, 0);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(save(&w), 0);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        overwrite(&w, 0, "#");
        /* A GPU that has had no id so far: it must not get one that a reader may know. */
        build(&w, 3);
        start(&w, true, 0);
        assert_true(p2pd_bar_keeper_had_older_instances(w.keeper));
        assert_int_equal(follow(&w), 0);
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        teardown(&w);
}

/* Ids that BARs no longer have are noticed, whatever else there is. */
static void test_still_holds(void **state)
{
        struct p2pd_snapshot_bar bars[] = {{.bar_index = 0, .id = 1}, {.registered = true}};
        struct world w;

        (void)state;
        setup(&w);
        start(&w, false, 0);
        assert_int_equal(follow(&w), 0);
        bars[0].function = builder_at(&w.builder, "0000:01:00.0");
        bars[1].function = builder_at(&w.builder, "0000:00:1f.0");
        assert_true(p2pd_bar_keeper_still_holds(w.keeper, bars, 2));
        assert_true(p2pd_bar_keeper_still_holds(w.keeper, NULL, 0));
        bars[0].id = 2;
        assert_false(p2pd_bar_keeper_still_holds(w.keeper, bars, 2));
        bars[0].id = 0;
        assert_true(p2pd_bar_keeper_still_holds(w.keeper, bars, 2));
        teardown(&w);
}

/* Carries a wish out for a function, or (slot not NULL) for one that is not there. */
static int wish(struct world *w, const char *address, const char *slot, unsigned bar_index,
                bool registered)
{
        const struct p2pd_bar_keeper_now now = {
                .machine = w->machine,
                .generation = ++w->generation,
                .oldest_confirmed = P2PD_READERS_NONE,
        };
        struct p2pd_bar_wish wish = {.bar_index = (uint8_t)bar_index, .registered = registered};

        if (slot)
                (void)strcpy(wish.absent_slot.text, slot);
        else
                assert_int_equal(p2p_address_parse(address, &wish.function), 0);
        return p2pd_bar_keeper_wish(w->keeper, &now, &wish);
}

/* The only absent one. */
static void expect_absent(const struct world *w, const char *slot, const char *address, uint32_t id)
{
        const struct p2pd_absent_bars *absent = p2pd_bar_keeper_absent(w->keeper);
        char text[P2P_ADDRESS_STRING_MAX];

        assert_int_equal(absent->n, 1);
        assert_string_equal(absent->bars[0].slot.text, slot);
        assert_true(absent->bars[0].has_address);
        assert_string_equal(p2p_address_format(absent->bars[0].address, text), address);
        assert_int_equal(absent->bars[0].bar_index, 0);
        assert_int_equal(absent->bars[0].id, id);
}

static void test_absent(void **state)
{
        struct world w;

        (void)state;
        setup(&w);
        start(&w, true, 0);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_absent(w.keeper)->n, 0);
        assert_int_equal(wish(&w, "0000:02:00.0", NULL, 0, true), 0);
        assert_int_equal(p2pd_bar_keeper_absent(w.keeper)->n, 0);
        build(&w, 5);
        assert_int_equal(follow(&w), 0);
        expect_absent(&w, "0000:00:02.0/00.0", "0000:02:00.0", 2);
        /* Kept over a restart, also for a device that is not there then. */
        assert_int_equal(save(&w), 0);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        start(&w, true, 0);
        assert_int_equal(follow(&w), 0);
        expect_absent(&w, "0000:00:02.0/00.0", "0000:02:00.0", 2);
        assert_int_equal(wish(&w, NULL, "0000:00:02.0/00.0", 1, false),
                         P2P_BAR_IDS_E_NOT_REGISTERED);
        assert_int_equal(wish(&w, NULL, "0000:00:03.0/00.0", 0, false),
                         P2P_BAR_IDS_E_NOT_REGISTERED);
        expect_absent(&w, "0000:00:02.0/00.0", "0000:02:00.0", 2);
        /* Back it is not absent. */
        build(&w, 7);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_absent(w.keeper)->n, 0);
        build(&w, 5);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(wish(&w, NULL, "0000:00:02.0/00.0", 0, false), 0);
        assert_int_equal(p2pd_bar_keeper_absent(w.keeper)->n, 0);
        assert_int_equal(p2pd_bar_keeper_status(w.keeper).n_registrations, 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(wish(&w, NULL, "0000:00:02.0/00.0", 0, false),
                         P2P_BAR_IDS_E_NOT_REGISTERED);
        teardown(&w);
}

/* Another card of the same kind in the slot: the registered one is not there. */
static void test_absent_twin(void **state)
{
        struct world w;

        (void)state;
        setup(&w);
        start(&w, false, 0);
        w.serial = 0x1111;
        build(&w, 1);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(wish(&w, "0000:01:00.0", NULL, 0, true), 0);
        w.serial = 0x2222;
        build(&w, 1);
        assert_int_equal(follow(&w), 0);
        expect_absent(&w, "0000:00:01.0/00.0", "0000:01:00.0", 1);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 2);
        w.serial = 0x1111;
        build(&w, 1);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(p2pd_bar_keeper_absent(w.keeper)->n, 0);
        teardown(&w);
}

/* Until the file says whose the id is, a twin could pass for it after a crash. */
static void test_shown_only_with_its_serial(void **state)
{
        struct world w;

        (void)state;
        setup(&w);
        start(&w, true, 0);
        w.serial = SERIAL_HIDDEN;
        build(&w, 1);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        w.serial = 0x1111;
        build(&w, 1);
        assert_int_equal(follow(&w), 0);
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 0);
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        /* What was known stays in the file, so there is nothing to wait for. */
        w.serial = SERIAL_HIDDEN;
        build(&w, 1);
        assert_int_equal(follow(&w), 0);
        assert_false(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        teardown(&w);
}

/* A file as version 1 wrote it. */
static void test_file_of_version_1(void **state)
{
        static const char *const lines[] = {
                "p2pd-state 1 boot 4 0 1-3 2 0",
                "id 1 in-use 0 0000:00:01.0/00.0 0000:01:00.0 0 10de:2330:0000:0000:030200",
                "id 2 retired 1 0000:00:02.0/00.0 0000:07:00.0 0 10de:2331:0000:0000:030200",
                "id 3 in-use 0 0000:00:03.0/00.0 0000:03:00.0 0 10de:2332:0000:0000:030200",
                "registration 0000:00:02.0/00.0 0 10de:2331:0000:0000:030200",
                "registration 0000:00:03.0/00.0 0 10de:2332:0000:0000:030200",
        };
        char text[2048] = "", path[128], end[64];
        const size_t n = sizeof(lines) / sizeof(lines[0]);
        struct p2p_bar_ids_status status;
        struct world w;
        size_t size = 0;
        FILE *file;

        (void)state;
        setup(&w);
        for (size_t i = 0; i < n; i++)
                size += (size_t)snprintf(text + size, sizeof(text) - size, "%s %08x\n", lines[i],
                                         p2pd_state_crc(0, lines[i], strlen(lines[i])));
        (void)snprintf(end, sizeof(end), "end %zu %08x", n, p2pd_state_crc(0, text, size));
        (void)snprintf(path, sizeof(path), "%s/%s", w.directory, P2PD_STATE_FILE);
        file = fopen(path, "w");
        assert_non_null(file);
        (void)fprintf(file, "%s%s %08x\n", text, end, p2pd_state_crc(0, end, strlen(end)));
        assert_int_equal(fclose(file), 0);
        w.serial = 0x3333;
        build(&w, 5);
        start(&w, true, 0);
        assert_null(p2pd_bar_keeper_warning(w.keeper, 0));
        assert_false(p2pd_bar_keeper_is_same_boot(w.keeper));
        assert_int_equal(follow(&w), 0);
        expect_absent(&w, "0000:00:02.0/00.0", "0000:07:00.0", 2);
        /* The ids are kept, and what is known now is written. */
        assert_true(p2pd_bar_keeper_is_dirty(w.keeper));
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 1);
        assert_int_equal(shown(&w, "0000:03:00.0", 0, NULL), 3);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        start(&w, true, 0);
        assert_true(p2pd_bar_keeper_is_same_boot(w.keeper));
        w.serial = 0x4444;
        build(&w, 5);
        assert_int_equal(follow(&w), 0);
        assert_int_equal(save(&w), 0);
        assert_int_equal(shown(&w, "0000:01:00.0", 0, NULL), 4);
        assert_int_equal(shown(&w, "0000:03:00.0", 0, NULL), 5);
        status = p2pd_bar_keeper_status(w.keeper);
        assert_int_equal(status.n_registrations, 2);
        assert_int_equal(p2pd_bar_keeper_absent(w.keeper)->n, 2);
        teardown(&w);
}

static void test_directory(void **state)
{
        struct p2pd_bar_keeper_params params = {.state_directory = "/nonexistent/state"};
        struct p2pd_bar_keeper *other = NULL;
        char path[128];
        struct world w;

        (void)state;
        setup(&w);
        assert_int_equal(p2pd_bar_keeper_new(&params, &other), -ENOENT);
        params.state_directory = "/dev/null";
        assert_int_equal(p2pd_bar_keeper_new(&params, &other), -ENOTDIR);
        /* Made if it is not there; only one may use it. */
        (void)snprintf(path, sizeof(path), "%s/made", w.directory);
        params.state_directory = path;
        assert_int_equal(p2pd_bar_keeper_new(&params, &w.keeper), 0);
        assert_string_equal(p2pd_bar_keeper_path(w.keeper), path);
        assert_int_equal(p2pd_bar_keeper_new(&params, &other), -EBUSY);
        assert_null(other);
        w.keeper = p2pd_bar_keeper_free(w.keeper);
        assert_int_equal(p2pd_bar_keeper_new(&params, &w.keeper), 0);
        assert_int_equal(rmdir(path), 0);
        teardown(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_memory_only),
                cmocka_unit_test(test_shown_only_when_saved),
                cmocka_unit_test(test_restart),
                cmocka_unit_test(test_another_boot),
                cmocka_unit_test(test_cannot_be_written),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_cannot_be_read),
                cmocka_unit_test(test_boot_is_lost),
                cmocka_unit_test(test_still_holds),
                cmocka_unit_test(test_absent),
                cmocka_unit_test(test_absent_twin),
                cmocka_unit_test(test_shown_only_with_its_serial),
                cmocka_unit_test(test_file_of_version_1),
                cmocka_unit_test(test_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
