/* Addresses of both families in one form: struct address. */

#define LINK_LOCAL_GATEWAY ((struct address){ { htonl(0xfe800000), 0, 0, htonl(1) } })

/* Who sends to whom. */
struct ends {
	struct address from, to;
};

INLINE struct address mapped(__be32 ipv4)
{
	return (struct address){ { 0, 0, htonl(0xffff), ipv4 } };
}

INLINE __be32 ipv4_of(const struct address *address)
{
	return address->part[3];
}

INLINE struct address ipv6_of(const void *ipv6)
{
	struct address it;

	__builtin_memcpy(&it, ipv6, sizeof(it));
	return it;
}

INLINE int same_address(const struct address *a, const struct address *b)
{
	return ((a->part[0] ^ b->part[0]) | (a->part[1] ^ b->part[1]) | (a->part[2] ^ b->part[2]) |
		(a->part[3] ^ b->part[3])) == 0;
}

INLINE int is_mapped(const struct address *it)
{
	return (it->part[0] | it->part[1]) == 0 && it->part[2] == htonl(0xffff);
}

INLINE int is_nothing(const struct address *it)
{
	return (it->part[0] | it->part[1] | it->part[2] | it->part[3]) == 0;
}

INLINE int is_link_local(const struct address *it)
{
	return (it->part[0] & htonl(0xffc00000)) == htonl(0xfe800000);
}

INLINE int is_multicast(const struct address *it)
{
	if (is_mapped(it))
		return (it->part[3] & htonl(0xf0000000)) == htonl(0xe0000000) || !~it->part[3];
	return (it->part[0] & htonl(0xff000000)) == htonl(0xff000000);
}

/* One that a router may route to and from: RFC 6890, RFC 4291 2.4. */
INLINE int is_routable(const struct address *it)
{
	if (!is_mapped(it))
		return !is_multicast(it) && !is_link_local(it) &&
		       (it->part[0] | it->part[1] | it->part[2]);
	__u32 first = ntohl(it->part[3]) >> 24;
	return first && first != 127 && first < 224 && ntohl(it->part[3]) >> 16 != 0xa9fe;
}

GLOBAL int in_prefix(const struct address *it, const struct address *prefix, __u32 length)
{
	if (!it || !prefix)
		return 0;
	for (__u32 i = 0; i < 4; i++) {
		__u32 bits = length > 32 * i ? length - 32 * i : 0;
		__u32 mask = bits >= 32 ? ~0U : bits ? ~0U << (32 - bits) : 0;
		if ((it->part[i] ^ prefix->part[i]) & htonl(mask))
			return 0;
	}
	return 1;
}
