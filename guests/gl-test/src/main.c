/* SPDX-License-Identifier: MPL-2.0 */
/*
 * gl-scene BACKGROUND N_FRAMES: shows the scene on the first screen, N_FRAMES times, each with a background of its own,
 * the last one with BACKGROUND (rrggbb). Says whose renderer that was, checks what it can read back of the last frame,
 * says "shown", and keeps the picture until its input ends.
 */
#include <GLES2/gl2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scene.h"
#include "screen.h"

static double now_s(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int draw(struct screen *screen, const struct scene *scene, uint32_t background, long n_frames)
{
        double begin_s = now_s();
        int sound = 0;

        for (long i = n_frames; i > 0; i--) {
                scene_draw(scene, i == 1 ? background : (uint32_t) i * 0x040810 & 0xffffff);
                if (i == 1)
                        sound = scene_check(scene, background);
                if (screen_show(screen) < 0)
                        return -1;
        }
        (void) printf("frames: %ld in %.3f s\n", n_frames, now_s() - begin_s);
        (void) printf("read back: %s\n", sound == 0 ? "as drawn" : "wrong");
        return 0;
}

int main(int argc, char **argv)
{
        struct screen screen;
        struct scene scene;

        if (argc != 3) {
                (void) fprintf(stderr, "usage: gl-scene RRGGBB N_FRAMES\n");
                return 2;
        }
        if (screen_open(&screen) < 0)
                return 1;
        (void) printf("renderer: %s\n", (const char *) glGetString(GL_RENDERER));
        (void) printf("version: %s\n", (const char *) glGetString(GL_VERSION));
        (void) printf("size: %ux%u\n", screen.mode.hdisplay, screen.mode.vdisplay);
        if (scene_make(&scene, screen.mode.hdisplay, screen.mode.vdisplay) < 0 ||
            draw(&screen, &scene, (uint32_t) strtoul(argv[1], NULL, 16), strtol(argv[2], NULL, 10)) < 0)
                return 1;
        (void) printf("errors: 0x%x\nshown\n", (unsigned) glGetError());
        (void) fflush(stdout);
        while (getchar() != EOF)
                continue;
        return 0;
}
