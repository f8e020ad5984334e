/* IPv6 headers (RFC 8200). */

#define IPV6_LEAST_MTU 1280 /* RFC 8200 5 */
#define IPV6_HEADERS 8      /* extension headers that are read; more are no fault */

enum icmpv6 {
	PACKET_TOO_BIG = 2, TIME_EXCEEDED_6 = 3, FIRST_INFORMATION = 128,
	ECHO_6 = 128, ECHO_REPLY_6 = 129, SOLICITATION = 135, ADVERTISEMENT = 136, REDIRECT_6 = 137,
};

/* RFC 4443 2.1 */
struct icmpv6_header {
	__u8 type, code;
	__sum16 checksum;
	__be32 value;
};

/* The header, whole and writable; NULL when the packet has none. */
INLINE struct ipv6hdr *ipv6_header(struct __sk_buff *skb)
{
	const __u32 need = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);

	if (skb->data + need > skb->data_end && bpf_skb_pull_data(skb, need))
		return NULL;
	struct ipv6hdr *ip = (void *)(long)skb->data + sizeof(struct ethhdr);
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return NULL;
	return ip->version == 6 ? ip : NULL;
}

INLINE struct ends ends_of_ipv6(const struct ipv6hdr *ip)
{
	return (struct ends){ ipv6_of(&ip->saddr), ipv6_of(&ip->daddr) };
}

/* Where the packet's content begins, from the start of the frame, and its
 * protocol: in one word, so that functions take and give it. */
#define CONTENT(at, protocol) ((at) << 8 | (protocol))
#define AT(content) ((content) >> 8)
#define PROTOCOL_OF(content) ((__u8)(content))

/* What comes after the extension headers; IPPROTO_FRAGMENT is what comes in a
 * fragment that is not the first, IPPROTO_NONE what cannot be told. */
GLOBAL __u32 content_after(struct __sk_buff *skb, __u32 next)
{
	__u32 at = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);

	for (int i = 0; i < IPV6_HEADERS; i++) {
		struct {
			__u8 next, length;
			__be16 fragment;
		} it;
		__u32 step = 0;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT && next != IPPROTO_AH)
			return CONTENT(at, next);
		if (bpf_skb_load_bytes(skb, at, &it, sizeof(it)))
			break;
		step = (it.length + 1) * 8;
		if (next == IPPROTO_AH)
			step = (it.length + 2) * 4;
		if (next == IPPROTO_FRAGMENT) {
			step = 8;
			if (it.fragment & htons(0xfff8))
				return CONTENT(at, IPPROTO_FRAGMENT);
		}
		at += step;
		next = it.next;
	}
	return CONTENT(at, IPPROTO_NONE);
}

INLINE __u32 content_of(struct __sk_buff *skb, __u8 next)
{
	if (next != IPPROTO_TCP && next != IPPROTO_UDP)
		return content_after(skb, next);
	return CONTENT(sizeof(struct ethhdr) + sizeof(struct ipv6hdr), next);
}

/* With the pseudo header of RFC 8200 8.1; `ip` is on the stack. */
INLINE __sum16 icmpv6_checksum(struct ipv6hdr *ip, void *message, __u32 size)
{
	__s64 sum = bpf_csum_diff(0, 0, (void *)&ip->saddr, 2 * sizeof(struct in6_addr), 0);

	sum = bpf_csum_diff(0, 0, message, size, sum);
	return folded((__u64)(__u32)sum + ip->payload_len + htons(IPPROTO_ICMPV6));
}
