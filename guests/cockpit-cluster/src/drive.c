/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See drive.h. A line is "SECONDS SPEED RPM GEAR FUEL COOLANT LAMPS", LAMPS being letters, or "-" for none:
 * l r (turn), h (high beam), b (brake), o (oil), c (charge), s (seat belt), e (engine). "#" starts a remark.
 */
#include "drive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX 256

struct drive {
        size_t n_points;
        double times[POINTS_MAX];
        struct car points[POINTS_MAX];
};

static const char letters[N_LAMPS] = {
        [LAMP_LEFT] = 'l', [LAMP_RIGHT] = 'r',   [LAMP_BEAM] = 'h', [LAMP_BRAKE] = 'b',
        [LAMP_OIL] = 'o',  [LAMP_BATTERY] = 'c', [LAMP_BELT] = 's', [LAMP_ENGINE] = 'e',
};

/* Return: whether the line holds a point. */
static bool parse(const char *line, double *time_s, struct car *car)
{
        char lamps[32];

        if (sscanf(line, "%lf %lf %lf %c %lf %lf %31s", time_s, &car->speed_kmh, &car->engine_rpm, &car->gear,
                   &car->fuel, &car->coolant, lamps) != 7)
                return false;
        for (int i = 0; i < N_LAMPS; i++)
                car->lamps[i] = strchr(lamps, letters[i]) != NULL;
        return true;
}

struct drive *drive_load(const char *path)
{
        struct drive *drive = calloc(1, sizeof(*drive));
        FILE *file = fopen(path, "re");
        char line[256];

        while (drive && file && fgets(line, sizeof(line), file) && drive->n_points < POINTS_MAX) {
                size_t i = drive->n_points;

                if (line[0] == '#' || line[0] == '\n')
                        continue;
                if (!parse(line, &drive->times[i], &drive->points[i]) ||
                    (i > 0 && drive->times[i] <= drive->times[i - 1])) {
                        (void) fprintf(stderr, "%s: not a point of a drive: %s", path, line);
                        drive->n_points = 0;
                        break;
                }
                drive->n_points++;
        }
        if (file)
                (void) fclose(file);
        if (!drive || drive->n_points < 2) {
                (void) fprintf(stderr, "%s: no drive to replay\n", path);
                free(drive);
                return NULL;
        }
        return drive;
}

double drive_length_s(const struct drive *drive) { return drive->times[drive->n_points - 1]; }

static double between(double a, double b, double part) { return a + (b - a) * part; }

void drive_at(const struct drive *drive, double time_s, struct car *ret)
{
        const struct car *a, *b;
        double part;
        size_t i = 0;

        while (i + 2 < drive->n_points && drive->times[i + 1] <= time_s)
                i++;
        a = &drive->points[i];
        b = &drive->points[i + 1];
        part = fmin(fmax((time_s - drive->times[i]) / (drive->times[i + 1] - drive->times[i]), 0), 1);
        *ret = *a;
        /* A soft start and end of each stretch: people do not drive in straight lines. */
        ret->speed_kmh = between(a->speed_kmh, b->speed_kmh, part * part * (3 - 2 * part));
        ret->engine_rpm = between(a->engine_rpm, b->engine_rpm, part);
        ret->fuel = between(a->fuel, b->fuel, part);
        ret->coolant = between(a->coolant, b->coolant, part);
}
