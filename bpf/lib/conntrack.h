/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flows that are translated at tc, for one family (see family.h): find, end, and the place for
 * a new one. After lib/tuple.h and lib/life.h.
 *
 * A flow is one record in an array; its tuples are keys that lead to it. Nothing is evicted by the
 * kernel: a new flow looks at the next few places, takes one that is free or whose flow is over,
 * and otherwise one whose connection has ended or is none yet. An established flow is never
 * taken. So flows are collected at the rate at which they begin, with or without a control plane.
 */
#include <asm-generic/errno-base.h>
#include "lib/count.h"
#include "lib/flows.h"

#ifndef LIB_CONNTRACK_H
#define LIB_CONNTRACK_H

/* How many places are looked at for one new flow. */
#define FLOW_PROBES 64

/*
 * Where so many in a row were taken another CPU has been, and others may be free elsewhere. Until
 * one is found so few are looked at in each place: CPUs leave long stretches without a gap.
 */
#define FLOW_STRETCH 16
#define FLOW_LEAP    4

#define FLOW_NONE 0xffffffff

/* Beside the number of a place: its flow may be displaced. No table is that large. */
#define FLOW_GIVES_WAY 0x80000000

/* How long the kernel keeps TIME_WAIT where a connection was closed first: TCP_TIMEWAIT_LEN. */
#define TIME_WAIT (60 * SECOND)

#endif

/*
 * Room for two keys, off the stack: 5.10 counts each call's in steps of 32 bytes. The other one is
 * for what ends while the first is in use.
 */
LB_ARRAY(BPF_MAP_TYPE_PERCPU_ARRAY, F(keys), struct F(tuple), 2);

static __always_inline struct F(tuple) *F(key_room)(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&F(keys), &first);
}

static __always_inline struct F(tuple) *F(other_key_room)(void)
{
	__u32 second = 1;

	return bpf_map_lookup_elem(&F(keys), &second);
}

static __always_inline struct F(flow) *F(flow_at)(__u32 number)
{
	return bpf_map_lookup_elem(&F(flows), &number);
}

static __always_inline void F(flow_asked)(const struct F(flow) *flow, struct F(tuple) *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, flow->client, ADDRESS_SIZE);
	__builtin_memcpy(key->destination, flow->vip, ADDRESS_SIZE);
	key->source_port = flow->client_port;
	key->destination_port = flow->vip_port;
	key->protocol = flow->protocol;
	key->place = ASKED;
}

static __always_inline void F(flow_inner)(const struct F(flow) *flow, struct F(tuple) *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, flow->client, ADDRESS_SIZE);
	__builtin_memcpy(key->destination, flow->backend, ADDRESS_SIZE);
	key->source_port = flow->inner_port;
	key->destination_port = flow->backend_port;
	key->protocol = flow->protocol;
	key->place = INNER;
}

static __always_inline void F(flow_answers)(const struct F(flow) *flow, struct F(tuple) *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, flow->backend, ADDRESS_SIZE);
	__builtin_memcpy(key->destination, flow->node, ADDRESS_SIZE);
	key->source_port = flow->backend_port;
	key->destination_port = flow->node_port;
	key->protocol = flow->protocol;
	key->place = ANSWERS;
}

static __always_inline void F(flow_tuple)(const struct F(flow) *flow, __u32 place,
					  struct F(tuple) *key)
{
	if (place == ASKED)
		F(flow_asked)(flow, key);
	else if (place == INNER)
		F(flow_inner)(flow, key);
	else
		F(flow_answers)(flow, key);
}

static __always_inline bool F(tuple_equals)(const struct F(tuple) *a, const struct F(tuple) *b)
{
	const __u64 *left = (const __u64 *)a, *right = (const __u64 *)b;

	if (ADDRESS_SIZE == 4)
		return left[0] == right[0] && left[1] == right[1];
	return left[0] == right[0] && left[1] == right[1] && left[2] == right[2] &&
	       left[3] == right[3] && left[4] == right[4];
}

