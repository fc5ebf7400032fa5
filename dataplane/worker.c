/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker - the thread that carries packets.
 *
 *     for ever:  a turn: read each port, pipeline, transmit, kick
 *                quiet:  tables may change, control's errands are done
 *                nothing came for spin_ns? sleep in poll() until a socket, a timer or
 *                control wants something; with busy_poll: never
 *
 * While it sleeps it is out of the epoch, so control never waits for it. Control's
 * errands (taking back a closed port's frames) are done here, between turns, because the
 * frame pool belongs to this thread alone.
 */
#include "worker.h"

#include "epoch.h"
#include "lane.h"
#include "lane_punt.h"
#include "pipeline.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS NS_PER_MS     /* a transmit ring that the kernel would not take */
#define TURN_WAIT_US 50
#define TURN_WAITS   20000 /* a second */
#define BALANCE_NS (100 * NS_PER_MS)

struct worker {
	struct pipeline pipeline;
	struct frame_pool pool;
	struct stats *stats;
	struct trace_set *traces;
	struct punt_lane *punt;

	/* written by control, read by the worker once per turn */
	struct worker_settings settings;
	struct port_table *ports;
	struct fib *fib;
	struct rules *rules;
	bool stop;

	/* errands: control sets, the worker clears */
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool has_errand; /* also read without the lock, as a hint */
	uint16_t reclaim;

	bool has_announcements;
	bool announce[PORT_MAX];

	int wake_fd;
	pthread_t thread;
	bool running;

	/* the worker's own */
	struct packet *packets[XSK_RING_MAX]; /* a port's share of a turn */
	struct pollfd *fds;
	uint64_t balanced_ns;
};

/* Most ports have one queue; what does not fit is found by timeout. */
#define POLL_MAX (1 + PORT_MAX * 4)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* -- a turn ----------------------------------------------------------------------- */

static unsigned read_port(struct worker *w, struct io *io)
{
	unsigned n = io_rx(io, w->packets, load_shared(&w->settings.read_depth));

	for (unsigned done = 0; done < n; done += VECTOR_SIZE) {
		struct vector v = {.n = min_u32(VECTOR_SIZE, n - done)};
		for (unsigned i = 0; i < v.n; i++) {
			v.p[i] = w->packets[done + i];
			prefetch(v.p[i]->data);
		}
		pipeline_packets(&w->pipeline, &v);
	}
	return n;
}

/* Control sets a port's flag, then the hint; we clear the hint, then the flag. */
static void announce(struct worker *w)
{
	__atomic_store_n(&w->has_announcements, false, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (__atomic_exchange_n(&w->announce[i], false, __ATOMIC_ACQ_REL))
			pipeline_announce(&w->pipeline, (uint16_t)i);
}

/* Reads, carries and sends once; returns how many packets came in. */
static unsigned turn(struct worker *w)
{
	uint64_t now = now_ns();
	unsigned n = 0;

	pipeline_wake(&w->pipeline, now);
	const struct port_table *ports = epoch_read(&w->ports);
	pipeline_begin(&w->pipeline, ports, epoch_read(&w->fib), epoch_read(&w->rules), now);
	if (w->punt)
		punt_lane_ports(w->punt, ports);
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && ports->ports[i]->io)
			n += read_port(w, ports->ports[i]->io);
	if (unlikely(load_shared(&w->has_announcements)))
		announce(w);
	pipeline_end(&w->pipeline);
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && ports->ports[i]->io)
			io_turn(ports->ports[i]->io);
	for (unsigned i = 0; i < ports->n_ports; i++)
		if (ports->ports[i] && ports->ports[i]->io)
			io_done(ports->ports[i]->io);
	pipeline_sent(&w->pipeline);
	count_add(&w->stats->turns, 1);
	return n;
}

/* -- sleep ------------------------------------------------------------------------ */

/* The sockets to wait for; *waits: one of them has something it could not push yet. */
static unsigned fill_fds(struct worker *w, bool *waits)
{
	const struct port_table *ports = epoch_read(&w->ports);
	unsigned n = 1;

	*waits = false;
	w->fds[0] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
	for (unsigned i = 0; i < ports->n_ports; i++) {
		int fds[XSK_QUEUES_MAX];
		struct io *io = ports->ports[i] ? ports->ports[i]->io : NULL;
		if (!io)
			continue;
		*waits |= io_waits(io);
		unsigned n_fds = xsk_port_fds(lane_port_xsk((const struct lane_port *)io), fds,
					      XSK_QUEUES_MAX);
		for (unsigned q = 0; q < n_fds && n < POLL_MAX; q++)
			w->fds[n++] = (struct pollfd){.fd = fds[q], .events = POLLIN};
	}
	return n;
}

static void check_balance(struct worker *w, uint64_t now)
{
	if (now - w->balanced_ns < BALANCE_NS)
		return;
	w->balanced_ns = now;
	assert(pipeline_balanced(&w->pipeline));
}

