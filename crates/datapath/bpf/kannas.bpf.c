/* The datapath of one host: four programs, no bridge, no device or namespace
 * for a router or a peering.
 *
 * from_port runs at the tcx ingress of the host's end of each port. The source
 * network is the port's, by its ifindex. A packet that is not from the port's
 * own MAC and IP address is dropped. ARP for any address of the subnet is
 * answered here: networks are pure layer 3 and nothing is flooded. The
 * destination is looked up in the table of the source network, first among
 * single addresses (a hash: nearly all packets), then by the longest prefix:
 * it is a port of this host, another host, or an address nobody has.
 *
 * To another host it goes through one VXLAN device that takes VNI and remote
 * address from the packet's metadata. from_vtep runs at that device's ingress
 * and delivers to a port of the packet's VNI, if that network has a route
 * back to the packet's source over the host that it came from: one map serves
 * for forwarding and for consent, and what either side withdraws stops both
 * ways at once.
 *
 * Packets are put into VXLAN by our own hands, at the port, and taken out of it
 * at the ingress of the underlay's device, which spares them the kernel's way
 * through routing, UDP and the VXLAN device: a third of all that a packet
 * costs. What we cannot do (several segments in one that end in no socket of
 * the workload, fragments, UDP checksums, a device we do not know) takes that way;
 * on the wire it is the same.
 *
 * A peering is entries in HOSTS and PREFIXES, so what a change costs is the
 * size of the change. All maps are pinned; programs are replaced under the
 * pinned links while packets flow. Needs Linux 6.6 (tcx).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))
#define htons(x) ((__be16)__builtin_bswap16(x))
#define ntohs(x) ((__u16)__builtin_bswap16(x))
#define htonl(x) ((__be32)__builtin_bswap32(x))
#define ntohl(x) ((__u32)__builtin_bswap32(x))

#include "helpers.h"
#include "verdict.h"
#include "abi.h"

#define DONT_FRAGMENT 0x4000
#define NOT_FIRST_FRAGMENT 0x1fff
#define PROBE_PROTOCOL 253 /* for experiments: RFC 3692 */
#define FRAGMENT 0x3fff /* more to come, or not the first */

/* Destination MAC of frames in the tunnel, and address of each host's VXLAN
 * device: so the kernel takes them as its own. */
static const __u8 TUNNEL_MAC[ETH_ALEN] = { 0x0a, 'k', 'a', 'n', 'n', 'a' };

/* The same of frames that are probes (probe.h). */
static const __u8 PROBE_MAC[ETH_ALEN] = { 0x0a, 'k', 'a', 'n', 'n', 'p' };

INLINE int end(enum verdict verdict, int action)
{
	__u32 index = verdict;
	__u64 *count = bpf_map_lookup_elem(&COUNTS, &index);

	if (count)
		(*count)++;
	return action;
}

INLINE int drop(enum verdict verdict)
{
	return end(verdict, TC_ACT_SHOT);
}

INLINE int same_mac(const __u8 *a, const __u8 *b)
{
	return *(__u32 *)a == *(__u32 *)b && *(__u16 *)(a + 4) == *(__u16 *)(b + 4);
}

INLINE struct address mapped(__be32 ipv4)
{
	return (struct address){ { 0, 0, htonl(0xffff), ipv4 } };
}

INLINE __be32 ipv4_of(const struct address *address)
{
	return address->part[3];
}

/* The IPv4 header, whole and writable; NULL when the packet has none. */
INLINE struct iphdr *ipv4_header(struct __sk_buff *skb)
{
	const __u32 need = sizeof(struct ethhdr) + sizeof(struct iphdr);

	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return NULL;
	struct iphdr *ip = (void *)(long)skb->data + sizeof(struct ethhdr);
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return NULL;
	return ip->version == 4 && ip->ihl >= 5 ? ip : NULL;
}

INLINE struct ethhdr *ethernet_of(struct iphdr *ip)
{
	return (struct ethhdr *)ip - 1;
}

#include "answer.h"
#include "size.h"
#include "tunnel.h"

