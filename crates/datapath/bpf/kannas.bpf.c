/* The datapath of one host: five programs, no bridge, no device or namespace
 * for a router or a peering.
 *
 * from_port runs at the tcx ingress of the host's end of each port. The source
 * network is the port's, by its ifindex. A packet that is not from the port's
 * own MAC and IP addresses, or from a prefix behind it, is dropped. ARP and
 * neighbour solicitation for any address of the subnet are answered here:
 * networks are pure layer 3 and nothing is flooded. The
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
 * A host that is in SEALS is sent to through a tunnel's device (WireGuard) only,
 * with the same VXLAN packets inside; from_tunnel takes those that come out of
 * it. From such a host nothing is taken that came in the clear.
 *
 * A peering is entries in HOSTS and PREFIXES, so what a change costs is the
 * size of the change. All maps are pinned; programs are replaced under the
 * pinned links while packets flow. Needs Linux 6.6 (tcx).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
/* Verified once, not at every call; its pointers may be NULL to the verifier. */
#define GLOBAL __attribute__((noinline))
#define htons(x) ((__be16)__builtin_bswap16(x))
#define ntohs(x) ((__u16)__builtin_bswap16(x))
#define htonl(x) ((__be32)__builtin_bswap32(x))
#define ntohl(x) ((__u32)__builtin_bswap32(x))

#include "helpers.h"
#include "verdict.h"
#include "abi.h"
#include "address.h"
#include "checksum.h"

#define DONT_FRAGMENT 0x4000
#define NOT_FIRST_FRAGMENT 0x1fff
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

INLINE int is_own_mac(const struct port *port, const __u8 *mac)
{
	return same_mac(mac, port->mac) || (port->flags & PORT_SEGMENT);
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

INLINE struct ethhdr *ethernet_of(void *ip)
{
	return (struct ethhdr *)ip - 1;
}

INLINE struct target *find(__u32 vni, struct address to)
{
	struct prefix_key key = { 160, { htonl(vni), to } };
	struct target *target = bpf_map_lookup_elem(&HOSTS, &key.host);

	if (target)
		return target;
	return is_routable(&to) ? bpf_map_lookup_elem(&PREFIXES, &key) : NULL;
}

/* True of the port's own addresses and what is behind it. */
GLOBAL int is_from(struct __sk_buff *skb, struct port *port, const struct address *from)
{
	if (!port || !from || is_nothing(from))
		return 0;
	if (same_address(from, &port->address))
		return 1;
	for (int i = 0; i < PORT_IPV6; i++)
		if (same_address(from, &port->ipv6[i]))
			return 1;
	struct target *target = find(port->vni, *from);
	return target && target->kind == PORT_HERE && target->ifindex == skb->ifindex;
}

#include "flow.h"
#include "dhcp.h"
#include "answer.h"
#include "ipv6.h"
#include "answer6.h"
#include "size.h"
#include "tunnel.h"
#include "route.h"
#include "probe.h"

INLINE int refuse_ipv4(struct __sk_buff *skb, struct port *port, const struct target *target,
		       enum verdict verdict, __u32 mtu)
{
	count(skb, port->vni, target->vni, verdict);
	return icmp_error(skb, port, verdict, verdict == TTL ? TIME_EXCEEDED : UNREACHABLE, mtu);
}

/* content is what content_of gave. */
INLINE int refuse_ipv6(struct __sk_buff *skb, struct port *port, const struct target *target,
		       enum verdict verdict, __u32 mtu, __u32 content)
{
	count(skb, port->vni, target->vni, verdict);
	return icmpv6_error(skb, port, verdict, mtu, content);
}

/* Whether the kernel fragments what it sends through the tunnel. It does so with
 * IPv4 on the outside only. */
NOINLINE int is_cut_outside(void)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);

	return vtep && !(vtep->flags & VTEP_IPV6);
}

/* What is large is fragmented on the outside, by the kernel, if it can; else its
 * sender is told also where it allows that. */
