/* SPDX-License-Identifier: MPL-2.0 */
/* Control socket of a network server (stats-control.h): counters of guests and ports. */
#pragma once

#include <stddef.h>

struct device;
struct loop;
struct net_control;
struct sandbox;
struct switch_fabric;

/**
 * net_control_new() - listen
 * @path:   of the socket, borrowed; removed by net_control_free()
 * @fabric: borrowed; NULL: no switch
 *
 * Return: 0 or a negative errno.
 */
int net_control_new(struct loop *loop, const char *path, const struct switch_fabric *fabric, struct net_control **ret);
struct net_control *net_control_free(struct net_control *c);

/* Has the counters of a guest's device included; both are borrowed. Return: 0 or -ENOMEM. */
int net_control_add(struct net_control *c, const char *id, const struct device *dev);

/* Lets the socket's file be removed. Return: 0 or a negative errno. */
int net_control_sandbox(const struct net_control *c, struct sandbox *sandbox);