/*
 * Whether the flow has this tuple: an entry of the hash may have been reused while it was read, or
 * lead to a place that another flow has by now.
 */
static __always_inline bool F(flow_has)(const struct F(flow) *flow, const struct F(tuple) *key)
{
	struct F(tuple) own;

	F(flow_tuple)(flow, key->place, &own);
	return F(tuple_equals)(&own, key);
}

static __always_inline void F(tuple_give_up)(const struct F(tuple) *key, __u32 number)
{
	const __u32 *owner = bpf_map_lookup_elem(&F(tuples), key);

	if (owner && *owner == number)
		bpf_map_delete_elem(&F(tuples), key);
}

/* The tuples of a flow that this CPU is changing become free. */
static __always_inline void F(flow_free_tuples)(const struct F(flow) *flow, __u32 number)
{
	struct F(tuple) *key = F(other_key_room)();

	if (!key)
		return;
	F(flow_asked)(flow, key);
	F(tuple_give_up)(key, number);
	if (flow->path != DEPARTING) {
		F(flow_inner)(flow, key);
		F(tuple_give_up)(key, number);
	}
	if (flow->node_port) {
		F(flow_answers)(flow, key);
		F(tuple_give_up)(key, number);
	}
}

/* The same, by the flow's number. */
static __noinline int F(flow_forget)(__u32 number)
{
	const struct F(flow) *flow = F(flow_at)(number);

	if (flow)
		F(flow_free_tuples)(flow, number);
	return 0;
}

/*
 * Ends a flow, if it still is the one that was looked at: all its tuples are free at once.
 * Functions like this one are not static so that the verifier walks them once, and not for each
 * call.
 */
__noinline int F(flow_end)(__u32 number, __u32 turn)
{
	struct F(flow) *flow = F(flow_at)(number);
	bool ends = false;

	if (!flow)
		return 0;
	bpf_spin_lock(&flow->lock);
	if (flow->turn == turn && flow->state != FLOW_FREE && flow->state != FLOW_CHANGING) {
		flow->state = FLOW_CHANGING;
		ends = true;
	}
	bpf_spin_unlock(&flow->lock);
	if (!ends)
		return 0;
	F(flow_free_tuples)(flow, number);
	flow->state = FLOW_FREE;
	return 0;
}

/* Takes the place for a new flow, unless another CPU was faster. */
static __always_inline bool F(flow_take)(struct F(flow) *flow, __u32 number)
{
	__u8 state = FLOW_CHANGING;

	bpf_spin_lock(&flow->lock);
	if (flow->state != FLOW_CHANGING && flow->state != FLOW_ESTABLISHED) {
		state = flow->state;
		flow->state = FLOW_CHANGING;
		flow->turn++;
	}
	bpf_spin_unlock(&flow->lock);
	if (state == FLOW_CHANGING)
		return false;
	if (state != FLOW_FREE)
		F(flow_forget)(number);
	return true;
}

/*
 * Looks at the next place: its number if it is the caller's now; with FLOW_GIVES_WAY if its flow
 * may be displaced; otherwise FLOW_NONE. Not static: the verifier walks it once, and not for each
 * place.
 */
__noinline __u32 F(flow_probe)(__u64 now)
{
	__u32 family = FAMILY == 6;
	struct flow_hand *hand = bpf_map_lookup_elem(&flow_hands, &family);
	struct F(flow) *flow;
	__u32 number;

	if (!hand)
		return FLOW_NONE;
	if (hand->misses >= FLOW_STRETCH) {
		hand->misses = FLOW_STRETCH - FLOW_LEAP;
		hand->next = (__u32)(((__u64)bpf_get_prandom_u32() * tc_config.flows) >> 32);
	}
	number = hand->next;
	hand->next = number + 1 < tc_config.flows ? number + 1 : 0;
	hand->misses++;
	flow = F(flow_at)(number);
	if (!flow)
		return FLOW_NONE;
	if (flow->state != FLOW_FREE && flow->state != FLOW_CHANGING && F(flow_is_over)(flow, now))
		F(flow_end)(number, flow->turn);
	if (flow->state != FLOW_FREE)
		return F(flow_gives_way)(flow) ? number | FLOW_GIVES_WAY : FLOW_NONE;
	if (!F(flow_take)(flow, number))
		return FLOW_NONE;
	hand->misses = 0;
	return number;
}