INLINE int from_port_ipv4(struct __sk_buff *skb, struct port *port)
{
	struct iphdr *ip = ipv4_header(skb);

	if (!ip)
		return drop(SHORT);
	if (!is_own_mac(port, ethernet_of(ip)->h_source))
		return drop(SPOOFED_MAC);
	struct ends ends = { mapped(ip->saddr), mapped(ip->daddr) };
	if (ip->saddr != ipv4_of(&port->address) && !is_from(skb, port, &ends.from))
		return drop_or_ask(skb, port, SPOOFED_SOURCE);
	if (ip->daddr == ipv4_of(&port->gateway))
		return answer_ping(skb, port, ip);
	struct target *target = find(port->vni, ends.to);
	if (!target && is_multicast(&ends.to))
		return drop_or_ask(skb, port, MULTICAST);
	if (!target)
		return drop_between(skb, port->vni, 0, NO_ROUTE);
	if (target->kind == NOBODY)
		return drop_between(skb, port->vni, target->vni, NO_PORT);
	if (ip->ttl <= 1)
		return refuse_ipv4(skb, port, target, TTL, 0);
	if (target->kind == PORT_HERE)
		return to_local(skb, ip, port, target, &ends);
	__u32 content = sizeof(struct ethhdr) + ip->ihl * 4;
	int large = is_large(skb, content, ip->protocol, port->mtu);
	if (large && ((ip->frag_off & htons(DONT_FRAGMENT)) || !is_cut_outside()))
		return refuse_ipv4(skb, port, target, TOO_BIG, port->mtu);
	if (ip->protocol == IPPROTO_TCP && !(ip->frag_off & htons(NOT_FIRST_FRAGMENT))) {
		clamp_mss(skb, content, port->mtu - sizeof(struct iphdr) - sizeof(struct tcphdr));
		ip = ipv4_header(skb);
		if (!ip)
			return drop(SHORT);
	}
	one_hop(ip);
	return to_remote(skb, ethernet_of(ip), port, target, large);
}

/* Routers do not fragment IPv6, but every link carries 1280 bytes: below that
 * it is fragmented on the outside, if it can be. TCP need not be: its segments
 * fit. */
NOINLINE int from_port_ipv6(struct __sk_buff *skb, struct port *port)
{
	struct ipv6hdr *ip = ipv6_header(skb);
	__u8 type = 0;

	if (!ip)
		return drop(SHORT);
	if (!is_own_mac(port, ethernet_of(ip)->h_source))
		return drop(SPOOFED_MAC);
	if (ip->nexthdr == IPPROTO_ICMPV6)
		bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + sizeof(*ip), &type, 1);
	if (type == SOLICITATION)
		return answer_solicitation(skb, port);
	if (type == ADVERTISEMENT)
		return not_ours(port, PROTOCOL);
	struct ends ends = ends_of_ipv6(ip);
	if (is_multicast(&ends.to))
		return drop(MULTICAST);
	if (!is_from(skb, port, &ends.from))
		return drop(SPOOFED_SOURCE);
	if (is_gateway_ipv6(port, &ends.to))
		return answer_ping_ipv6(skb, port);
	struct target *target = find(port->vni, ends.to);
	if (!target)
		return drop_between(skb, port->vni, 0, NO_ROUTE);
	if (target->kind == NOBODY)
		return drop_between(skb, port->vni, target->vni, NO_PORT);
	__u32 content = content_of(skb, ip->nexthdr);
	if (ip->hop_limit <= 1)
		return refuse_ipv6(skb, port, target, TTL, 0, content);
	if (target->kind == PORT_HERE)
		return to_local(skb, ip, port, target, &ends);
	__u32 mtu = port->mtu < IPV6_LEAST_MTU ? IPV6_LEAST_MTU : port->mtu;
	if (is_large(skb, AT(content), PROTOCOL_OF(content), mtu))
		return refuse_ipv6(skb, port, target, TOO_BIG, mtu, content);
	int large = is_large(skb, AT(content), PROTOCOL_OF(content), port->mtu);
	if (large && !is_cut_outside())
		return refuse_ipv6(skb, port, target, TOO_BIG, mtu, content);
	if (PROTOCOL_OF(content) == IPPROTO_TCP) {
		clamp_mss(skb, AT(content),
			  port->mtu - sizeof(struct ipv6hdr) - sizeof(struct tcphdr));
		ip = ipv6_header(skb);
		if (!ip)
			return drop(SHORT);
	}
	ip->hop_limit--;
	return to_remote(skb, ethernet_of(ip), port, target, large);
}

