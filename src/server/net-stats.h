/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Counters of a network server on a unix socket: whoever connects is sent one JSON object, then the connection is
 * closed. Nothing is read from it. Mode 0600.
 */
#pragma once

#include <stddef.h>

struct device;
struct loop;
struct net_stats;
struct sandbox;
struct switch_fabric;

/**
 * net_stats_new() - listen
 * @path:   borrowed; removed by net_stats_free()
 * @fabric: borrowed; NULL: no switch
 *
 * Return: 0 or a negative errno.
 */
int net_stats_new(struct loop *loop, const char *path, const struct switch_fabric *fabric, struct net_stats **ret);
struct net_stats *net_stats_free(struct net_stats *s);

/* Has the counters of a guest's device included; both are borrowed. Return: 0 or -ENOMEM. */
int net_stats_add(struct net_stats *s, const char *id, const struct device *dev);

/* Lets the socket's file be removed. Return: 0 or a negative errno. */
int net_stats_sandbox(const struct net_stats *s, struct sandbox *sandbox);
