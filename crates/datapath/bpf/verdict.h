/* What became of a packet: each has a counter. The names are those of
 * src/verdict.rs, in the same order; its test reads this file. */
/* New ones go to the end: counts are carried over by number when the layout
 * of the maps changes. */
enum verdict {
	/* Went on. */
	REMOTE,         /* from a port, to another host */
	LOCAL,          /* from a port, to another port of this host */
	DELIVERED,      /* from another host, to a port */
	ANSWERED,       /* ARP, ND or ping of the gateway, answered here */
	/* Dropped; TOO_BIG and TTL with an ICMP error to the sender. */
	SHORT,          /* no whole header */
	PROTOCOL,       /* neither ARP nor IP */
	MULTICAST,      /* to more than one: networks are layer 3 */
	NO_SUCH_PORT,   /* a device that is no port */
	SPOOFED_MAC,    /* not the port's Ethernet address */
	SPOOFED_SOURCE, /* not an IP address of the port or behind it */
	NO_ROUTE,       /* a network that the sender's may not reach */
	NO_PORT,        /* an address that nobody has */
	TTL,            /* too many hops */
	TOO_BIG,        /* for the underlay, and not to be fragmented */
	TUNNEL,         /* the kernel took or gave no tunnel key */
	FOREIGN,        /* from another host, for no port of that VNI here */
	NO_RETURN,      /* the receiver has no route back to the source */
	WRONG_VTEP,     /* the source is at another host than the sender */
	UNSEALED,       /* in the clear, from a host whose packets are to come encrypted */
	NO_TUNNEL,      /* to a host that is sent to encrypted only, and its tunnel is gone */
	VERDICTS
};