__attribute__((section("classifier"), used)) int from_port(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct port *port = bpf_map_lookup_elem(&PORTS, &ifindex);

	if (!port)
		return drop(NO_SUCH_PORT);
	if (skb->protocol == htons(ETH_P_IP))
		return from_port_ipv4(skb, port);
	if (skb->protocol == htons(ETH_P_IPV6))
		return from_port_ipv6(skb, port);
	if (skb->protocol == htons(ETH_P_ARP))
		return answer_arp(skb, port);
	return drop(PROTOCOL);
}

__attribute__((section("classifier"), used)) int from_vtep(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);
	struct bpf_tunnel_key key = {};
	struct address from;

	if (!vtep)
		return drop(TUNNEL);
	IN_THE_CLEAR(skb) = vtep->flags & VTEP_SEALS;
	if (vtep->flags & VTEP_IPV6) {
		if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6) < 0)
			return drop(TUNNEL);
		__builtin_memcpy(&from, key.remote_ipv6, sizeof(from));
	} else {
		if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) < 0)
			return drop(TUNNEL);
		from = mapped(htonl(key.remote_ipv4));
	}
	if (is_probe_frame(skb))
		return take_probe(skb, key.tunnel_id, &from);
	if (skb->protocol == htons(ETH_P_IP))
		return out_ipv4(skb, key.tunnel_id, from, 0);
	if (skb->protocol == htons(ETH_P_IPV6))
		return out_ipv6(skb, key.tunnel_id, &from, 0);
	return drop(PROTOCOL);
}

NOINLINE int out_of_ipv6(struct __sk_buff *skb, struct vtep *vtep)
{
	struct wrapper_6 *it = wrapper_of_ipv6(skb, vtep);

	if (!it)
		return TC_ACT_UNSPEC;
	struct address from = ipv6_of(&it->ip.saddr);
	__u32 vni = ntohl(it->in.vxlan.vni) >> 8;
	if (it->in.eth.h_proto == htons(ETH_P_IP))
		return out_ipv4(skb, vni, from, sizeof(*it));
	if (it->in.eth.h_proto == htons(ETH_P_IPV6))
		return out_ipv6(skb, vni, &from, sizeof(*it));
	return TC_ACT_UNSPEC;
}

INLINE int out_of_underlay(struct __sk_buff *skb, struct vtep *vtep)
{
	if (vtep->flags & VTEP_IPV6) {
		int action = probe_out_of_ipv6(skb, vtep);
		return action != TC_ACT_UNSPEC ? action : out_of_ipv6(skb, vtep);
	}
	struct wrapper *it = wrapper_of(skb, vtep);
	if (!it)
		return TC_ACT_UNSPEC;
	struct address from = mapped(it->ip.saddr);
	__u32 vni = ntohl(it->in.vxlan.vni) >> 8;
	if (is_probe(&it->in.eth))
		return unwrap_probe(skb, sizeof(*it)) ? TC_ACT_SHOT : take_probe(skb, vni, &from);
	if (it->in.eth.h_proto == htons(ETH_P_IP))
		return out_ipv4(skb, vni, from, sizeof(*it));
	if (it->in.eth.h_proto == htons(ETH_P_IPV6))
		return out_ipv6(skb, vni, &from, sizeof(*it));
	return TC_ACT_UNSPEC;
}

__attribute__((section("classifier"), used)) int from_underlay(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);

	if (!vtep)
		return TC_ACT_UNSPEC;
	IN_THE_CLEAR(skb) = vtep->flags & VTEP_SEALS;
	return out_of_underlay(skb, vtep);
}

/* At the ingress of a tunnel's device. WireGuard has made sure who sent the
 * packet: its source is an address of the peer whose key it was encrypted with.
 * Its device is of layer 3, so the packet gets an Ethernet header to be as one
 * from the underlay. What is not VXLAN for us ends here: nothing of this host is
 * reached through a tunnel. */
__attribute__((section("classifier"), used)) int from_tunnel(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct vtep *vtep = bpf_map_lookup_elem(&VTEP, &zero);

	if (!vtep || bpf_skb_change_head(skb, sizeof(struct ethhdr), 0))
		return drop(TUNNEL);
	IN_THE_CLEAR(skb) = 0;
	__be16 protocol = skb->protocol;
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol, 2, 0))
		return drop(TUNNEL);
	int action = out_of_underlay(skb, vtep);
	return action == TC_ACT_UNSPEC ? drop(TUNNEL) : action;
}

char LICENSE[] __attribute__((section("license"), used)) = "Apache-2.0";
