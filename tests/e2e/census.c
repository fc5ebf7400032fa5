/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * census - sends millions of numbered frames between hosts of a lab, and says of each number
 * whether it arrived, twice, in the wrong place, or not as it was sent.
 *
 *   census PLAN   prints what became of them as one JSON object
 *
 * The plan (tests/e2e/census.py writes it) has the hosts and the frames to send in turn. In
 * each stand at one place its number, the frame's place in the plan and a mark, by which it is
 * known where it arrives, in the first 8 bytes behind UDP's or TCP's header, or behind the
 * Ethernet header of a local experiment. A frame can be of another flow each time: then a
 * count is written in its addresses as well.
 *
 * One thread sends and the other reads. Not more than a window of frames is under way, so that
 * what is lost was not lost for want of room; when nothing moves any more, what is missing is
 * given up. A frame that the far end had no room for, which sendmmsg() tells, is sent again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX	 16
#define KINDS_MAX	 4096
#define FRAME_SIZE	 2048
#define BATCH		 32
#define MARK		 0x7a69
#define DISCARD		 9 /* the port they are sent to */
#define NOWHERE		 0xffff
#define PATIENCE_S	 0.1
#define RING_FRAMES	 16384
#define LOCAL_EXPERIMENT 0x88b5

/* As in the file: little-endian as this machine is, packed by the order of the fields. */
struct plan {
	uint32_t n, window;
	uint16_t n_hosts, n_kinds;
};
struct host {
	char netns[64], interface[16];
};
struct kind {			   /* of frame */
	uint16_t sender, receiver; /* hosts; receiver NOWHERE: it is not to arrive */
	uint16_t at;		   /* of the number */
	uint16_t count_at, count_len,
		repeat; /* where else to count, every repeat frames; len 0: nowhere */
	uint16_t len;
	uint8_t frame[FRAME_SIZE];
};
struct label {
	uint32_t number;
	uint16_t kind, mark;
} __attribute__((packed));

struct receiver {
	int fd;
	uint8_t *ring;
	unsigned next;
};

static struct plan plan;
static struct host hosts[HOSTS_MAX];
static struct kind *kinds;
static struct receiver receivers[HOSTS_MAX];

/* The sender's. */
static uint32_t n_made[KINDS_MAX];
static atomic_uint n_sent, n_expected; /* of these: that should arrive */
static atomic_bool done;

/* The reader's. */
static atomic_uint n_arrived;
static uint8_t *seen; /* a bit per number */
static uint32_t n_doubled, n_astray, n_damaged, n_late, last[KINDS_MAX], n_got[KINDS_MAX];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_plan(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file || fread(&plan, sizeof(plan), 1, file) != 1 || plan.n_hosts > HOSTS_MAX ||
	    plan.n_kinds > KINDS_MAX ||
	    fread(hosts, sizeof(*hosts), plan.n_hosts, file) != plan.n_hosts)
		die(path);
	kinds = calloc(plan.n_kinds, sizeof(*kinds));
	seen = calloc(plan.n / 8 + 1, 1);
	if (!kinds || !seen || fread(kinds, sizeof(*kinds), plan.n_kinds, file) != plan.n_kinds)
		die(path);
	fclose(file);
}

static int open_in(const struct host *host, int protocol, unsigned *ifindex)
{
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", host->netns);
	int netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0 || setns(netns, CLONE_NEWNET))
		die(path);
	close(netns);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	*ifindex = if_nametoindex(host->interface);
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)*ifindex};
	to.sll_protocol = htons((uint16_t)protocol);
	if (fd < 0 || (!protocol && bind(fd, (void *)&to, sizeof(to))))
		die(host->interface);
	return fd;
}

/* -- reading ---------------------------------------------------------------------- */

static void open_receiver(struct receiver *r, const struct host *host)
{
	const int one = 1, version = TPACKET_V2;
	const struct tpacket_req wanted = {.tp_block_size = 1 << 20,
					   .tp_frame_size = FRAME_SIZE,
					   .tp_block_nr = RING_FRAMES / 512,
					   .tp_frame_nr = RING_FRAMES};
	unsigned ifindex;

	r->fd = open_in(host, ETH_P_ALL, &ifindex);
	if (setsockopt(r->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(r->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(r->fd, SOL_PACKET, PACKET_RX_RING, &wanted, sizeof(wanted)))
		die("PACKET_RX_RING");
	r->ring = mmap(NULL, (size_t)RING_FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->fd, 0);
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)ifindex};
	if (r->ring == MAP_FAILED || bind(r->fd, (void *)&to, sizeof(to)))
		die("receiver");
}