INLINE struct target *find(__u32 vni, __be32 to)
{
	struct prefix_key key = { 160, { htonl(vni), mapped(to) } };
	struct target *target = bpf_map_lookup_elem(&HOSTS, &key.host);

	return target ? target : bpf_map_lookup_elem(&PREFIXES, &key);
}

INLINE int deliver(struct iphdr *ip, struct port *port, __u32 ifindex)
{
	struct ethhdr *eth = ethernet_of(ip);

	__builtin_memcpy(eth->h_dest, port->mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, port->gateway_mac, ETH_ALEN);
	if (port->flags & PORT_PAIR)
		return bpf_redirect_peer(ifindex, 0);
	return bpf_redirect(ifindex, 0);
}

/* RFC 1624: 256 less in the header is 256 more in its checksum's sum. */
INLINE void one_hop(struct iphdr *ip)
{
	__u32 sum = ip->check + htons(0x0100);

	ip->check = sum + (sum >> 16);
	ip->ttl--;
}

INLINE int to_local(struct __sk_buff *skb, struct iphdr *ip, struct target *target)
{
	__u32 ifindex = target->ifindex;
	struct port *port = bpf_map_lookup_elem(&PORTS, &ifindex);

	if (!port)
		return drop(NO_PORT);
	if (port->vni != target->vni || ipv4_of(&port->address) != ip->daddr)
		return drop(NO_PORT);
	struct target *back = find(port->vni, ip->saddr);
	if (!back || back->kind != PORT_HERE || back->ifindex != skb->ifindex)
		return drop(NO_RETURN);
	one_hop(ip);
	return end(LOCAL, deliver(ip, port, ifindex));
}

enum size {
	FITS,
	LARGE, /* to be fragmented on the outside, by the kernel */
	WHOLE, /* on no account to be fragmented */
};