static void sleep_until_needed(struct worker *w)
{
	bool waits;
	unsigned n = fill_fds(w, &waits);
	uint64_t now = now_ns(), next = pipeline_next(&w->pipeline);
	struct timespec timeout, *limit = NULL;

	if (waits)
		next = min_u64(next, now + RETRY_NS);
	if (next != UINT64_MAX) {
		uint64_t ns = next > now ? next - now : 0;
		timeout = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
					    .tv_nsec = (long)(ns % NS_PER_S)};
		limit = &timeout;
	}
	count_add(&w->stats->sleeps, 1);
	epoch_leave();
	ppoll(w->fds, n, limit, NULL);
	epoch_enter();
	if (w->fds[0].revents) {
		uint64_t count;
		(void)!read(w->wake_fd, &count, sizeof(count));
	}
}

/* -- errands ---------------------------------------------------------------------- */

static void do_errand(struct worker *w)
{
	if (likely(!load_shared(&w->has_errand)))
		return;
	pthread_mutex_lock(&w->lock);
	frame_reclaim(&w->pool, w->reclaim);
	/* Loop guard's verdict was on the cable, not on the number's next owner. */
	store_shared(&w->pipeline.bridge.blocked_until_ns[w->reclaim], 0);
	store_shared(&w->has_errand, false);
	pthread_cond_broadcast(&w->done);
	pthread_mutex_unlock(&w->lock);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	uint64_t idle_since = 0;

	epoch_join();
	while (!load_shared(&w->stop)) {
		unsigned n = turn(w);
		epoch_quiet();
		do_errand(w);
		if (n) {
			idle_since = 0;
			continue;
		}
		uint64_t now = now_ns();
		if (!idle_since)
			idle_since = now;
		check_balance(w, now);
		if (now - idle_since >= load_shared(&w->settings.spin_ns) &&
		    !load_shared(&w->settings.busy_poll))
			sleep_until_needed(w);
	}
	epoch_part();
	return NULL;
}

/* -- control's side --------------------------------------------------------------- */

static int allocate(struct worker *w, const struct worker_config *config)
{
	int code = frame_pool_init(&w->pool, xsk_area_memory(config->area), config->frame_size,
				   config->n_frames);
	if (code)
		return code;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake_fd < 0)
		return -errno;
	w->stats = calloc(1, sizeof(*w->stats));
	w->traces = trace_set_new();
	w->ports = port_table_new(0);
	w->fib = fib_new(NULL, 0);
	w->fds = calloc(POLL_MAX, sizeof(*w->fds));
	struct neigh_config neigh = config->neigh;
	struct fdb_config fdb = config->fdb;
	if (config->flow) {
		struct flow_config flow = flow_lane_config(config->flow);
		w->pipeline.flows = flow_new(&flow);
		if (!w->pipeline.flows)
			return -ENOMEM;
		neigh.changes = fdb.changes = flow_changes(w->pipeline.flows);
	}
	w->pipeline.neigh = neigh_new(&neigh);
	w->pipeline.fdb = fdb_new(&fdb);
	w->pipeline.sessions = session_new(&config->sessions);
	w->pipeline.fragments = nat_fragments_new(config->secret);
	w->pipeline.limiter = icmp_limiter_new(config->secret);
	if (!w->stats || !w->traces || !w->ports || !w->fib || !w->fds ||
	    !w->pipeline.neigh || !w->pipeline.fdb || !w->pipeline.sessions ||
	    !w->pipeline.fragments || !w->pipeline.limiter)
		return -ENOMEM;
	return punt_lane_open(&w->punt, &w->pool, config->area, config->burst);
}

/* The thread takes no signals: they are control's. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!code)
		pthread_setname_np(w->thread, "tsuji-worker");
	w->running = !code;
	return -code;
}

int worker_start(struct worker **out, const struct worker_config *config)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->wake_fd = -1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	int code = allocate(w, config);
	if (!code) {
		w->pipeline.pool = &w->pool;
		w->pipeline.stats = w->stats;
		w->pipeline.traces = w->traces;
		w->pipeline.punt = punt_lane_io(w->punt);
		pipeline_init(&w->pipeline);
		worker_set(w, &config->settings);
		code = start_thread(w);
	}
	if (code) {
		worker_stop(w);
		return code;
	}
	*out = w;
	return 0;
}

void worker_stop(struct worker *w)
{
	if (!w)
		return;
	if (w->running) {
		store_shared(&w->stop, true);
		worker_wake(w);
		pthread_join(w->thread, NULL);
	}
	punt_lane_close(w->punt);
	icmp_limiter_free(w->pipeline.limiter);
	flow_free(w->pipeline.flows);
	neigh_free(w->pipeline.neigh);
	fdb_free(w->pipeline.fdb);
	session_free(w->pipeline.sessions);
	nat_fragments_free(w->pipeline.fragments);
	port_table_free(w->ports);
	fib_free(w->fib);
	trace_set_free(w->traces);
	frame_pool_fini(&w->pool);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->done);
	free(w->stats);
	free(w->fds);
	free(w);
}

/*
 * Waits until a turn has ended that began after now: new ports then have frames to receive
 * into. A turn takes microseconds; a worker that does not get its CPU is not waited for long.
 */