static uint16_t word_at(const uint8_t *frame, unsigned at)
{
	return (uint16_t)(frame[at] << 8 | frame[at + 1]);
}

/* Where the label should be in a frame of ours; 0: it is none of ours. */
static unsigned label_at(const uint8_t *frame, unsigned len)
{
	if (len < 42)
		return 0;
	if (word_at(frame, 12) == LOCAL_EXPERIMENT)
		return 14;
	if (word_at(frame, 12) != ETH_P_IP || word_at(frame, 20) & 0x1fff)
		return 0;
	unsigned l4 = 14 + (frame[14] & 15) * 4;
	unsigned at = frame[23] == 17 ? l4 + 8 : frame[23] == 6 ? l4 + 20 : 0;
	return at && at + sizeof(struct label) <= len && word_at(frame, l4 + 2) == DISCARD ? at : 0;
}

static void take(unsigned host, const uint8_t *frame, unsigned len)
{
	unsigned at = label_at(frame, len);
	struct label label;

	if (!at)
		return;
	memcpy(&label, frame + at, sizeof(label));
	if (label.mark != MARK || label.kind >= plan.n_kinds || label.number >= plan.n) {
		n_damaged++;
		return;
	}
	const struct kind *kind = &kinds[label.kind];
	if (kind->receiver != host) {
		n_astray++;
		return;
	}
	/* Behind the label all is as it was; and nothing is missing, unless it was put in pieces.
	 */
	unsigned more = len - at - (unsigned)sizeof(label);
	bool in_pieces = word_at(frame, 12) == ETH_P_IP && word_at(frame, 20) & 0x2000;
	unsigned wanted = kind->len - kind->at - (unsigned)sizeof(label);
	if ((in_pieces ? more > wanted : more != wanted) ||
	    memcmp(frame + at + sizeof(label), kind->frame + kind->at + sizeof(label), more))
		n_damaged++;
	uint8_t bit = (uint8_t)(1 << (label.number & 7));
	if (seen[label.number / 8] & bit) {
		n_doubled++;
		return;
	}
	seen[label.number / 8] |= bit;
	n_late += label.number < last[label.kind];
	last[label.kind] = label.number;
	n_got[label.kind]++;
	atomic_fetch_add(&n_arrived, 1);
}

static bool read_ring(unsigned host)
{
	struct receiver *r = &receivers[host];
	bool any = false;

	for (;;) {
		struct tpacket2_hdr *h = (void *)(r->ring + (size_t)r->next * FRAME_SIZE);
		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return any;
		take(host, (uint8_t *)h + h->tp_mac, h->tp_snaplen);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		r->next = (r->next + 1) % RING_FRAMES;
		any = true;
	}
}

/* Until the sender is done and nothing has come for a while. */
static void read_all(void)
{
	struct pollfd polled[HOSTS_MAX];
	double since = now_s();

	for (unsigned i = 0; i < plan.n_hosts; i++)
		polled[i] = (struct pollfd){receivers[i].fd, POLLIN, 0};
	for (;;) {
		bool any = false;
		for (unsigned i = 0; i < plan.n_hosts; i++)
			any |= read_ring(i);
		if (any || !atomic_load(&done))
			since = now_s();
		if (atomic_load(&done) &&
		    (atomic_load(&n_arrived) == atomic_load(&n_expected) || now_s() > since + 0.5))
			return;
		if (!any)
			poll(polled, plan.n_hosts, 1);
	}
}

/* -- sending ---------------------------------------------------------------------- */

struct sender {
	int fd;
	unsigned n_kinds, next;
	uint16_t kinds[KINDS_MAX];
};

