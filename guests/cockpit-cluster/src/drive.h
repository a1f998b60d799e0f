/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A drive to replay: a text file whose lines say what the car does at a time. Between lines the numbers change
 * smoothly, the lamps do not. Its end is where it starts again.
 */
#pragma once

#include <stdbool.h>

enum lamp { LAMP_LEFT, LAMP_RIGHT, LAMP_BEAM, LAMP_BRAKE, LAMP_OIL, LAMP_BATTERY, LAMP_BELT, LAMP_ENGINE, N_LAMPS };

struct car {
        double speed_kmh, engine_rpm, fuel, coolant; /* the last two from 0 to 1 */
        char gear;
        bool lamps[N_LAMPS];
};

struct drive;

/**
 * drive_load() - read a drive file
 *
 * Return: the drive; NULL with a line on stderr.
 */
struct drive *drive_load(const char *path);

double drive_length_s(const struct drive *drive);

/* What the car does @time_s after the start, up to the drive's length. */
void drive_at(const struct drive *drive, double time_s, struct car *ret);
