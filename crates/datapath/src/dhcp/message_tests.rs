use super::*;

const MAC: [u8; 6] = [10, 0, 0, 0, 0, 7];

fn lease() -> Lease {
    Lease {
        address: [10, 0, 0, 9].into(),
        length: 24,
        gateway: [10, 0, 0, 1].into(),
        mac: MAC,
        gateway_mac: [10, 1, 1, 1, 1, 1],
        mtu: 1450,
        dhcp: Dhcp {
            dns: vec![[10, 0, 0, 53].into(), [10, 0, 1, 53].into()],
            routes: vec![("10.8.0.0/15".parse().unwrap(), [10, 0, 0, 1].into())],
            default_route: true,
            bootfile: None,
        },
    }
}

/// A client's frame with these options; `current` is its address.
fn asks(current: [u8; 4], options: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0; FIXED];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[4..8].copy_from_slice(&[1, 2, 3, 4]);
    message[12..16].copy_from_slice(&current);
    message[28..34].copy_from_slice(&MAC);
    message[236..].copy_from_slice(&COOKIE);
    for option in options {
        message.extend(*option);
    }
    message.push(255);
    let mut frame = vec![0; ETHERNET];
    frame.extend([0x45]);
    frame.resize(ETHERNET + IP + UDP, 0);
    frame.extend(message);
    frame
}

/// The answer's message, options and all.
fn answered(frame: &[u8], lease: &Lease) -> Vec<u8> {
    let reply = answer(frame, lease).unwrap();
    assert_eq!(checksum(&[&reply[ETHERNET..ETHERNET + IP]]), 0, "of IP");
    let length = usize::from(u16::from_be_bytes([reply[16], reply[17]]));
    assert_eq!(reply.len(), ETHERNET + length);
    reply[ETHERNET + IP + UDP..].to_vec()
}

fn option(message: &[u8], code: u8) -> Option<&[u8]> {
    Question { fixed: &message[..FIXED], options: &message[FIXED..] }.option(code)
}

const DISCOVER: &[u8] = &[53, 1, 1];
const REQUEST: &[u8] = &[53, 1, 3];

#[test]
fn who_asks_is_offered_the_ports_address_and_all_that_goes_with_it() {
    let frame = asks([0; 4], &[DISCOVER, &[61, 2, 8, 9]]);
    let message = answered(&frame, &lease());
    assert_eq!((message[0], &message[4..8], &message[28..34]), (2, &[1, 2, 3, 4][..], &MAC[..]));
    assert_eq!(message[16..20], [10, 0, 0, 9]);
    for (code, want) in [
        (53, &[2][..]),
        (54, &[10, 0, 0, 1]),
        (61, &[8, 9]),
        (51, &3600_u32.to_be_bytes()),
        (1, &[255, 255, 255, 0]),
        (3, &[10, 0, 0, 1]),
        (26, &1450_u16.to_be_bytes()),
        (6, &[10, 0, 0, 53, 10, 0, 1, 53]),
        (121, &[0, 10, 0, 0, 1, 15, 10, 8, 10, 0, 0, 1]),
    ] {
        assert_eq!(option(&message, code), Some(want), "option {code}");
    }
    assert_eq!(option(&message, 67), None);
    assert!(message.len() >= SMALLEST);
    let reply = answer(&frame, &lease()).unwrap();
    assert_eq!((&reply[..6], &reply[30..34]), (&MAC[..], &[10, 0, 0, 9][..]), "to its address");
}