static void set_checksum(uint8_t *ip)
{
	uint32_t sum = 0;

	ip[10] = ip[11] = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += word_at(ip, i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static void make(uint8_t *frame, uint16_t number_of_kind, uint32_t number)
{
	const struct kind *kind = &kinds[number_of_kind];
	const struct label label = {number, number_of_kind, MARK};
	uint32_t count = n_made[number_of_kind]++;

	memcpy(frame, kind->frame, kind->len);
	memcpy(frame + kind->at, &label, sizeof(label));
	if (!kind->count_len)
		return;
	count = count / kind->repeat * 2654435761u; /* odd: no value comes twice */
	for (unsigned i = 0; i < kind->count_len; i++)
		frame[kind->count_at + i] = (uint8_t)(count >> 8 * i);
	if (word_at(frame, 12) == ETH_P_IP)
		set_checksum(frame + 14);
}

static void send_batch(struct sender *s, unsigned n)
{
	static uint8_t frames[BATCH][FRAME_SIZE];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec parts[BATCH];

	for (unsigned i = 0; i < n; i++) {
		uint16_t kind = s->kinds[s->next++ % s->n_kinds];
		make(frames[i], kind, atomic_fetch_add(&n_sent, 1));
		atomic_fetch_add(&n_expected, kinds[kind].receiver != NOWHERE);
		parts[i] = (struct iovec){frames[i], kinds[kind].len};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	for (unsigned at = 0; at < n;) {
		int sent = sendmmsg(s->fd, messages + at, n - at, 0);
		if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			die("sendmmsg");
		if (sent < 0)
			sched_yield();
		at += sent > 0 ? (unsigned)sent : 0;
	}
}

/* Frames under way. What has been given up may still come. */
static int under_way(uint32_t given_up)
{
	return (int)(atomic_load(&n_expected) - atomic_load(&n_arrived) - given_up);
}

/* Until there is room in the window; what does not move for long is given up. */
static void wait_for_room(uint32_t *given_up)
{
	uint32_t before = atomic_load(&n_arrived);
	double since = now_s();

	while (under_way(*given_up) > (int)plan.window - BATCH) {
		sched_yield();
		if (atomic_load(&n_arrived) != before) {
			before = atomic_load(&n_arrived);
			since = now_s();
		} else if (now_s() > since + PATIENCE_S) {
			*given_up = atomic_load(&n_expected) - before;
		}
	}
}

static void *send_all(void *arg)
{
	struct sender *senders = arg;
	uint32_t given_up = 0;

	while (atomic_load(&n_sent) < plan.n)
		for (unsigned i = 0; i < plan.n_hosts && atomic_load(&n_sent) < plan.n; i++) {
			unsigned left = plan.n - atomic_load(&n_sent);
			if (!senders[i].n_kinds)
				continue;
			wait_for_room(&given_up);
			send_batch(&senders[i], left < BATCH ? left : BATCH);
		}
	atomic_store(&done, true);
	return NULL;
}

static unsigned socket_drops(void)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < plan.n_hosts; i++) {
		struct tpacket_stats stats = {0};
		socklen_t len = sizeof(stats);
		getsockopt(receivers[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
		sum += stats.tp_drops;
	}
	return sum;
}

int main(int argc, char **argv)
{
	static struct sender senders[HOSTS_MAX];
	pthread_t thread;
	unsigned ifindex;

	if (argc != 2)
		return 2;
	read_plan(argv[1]);
	for (unsigned i = 0; i < plan.n_hosts; i++) {
		open_receiver(&receivers[i], &hosts[i]);
		senders[i].fd = open_in(&hosts[i], 0, &ifindex);
		struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
		if (bind(senders[i].fd, (void *)&to, sizeof(to)))
			die("bind");
	}
	for (uint16_t k = 0; k < plan.n_kinds; k++) {
		struct sender *s = &senders[kinds[k].sender];
		s->kinds[s->n_kinds++] = k;
	}
	double start = now_s();
	if (pthread_create(&thread, NULL, send_all, senders))
		die("pthread_create");
	read_all();
	pthread_join(thread, NULL);
	printf("{\"sent\": %u, \"expected\": %u, \"arrived\": %u, \"doubled\": %u, \"astray\": %u, "
	       "\"damaged\": %u, "
	       "\"late\": %u, \"socket_drops\": %u, \"seconds\": %.3f, \"kinds\": [",
	       atomic_load(&n_sent), atomic_load(&n_expected), atomic_load(&n_arrived), n_doubled,
	       n_astray, n_damaged, n_late, socket_drops(), now_s() - start);
	for (unsigned k = 0; k < plan.n_kinds; k++)
		printf("%s[%" PRIu32 ", %" PRIu32 "]", k ? ", " : "", n_made[k], n_got[k]);
	printf("]}\n");
	return 0;
}
