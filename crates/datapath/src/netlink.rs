//! A synchronous rtnetlink socket in one network namespace (rtnetlink(7)).

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::constants::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::error::Error;

/// It stays in the namespace of the thread that opened it.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// What a request may do to what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Change or delete what is there.
    Change,
    /// Make what is not there yet.
    Create,
    /// Make it, or make it so.
    Replace,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Dumps filter by what the request says only under strict checking.
        socket.set_netlink_get_strict_chk(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// `what` completes "cannot …" in the error.
    pub(crate) fn tell(
        &mut self,
        what: impl FnOnce() -> String,
        mode: Mode,
        message: RouteNetlinkMessage,
    ) -> Result<(), Error> {
        self.try_tell(mode, message).map_err(|source| Error::Netlink { what: what(), source })
    }

    pub(crate) fn try_tell(&mut self, mode: Mode, message: RouteNetlinkMessage) -> io::Result<()> {
        let flags = match mode {
            Mode::Change => NLM_F_ACK,
            Mode::Create => NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
            Mode::Replace => NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
        };
        self.exchange(flags, message).map(drop)
    }

    /// The one that `message` names; None when there is none.
    pub(crate) fn find(
        &mut self,
        what: impl FnOnce() -> String,
        message: RouteNetlinkMessage,
    ) -> Result<Option<RouteNetlinkMessage>, Error> {
        match self.exchange(NLM_F_ACK, message) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(source) => Err(Error::Netlink { what: what(), source }),
            Ok(answers) => Ok(answers.into_iter().next()),
        }
    }

    /// Everything of a kind.
    pub(crate) fn dump(
        &mut self,
        what: &'static str,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        // A dump that was disturbed by a change is asked for again.
        for _ in 0..10 {
            match self.exchange(NLM_F_DUMP, message.clone()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Netlink { what: what.to_owned(), source }),
                Ok(answers) => return Ok(answers),
            }
        }
        Err(Error::Netlink { what: what.to_owned(), source: io::ErrorKind::Interrupted.into() })
    }

    fn exchange(
        &mut self,
        flags: u16,
        message: RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answers = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            if self.take(&datagram, &mut answers)? {
                return Ok(answers);
            }
        }
    }

    /// True when the answer is complete.
    fn take(&self, datagram: &[u8], answers: &mut Vec<RouteNetlinkMessage>) -> io::Result<bool> {
        /// Of a dump: something changed while it was made.
        const NLM_F_DUMP_INTR: u16 = 0x10;
        let mut rest = datagram;
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            // Messages are aligned to 4 bytes (NLMSG_ALIGN in linux/netlink.h).
            let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            if message.header.sequence_number != self.sequence {
                continue;
            }
            if message.header.flags & NLM_F_DUMP_INTR != 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(true),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Noop | NetlinkPayload::Overrun(_) => {}
                _ => {}
            }
        }
        Ok(false)
    }
}
