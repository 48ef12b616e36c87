//! Which addresses must not be called. Looked at after the name was resolved, for every address and
//! every redirect, so that a name which changes its mind gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why `address` must not be called, or none where it may be.
pub fn refuses(address: IpAddr, private_addresses: bool) -> Option<&'static str> {
    let address = embedded(address);
    if let Some(why) = never(address) {
        return Some(why);
    }
    if private_addresses { None } else { private(address) }
}

/// Places that give out the machine's own credentials, and addresses that are none.
fn never(address: IpAddr) -> Option<&'static str> {
    /// Amazon's metadata service over IPv6.
    const EC2: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    /// Alibaba's metadata service.
    const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    match address {
        IpAddr::V4(a) if a.is_link_local() => Some("a link-local address (cloud metadata)"),
        IpAddr::V6(a) if a.is_unicast_link_local() => Some("a link-local address"),
        IpAddr::V4(ALIBABA) | IpAddr::V6(EC2) => Some("a cloud metadata address"),
        a if a.is_multicast() => Some("a multicast address"),
        IpAddr::V4(a) if a.is_broadcast() => Some("a broadcast address"),
        _ => None,
    }
}

fn private(address: IpAddr) -> Option<&'static str> {
    if address.is_loopback() || address.is_unspecified() {
        return Some("this machine");
    }
    let is_private = match address {
        IpAddr::V4(a) => {
            let [one, two, ..] = a.octets();
            // 0.0.0.0/8 reaches this machine, 100.64.0.0/10 is carriers' and overlay networks'.
            a.is_private() || one == 0 || (one == 100 && (64..128).contains(&two)) || one >= 240
        }
        IpAddr::V6(a) => a.is_unique_local() || (a.segments()[0] & 0xffc0) == 0xfec0,
    };
    is_private.then_some("a private address")
}

/// The IPv4 address that an IPv6 one only wraps: mapped, compatible, NAT64 or 6to4.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return four.into();
    }
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => of(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_never_called_and_private_networks_only_where_allowed() {
        let check = |address: &str| {
            let address = address.parse().unwrap();
            (refuses(address, false).is_none(), refuses(address, true).is_none())
        };
        for never in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "255.255.255.255",
            "224.0.0.1",
        ] {
            assert_eq!(check(never), (false, false), "{never}");
        }
        for private in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "0.0.0.0",
            "::",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fc00::1",
            "fd12::1",
        ] {
            assert_eq!(check(private), (false, true), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert_eq!(check(public), (true, true), "{public}");
        }
    }
}
