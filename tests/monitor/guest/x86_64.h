/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

#include <stdint.h>

extern uint64_t rsdp_address;

uint8_t in8(uint16_t port);
void out8(uint16_t port, uint8_t value);