static void wait_for_turn(struct worker *w)
{
	uint64_t then = load_shared(&w->stats->turns) + 2; /* the first may have begun before */

	for (unsigned i = 0; i < TURN_WAITS && load_shared(&w->stats->turns) < then; i++) {
		worker_wake(w);
		usleep(TURN_WAIT_US);
	}
}

void worker_settle(struct worker *w)
{
	struct flow_counts counts;

	if (!w->pipeline.flows)
		return;
	flow_counts(w->pipeline.flows, &counts);
	if (!counts.used)
		return;
	uint32_t asked = flow_settle(w->pipeline.flows);
	for (unsigned i = 0; i < TURN_WAITS && !flow_is_settled(w->pipeline.flows, asked); i++) {
		worker_wake(w);
		usleep(TURN_WAIT_US);
	}
}

/*
 * Around a change of tables: what was repeated by the old ones is accounted for while they are
 * there, and nothing is armed until the new ones are.
 */
static void hold_flows(struct worker *w)
{
	if (!w->pipeline.flows)
		return;
	flow_hold(w->pipeline.flows);
	flow_change(w->pipeline.flows);
	worker_settle(w);
}

static void release_flows(struct worker *w)
{
	if (w->pipeline.flows)
		flow_release(w->pipeline.flows);
}

/* A member takes and sends routed frames under its bridge's MAC. */
static void set_macs(struct worker *w, const struct port_table *ports)
{
	for (unsigned i = 0; w->pipeline.flows && i < ports->n_ports; i++) {
		const struct port *port = ports->ports[i];
		const struct port *leg = port ? port_get(ports, port->bridge) : NULL;
		if (port)
			flow_set_mac(w->pipeline.flows, (uint16_t)i, leg ? leg->mac : port->mac);
	}
}

void worker_publish(struct worker *w, struct port_table *ports, struct fib *fib)
{
	hold_flows(w);
	if (ports)
		epoch_publish(&w->ports, ports);
	if (fib)
		epoch_publish(&w->fib, fib);
	worker_wake(w); /* a sleeping worker polls the old sockets */
	epoch_wait();
	if (ports)
		set_macs(w, ports);
	release_flows(w);
	if (ports)
		wait_for_turn(w);
}

void worker_set(struct worker *w, const struct worker_settings *settings)
{
	assert(settings->read_depth && settings->read_depth <= XSK_RING_MAX);
	store_shared(&w->pipeline.punt_rate, settings->punt_rate);
	store_shared(&w->settings.read_depth, settings->read_depth);
	store_shared(&w->settings.spin_ns, settings->spin_ns);
	store_shared(&w->settings.busy_poll, settings->busy_poll);
}

struct rules *worker_publish_rules(struct worker *w, struct rules *rules)
{
	hold_flows(w);
	struct rules *old = epoch_publish(&w->rules, rules);
	epoch_wait();
	if (w->pipeline.flows)
		flow_set_by_tuple(w->pipeline.flows, rules);
	release_flows(w);
	return old;
}

void worker_reclaim(struct worker *w, uint16_t port)
{
	pthread_mutex_lock(&w->lock);
	w->reclaim = port;
	store_shared(&w->has_errand, true);
	worker_wake(w);
	while (w->has_errand)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

void worker_announce(struct worker *w, uint16_t port)
{
	__atomic_store_n(&w->announce[port], true, __ATOMIC_RELEASE);
	__atomic_store_n(&w->has_announcements, true, __ATOMIC_RELEASE);
	worker_wake(w);
}

void worker_wake(struct worker *w)
{
	const uint64_t one = 1;
	(void)!write(w->wake_fd, &one, sizeof(one));
}

const struct port_table *worker_ports(const struct worker *w) { return w->ports; }

struct fib *worker_fib(const struct worker *w) { return w->fib; }

struct frame_pool *worker_pool(struct worker *w) { return &w->pool; }

struct stats *worker_stats(struct worker *w) { return w->stats; }

struct neigh_table *worker_neigh(struct worker *w) { return w->pipeline.neigh; }

struct session_table *worker_sessions(struct worker *w) { return w->pipeline.sessions; }

struct rules *worker_rules(struct worker *w) { return w->rules; }

struct fdb *worker_fdb(struct worker *w) { return w->pipeline.fdb; }

struct flow_cache *worker_flows(struct worker *w) { return w->pipeline.flows; }

const struct bridge_state *worker_bridge(struct worker *w) { return &w->pipeline.bridge; }

struct trace_set *worker_traces(struct worker *w) { return w->traces; }

struct worker_frames worker_frames(const struct worker *w)
{
	return (struct worker_frames){
		.total = w->pool.n_frames,
		.free = load_shared(&w->pool.n_free),
		.held = load_shared(&w->pool.n_held),
	};
}
