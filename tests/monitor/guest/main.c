/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Words of the command line:
 *      case=NAME       only cases whose names begin so
 *      end=HOW         no cases: off reset panic crash jump watchdog; count: no end, it counts aloud
 *      requests=N      before all, N more requests to each device
 *      peer            another monitor: cases that ask for more than VIRTIO does are left out
 *      ecam= window= window-bytes= mmio= mmio-stride= mmio-slots= serial= clock= watchdog= power= panic=
 *                      where things are, if not where Busbar's monitor has them; 0: nowhere
 */
#include "guest.h"
#include "vio.h"

struct board board;

void guest_main(void *boot_info);

static void read_board(void)
{
        const char *s;
        size_t n;

        board.ecam = parameter_number("ecam", board.ecam);
        board.pci_window = parameter_number("window", board.pci_window);
        board.pci_window_bytes = parameter_number("window-bytes", board.pci_window_bytes);
        board.mmio_slots = parameter_number("mmio", board.mmio_slots);
        board.mmio_stride = parameter_number("mmio-stride", board.mmio_stride);
        board.n_mmio_slots = parameter_number("mmio-slots", board.n_mmio_slots);
        board.clock = parameter_number("clock", board.clock);
        board.watchdog = parameter_number("watchdog", board.watchdog);
        board.power = parameter_number("power", board.power);
        board.panic = parameter_number("panic", board.panic);
        board.peer = parameter("peer", &s, &n);
}

static void end_as_asked(void)
{
        for (unsigned n = 0; parameter_is("end", "count"); n++)
                print("count %u\n", n);
        if (parameter_is("end", "off"))
                end_powered_off();
        if (parameter_is("end", "reset"))
                end_reset();
        else if (parameter_is("end", "panic"))
                end_panicked();
        else if (parameter_is("end", "crash"))
                end_crashed();
        else if (parameter_is("end", "jump"))
                end_jump(n_vio_devices > 0 && vio_devices[0].pci ? vio_devices[0].bar : board.ecam);
        else if (parameter_is("end", "watchdog"))
                end_watchdog();
        else
                return;
        print("Bail out! this end did not come\n");
}

void guest_main(void *boot_info)
{
        arch_init(boot_info);
        read_board();
        print("\nTAP version 14\n");
        vio_find();
        print("# memory %llx to %llx, %u devices\n", (unsigned long long) board.ram_start,
              (unsigned long long) board.ram_end, n_vio_devices);
        for (unsigned i = 0; i < n_vio_devices; i++) {
                struct vio *v = &vio_devices[i];

                print("# %s at %llx, features %llx\n", v->name, (unsigned long long) (v->pci ? v->bar : v->mmio),
                      (unsigned long long) vio_offered(v));
                if (!vio_start(v, 0) || !vio_request(v) || !vio_interrupts(v)) {
                        print("Bail out! %s does not work to begin with, status %x\n", v->name, vio_status(v));
                        end_powered_off();
                }
        }
        for (uint64_t n = parameter_number("requests", 0); n > 0; n--)
                for (unsigned i = 0; i < n_vio_devices; i++)
                        if (!vio_request(&vio_devices[i]))
                                print("Bail out! %s does not go on\n", vio_devices[i].name);
        end_as_asked();
        test_run(feature_tests, n_feature_tests);
        test_run(queue_tests, n_queue_tests);
        test_run(ring_tests, n_ring_tests);
        test_run(life_tests, n_life_tests);
        test_run(bar_tests, n_bar_tests);
        test_run(width_tests, n_width_tests);
        (void) test_end();
        end_powered_off();
}