/* A place for a new flow, or FLOW_NONE. It is the caller's until he gives it another state. */
__noinline __u32 F(flow_place)(__u64 now)
{
	__u32 number, victim = FLOW_NONE;
	struct F(flow) *flow;
	int i;

	for (i = 0; i < FLOW_PROBES; i++) {
		number = F(flow_probe)(now);
		if (!(number & FLOW_GIVES_WAY))
			return number;
		if (victim == FLOW_NONE && number != FLOW_NONE)
			victim = number & ~FLOW_GIVES_WAY;
	}
	flow = F(flow_at)(victim);
	if (!flow || !F(flow_take)(flow, victim))
		return FLOW_NONE;
	count(COUNT_FLOW_DISPLACED);
	return victim;
}

/*
 * Whether a flow's tuple is for the next one of the same client by the same frontend. In TIME_WAIT
 * the backend takes that for what it is, by its time stamps.
 */
static __always_inline bool F(flow_is_next)(const struct F(flow) *next, const struct F(flow) *flow)
{
	return flow->state == FLOW_CLOSING && next->vip_port == flow->vip_port &&
	       next->client_port == flow->client_port && F(is_same)(next->vip, flow->vip) &&
	       F(is_same)(next->client, flow->client);
}

/*
 * Makes a tuple of the flow lead to it, unless another living flow has that, or one that is closed
 * and has not waited: 0, or the error. An int, not what the helper is declared to return: before
 * 6.4 the upper half of that is zero also for an error.
 */
__noinline int F(tuple_take)(__u32 number, __u32 place, __u64 wait)
{
	struct F(flow) *flow = F(flow_at)(number), *taker = flow;
	struct F(tuple) *key = F(key_room)();
	const __u32 *owner;
	__u64 now;
	__u32 other;
	int error;

	if (!flow || !key)
		return -ENOENT;
	F(flow_tuple)(flow, place, key);
	error = (int)bpf_map_update_elem(&F(tuples), key, &number, BPF_NOEXIST);
	if (error != -EEXIST)
		return error;
	owner = bpf_map_lookup_elem(&F(tuples), key);
	if (!owner)
		return (int)bpf_map_update_elem(&F(tuples), key, &number, BPF_NOEXIST);
	other = *owner;
	flow = F(flow_at)(other);
	if (flow && flow->state != FLOW_FREE && F(flow_has)(flow, key)) {
		now = clock_coarse();
		if (flow->state == FLOW_CHANGING)
			return -EEXIST;
		if (F(flow_is_over)(flow, now) || F(flow_has_waited)(flow, now, wait))
			F(flow_end)(other, flow->turn);
		else if (!F(flow_is_next)(taker, flow))
			return -EEXIST;
		else if (flow->node_port) /* by that the backend knows it: it stays taken */
			F(tuple_give_up)(key, other);
		else
			F(flow_end)(other, flow->turn);
	} else {
		F(tuple_give_up)(key, other);
	}
	return (int)bpf_map_update_elem(&F(tuples), key, &number, BPF_NOEXIST);
}

/* Gives back what a flow has that could not begin. */
static __noinline int F(flow_abandon)(__u32 number)
{
	struct F(flow) *flow = F(flow_at)(number);

	F(flow_forget)(number);
	if (flow)
		flow->state = FLOW_FREE;
	return 0;
}

