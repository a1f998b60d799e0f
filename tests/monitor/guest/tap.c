/* SPDX-License-Identifier: MPL-2.0 */
/* Runs cases: on each device that they are for; then that device must start again, and all others must still work. */
#include "guest.h"
#include "vio.h"

#define LONG_MS 2000

static unsigned n_done, n_failed;
static uint64_t began;
static const char *failed_text;
static uint64_t failed_value;

void check_that(bool ok, const char *text, uint64_t value)
{
        if (ok || failed_text)
                return;
        failed_text = text;
        failed_value = value;
}

static void report(const char *name, const char *device)
{
        print("%s %u - %s%s%s\n", failed_text ? "not ok" : "ok", ++n_done, name, *device ? " " : "", device);
        if (failed_text) {
                print("# failed: %s (%llx)\n", failed_text, (unsigned long long) failed_value);
                n_failed++;
        }
        failed_text = NULL;
        if (milliseconds() - began > LONG_MS)
                print("# took %u ms\n", (unsigned) (milliseconds() - began));
}

/* A monitor that gave up the connection to its server may need a moment for the next one. */
static bool works_again(struct vio *v)
{
        for (unsigned tries = 0; tries < (board.peer ? 3 : 1); tries++)
                if (vio_start(v, 0) && vio_request(v))
                        return true;
        return false;
}

static void run_on(const struct test *t, struct vio *v)
{
        if (board.peer && t->not_peer) {
                print("ok %u - %s %s # SKIP %s\n", ++n_done, t->name, v->name, t->not_peer);
                return;
        }
        began = milliseconds();
        t->run(v);
        check_that(works_again(v), "the device works again", vio_status(v));
        check_that(vio_interrupts(v), "the device interrupts again", vio_status(v));
        check_that(!v->pci || load(v->function, 2) == 0x1af4, "its configuration space is there", v->function);
        check_that(vio_others_work(v), "the other devices work", 0);
        report(t->name, v->name);
}

static void run_once(const struct test *t)
{
        if (board.peer && t->not_peer) {
                print("ok %u - %s # SKIP %s\n", ++n_done, t->name, t->not_peer);
                return;
        }
        began = milliseconds();
        t->run(NULL);
        check_that(vio_others_work(NULL), "all devices work", 0);
        report(t->name, "");
}

/* case=NAME, or case=BEGINNING-OF-NAME */
static bool unwanted(const char *name)
{
        const char *begin;
        size_t n;

        if (!parameter("case", &begin, &n))
                return false;
        for (size_t i = 0; i < n; i++)
                if (begin[i] != name[i])
                        return true;
        return false;
}

void test_run(const struct test *tests, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const struct test *t = &tests[i];

                if (unwanted(t->name))
                        continue;
                if (t->where == ONCE) {
                        run_once(t);
                        continue;
                }
                for (unsigned k = 0; k < n_vio_devices; k++)
                        if (t->where == ANY || vio_devices[k].pci == (t->where == PCI_ONLY))
                                run_on(t, &vio_devices[k]);
        }
}

int test_end(void)
{
        print("1..%u\n", n_done);
        return (int) n_failed;
}