/* To another host, in a frame to mac; TC_ACT_SHOT when it cannot be. */
INLINE int send(struct __sk_buff *skb, struct target *target, const __u8 *mac, enum size size)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);
	struct ethhdr *eth = (void *)(long)skb->data;

	if (!vtep || !vtep->ifindex || (void *)(eth + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
	__u32 fragment = size == WHOLE ? DONT_FRAGMENT : 0;
	switch (size == LARGE ? NOT_FOR_US : wrap(skb, vtep, target, fragment)) {
	case WRAPPED:
		return bpf_redirect_neigh(vtep->underlay, NULL, 0, 0);
	case BROKEN:
		return TC_ACT_SHOT;
	case NOT_FOR_US:
		break;
	}
	struct bpf_tunnel_key key = { .tunnel_id = target->vni, .tunnel_ttl = 64 };
	key.remote_ipv4 = ntohl(ipv4_of(&target->vtep));
	key.local_ipv4 = ntohl(vtep->ipv4);
	__u64 flags = BPF_F_ZERO_CSUM_TX | (size == WHOLE ? BPF_F_DONT_FRAGMENT : 0);
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect(vtep->ifindex, 0);
}

INLINE int to_remote(struct __sk_buff *skb, struct iphdr *ip, struct target *target, int large)
{
	one_hop(ip);
	int action = send(skb, target, TUNNEL_MAC, large ? LARGE : FITS);

	return action == TC_ACT_SHOT ? drop(TUNNEL) : end(REMOTE, action);
}

__attribute__((section("classifier"), used)) int from_port(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct port *port = bpf_map_lookup_elem(&PORTS, &ifindex);

	if (!port)
		return drop(NO_SUCH_PORT);
	if (skb->protocol == htons(ETH_P_ARP))
		return answer_arp(skb, port);
	if (skb->protocol != htons(ETH_P_IP))
		return drop(PROTOCOL);
	struct iphdr *ip = ipv4_header(skb);
	if (!ip)
		return drop(SHORT);
	if (!same_mac(ethernet_of(ip)->h_source, port->mac))
		return drop(SPOOFED_MAC);
	if (ip->saddr != ipv4_of(&port->address))
		return drop(SPOOFED_SOURCE);
	if (ip->daddr == ipv4_of(&port->gateway))
		return answer_ping(skb, port, ip);
	struct target *target = find(port->vni, ip->daddr);
	if (!target)
		return drop(NO_ROUTE);
	if (target->kind == NOBODY)
		return drop(NO_PORT);
	if (ip->ttl <= 1)
		return icmp_error(skb, port, TTL, TIME_EXCEEDED, 0);
	if (target->kind == PORT_HERE)
		return to_local(skb, ip, target);
	int large = is_large(skb, ip, port->mtu);
	if (large && (ip->frag_off & htons(DONT_FRAGMENT)))
		return icmp_error(skb, port, TOO_BIG, UNREACHABLE, port->mtu);
	if (ip->protocol == IPPROTO_TCP) {
		clamp_mss(skb, ip, port->mtu);
		ip = ipv4_header(skb);
		if (!ip)
			return drop(SHORT);
	}
	return to_remote(skb, ip, target, large);
}

/* Where a packet out of the tunnel goes, or the reason why it goes nowhere. */
struct arrival {
	struct port *port;
	__u32 ifindex;
	enum verdict verdict;
};

INLINE struct arrival arrive(__u32 vni, struct iphdr *ip, __be32 from)
{
	struct arrival it = { .verdict = FOREIGN };
	/* The table also has ports of networks that this one reaches: not for
	 * packets of this VNI. */
	struct target *target = find(vni, ip->daddr);

	if (!target || target->kind != PORT_HERE || target->vni != vni)
		return it;
	it.ifindex = target->ifindex;
	it.port = bpf_map_lookup_elem(&PORTS, &it.ifindex);
	if (!it.port || it.port->vni != vni || ipv4_of(&it.port->address) != ip->daddr)
		return it;
	struct target *back = find(vni, ip->saddr);
	it.verdict = DELIVERED;
	if (!back || back->kind != HOST_THERE)
		it.verdict = NO_RETURN;
	else if (ipv4_of(&back->vtep) != from)
		it.verdict = WRONG_VTEP;
	return it;
}

#include "probe.h"

__attribute__((section("classifier"), used)) int from_vtep(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = {};

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) < 0)
		return drop(TUNNEL);
	if (skb->protocol != htons(ETH_P_IP))
		return drop(PROTOCOL);
	struct iphdr *ip = ipv4_header(skb);
	if (!ip)
		return drop(SHORT);
	if (is_probe(ethernet_of(ip)))
		return take_probe(skb, key.tunnel_id, htonl(key.remote_ipv4));
	struct arrival it = arrive(key.tunnel_id, ip, htonl(key.remote_ipv4));
	if (it.verdict != DELIVERED || !it.port)
		return drop(it.verdict);
	return end(DELIVERED, deliver(ip, it.port, it.ifindex));
}

__attribute__((section("classifier"), used)) int from_underlay(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);
	struct wrapped *in = vtep ? wrapped_of(skb, vtep) : NULL;

	if (!in)
		return TC_ACT_UNSPEC;
	__u32 vni = ntohl(in->by.vxlan.vni) >> 8;
	__be32 from = in->by.ip.saddr;
	if (is_probe(&in->by.eth))
		return unwrap(skb) ? TC_ACT_SHOT : take_probe(skb, vni, from);
	struct iphdr *packet = (void *)in + offsetof(struct wrapped, packet);
	struct arrival it = arrive(vni, packet, from);
	if (it.verdict != DELIVERED || !it.port)
		return drop(it.verdict);
	if (skb->gso_size && !ends_here(skb, it.port, packet))
		return TC_ACT_UNSPEC;
	if (unwrap(skb))
		return drop(TUNNEL);
	struct iphdr *ip = ipv4_header(skb);
	if (!ip)
		return drop(SHORT);
	return end(DELIVERED, deliver(ip, it.port, it.ifindex));
}

char LICENSE[] __attribute__((section("license"), used)) = "Apache-2.0";