/* What a packet of a flow becomes. */
struct F(translation) {
	struct F(tuple) tuple;
	__u32 number; /* of the flow */
	__u32 turn;
	__u8 place; /* by which tuple it was found ... */
	__u8 reply; /* ... and whether it is the backend's packet */
	__u8 whole; /* 1: all is done here, and the packet sent on */
	__u8 path;
};

/*
 * What the packet becomes by this flow. On a forwarded flow each program does its half: what
 * arrives becomes what the kernel forwards, and that, where it departs, what the other end expects.
 */
static __always_inline void F(flow_translate)(const struct F(flow) *flow, struct F(translation) *to)
{
	const bool outer = to->whole || to->path == DEPARTING || to->place == INNER;

	if (to->reply) {
		__builtin_memcpy(to->tuple.source, outer ? flow->vip : flow->backend, ADDRESS_SIZE);
		to->tuple.source_port = outer ? flow->vip_port : flow->backend_port;
		__builtin_memcpy(to->tuple.destination, flow->client, ADDRESS_SIZE);
		to->tuple.destination_port = outer ? flow->client_port : flow->inner_port;
		return;
	}
	__builtin_memcpy(to->tuple.source, outer && flow->node_port ? flow->node : flow->client,
			 ADDRESS_SIZE);
	to->tuple.source_port = outer && flow->node_port ? flow->node_port : flow->inner_port;
	__builtin_memcpy(to->tuple.destination, flow->backend, ADDRESS_SIZE);
	to->tuple.destination_port = flow->backend_port;
}

/*
 * The flow of this number, if it lives and has this tuple, and what the packet becomes by it. One
 * that is over counts for nothing, in either direction, and is gone then. Otherwise NULL.
 */
static __always_inline struct F(flow) *F(flow_with)(__u32 number, const struct F(tuple) *key,
						    bool reply, __u64 now,
						    struct F(translation) *to)
{
	struct F(flow) *flow = F(flow_at)(number);
	__u8 state;

	if (!flow)
		return NULL;
	to->number = number;
	to->turn = *(volatile __u32 *)&flow->turn;
	state = *(volatile __u8 *)&flow->state;
	if (state == FLOW_FREE || state == FLOW_CHANGING || !F(flow_has)(flow, key))
		return NULL;
	to->place = key->place;
	to->reply = reply;
	to->path = flow->path;
	to->whole = flow->path == REDIRECTED;
	to->tuple.protocol = key->protocol;
	F(flow_translate)(flow, to);
	barrier(); /* the place may have been given away meanwhile: it must still be this flow's */
	if (*(volatile __u32 *)&flow->turn != to->turn)
		return NULL;
	if (F(flow_is_over)(flow, now)) {
		F(flow_end)(to->number, to->turn);
		return NULL;
	}
	return flow;
}

/* The same for the flow that owns this tuple. */
static __always_inline struct F(flow) *F(flow_find)(const struct F(tuple) *key, bool reply,
						    __u64 now, struct F(translation) *to)
{
	const __u32 *owner = bpf_map_lookup_elem(&F(tuples), key);

	return owner ? F(flow_with)(*owner, key, reply, now, to) : NULL;
}

/* Whether the flow still has its backend: it may be terminating, but it must serve (spec 32). */
static __always_inline bool F(flow_is_served)(const struct F(flow) *flow)
{
	__u32 id = flow->backend_id;
	const struct F(backend) *backend;

	if (!id) /* it leads to whom the client asked */
		return true;
	backend = bpf_map_lookup_elem(&F(backends), &id);
	return backend && backend->service_id == flow->service_id;
}

/*
 * Whether a client's packet still belongs to the flow that has its tuple. An open TCP flow keeps
 * its backend whatever happens; a SYN begins a new one when the old one is over or its backend is
 * gone.
 */
static __always_inline bool F(flow_goes_on)(const struct F(flow) *flow, bool is_syn)
{
	if (flow->protocol == TCP && !is_syn)
		return true;
	if (F(flow_is_closed)(flow))
		return false;
	return flow->protocol == SCTP || F(flow_is_served)(flow);
}