#[test]
fn the_right_address_is_confirmed_and_another_refused() {
    for (current, options, want) in [
        ([0; 4], vec![REQUEST, &[50, 4, 10, 0, 0, 9], &[54, 4, 10, 0, 0, 1]], Some(5)),
        ([0; 4], vec![REQUEST, &[50, 4, 10, 0, 0, 9]], Some(5)),
        ([10, 0, 0, 9], vec![REQUEST], Some(5)),
        ([0; 4], vec![REQUEST, &[50, 4, 10, 0, 0, 8]], Some(6)),
        ([10, 0, 0, 8], vec![REQUEST], Some(6)),
        ([10, 0, 0, 9], vec![&[53, 1, 8]], Some(5)),
        ([0; 4], vec![REQUEST, &[50, 4, 10, 0, 0, 9], &[54, 4, 10, 0, 0, 2]], None),
        ([0; 4], vec![REQUEST], None),
        ([10, 0, 0, 9], vec![&[53, 1, 7]], None),
        ([0; 4], vec![&[53, 1, 4]], None),
        ([0; 4], vec![], None),
    ] {
        let frame = asks(current, &options);
        let reply = answer(&frame, &lease());
        assert_eq!(reply.is_some(), want.is_some(), "{current:?} {options:?}");
        let Some(want) = want else { continue };
        let message = answered(&frame, &lease());
        assert_eq!(option(&message, 53), Some(&[want][..]), "{current:?} {options:?}");
        let reply = reply.unwrap();
        if want == 6 {
            assert_eq!((&reply[..6], &reply[30..34]), (&[0xff; 6][..], &[0xff; 4][..]));
            assert_eq!((&message[16..20], option(&message, 51)), (&[0; 4][..], None));
        }
        if options[0] == [53, 1, 8] {
            assert_eq!((&message[16..20], option(&message, 51)), (&[0; 4][..], None), "INFORM");
            assert!(option(&message, 121).is_some());
        }
    }
}

#[test]
fn a_client_that_does_not_hear_its_address_yet_is_answered_by_broadcast() {
    let mut frame = asks([0; 4], &[DISCOVER]);
    frame[ETHERNET + IP + UDP + 10] = 0x80;
    let reply = answer(&frame, &lease()).unwrap();
    assert_eq!((&reply[..6], &reply[30..34]), (&[0xff; 6][..], &[0xff; 4][..]));
}

#[test]
fn what_a_client_does_not_ask_for_it_is_not_told() {
    let message = answered(&asks([0; 4], &[DISCOVER, &[55, 2, 1, 121]]), &lease());
    for (code, there) in [(1, true), (121, true), (3, false), (6, false), (26, false), (51, true)] {
        assert_eq!(option(&message, code).is_some(), there, "option {code}");
    }
}

#[test]
fn many_routes_are_in_as_many_options_as_they_need_and_as_the_client_has_room_for() {
    let mut lease = lease();
    let route = |n: u8| (format!("10.1.{n}.0/24").parse().unwrap(), [10, 0, 0, 1].into());
    lease.dhcp.routes = (0..64).map(route).collect();
    for (size, routes) in [(None, 30..33), (Some(1280_u16), 64..65)] {
        let size = size.map(|it| [&[57, 2][..], &it.to_be_bytes()].concat());
        let options: Vec<&[u8]> = [Some(DISCOVER), size.as_deref()].into_iter().flatten().collect();
        let message = answered(&asks([0; 4], &options), &lease);
        assert!(message.len() + IP + UDP <= size.map_or(USUAL, |_| 1280));
        let mut value: Vec<u8> = Vec::new();
        let mut rest = &message[FIXED..];
        while let [code, length, more @ ..] = rest
            && *code != 255
        {
            let (part, more) = more.split_at(usize::from(*length));
            if *code == 121 {
                value.extend(part);
            }
            rest = more;
        }
        // The default route has 5 bytes, each other one 8.
        let count = (value.len() - 5) / 8;
        assert_eq!((value.len() - 5) % 8, 0);
        assert!(routes.contains(&count), "{count}");
    }
}

#[test]
fn no_frame_makes_it_fail() {
    let whole = asks([10, 0, 0, 9], &[REQUEST, &[55, 3, 1, 3, 6], &[57, 2, 5, 0]]);
    for end in 0..whole.len() {
        let _ = answer(&whole[..end], &lease());
    }
    for at in 0..whole.len() {
        for value in [0, 1, 53, 254, 255] {
            let mut other = whole.clone();
            other[at] = value;
            let _ = answer(&other, &lease());
        }
    }
    let mut strange = whole;
    strange[ETHERNET + IP + UDP + 28] = 9;
    assert_eq!(answer(&strange, &lease()), None, "of another MAC");
}
