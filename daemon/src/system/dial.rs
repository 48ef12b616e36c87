//! Whether a TCP port takes connections. Nothing is sent: the connection is closed as soon as it stands.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

use super::Later;
use super::http::refuses;

/// Dials TCP ports.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Whether a connection to the port comes to stand.
    fn dial(&self, to: Number) -> Later<'_, Result<(), DialError>>;
}

/// What is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// A name or an address, an IPv6 one without brackets.
    pub host: String,
    /// From 1.
    pub port: u16,
    /// Whether loopback and private networks may be called.
    pub private_addresses: bool,
    /// Longest time for all of it.
    pub within: Duration,
}

/// Why no connection stands.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// An address that must not be called.
    #[error("{address} is {why} and must not be called")]
    Forbidden {
        /// Which.
        address: IpAddr,
        /// What it is.
        why: &'static str,
    },
    /// Unresolved, refused, no route.
    #[error("no connection: {message}")]
    Connect {
        /// What the system said.
        message: String,
    },
    /// Too slow.
    #[error("no connection within {} ms", .after.as_millis())]
    Timeout {
        /// The limit.
        after: Duration,
    },
}

/// The machine's network.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDial;

impl Dial for RealDial {
    fn dial(&self, to: Number) -> Later<'_, Result<(), DialError>> {
        Box::pin(async move {
            let after = to.within;
            let dialled = tokio::time::timeout(after, dial(&to)).await;
            dialled.unwrap_or(Err(DialError::Timeout { after }))
        })
    }
}

async fn dial(to: &Number) -> Result<(), DialError> {
    let failed = |e: std::io::Error| DialError::Connect { message: e.to_string() };
    let found = lookup_host((to.host.as_str(), to.port)).await.map_err(failed)?;
    let addresses: Vec<_> = found.collect();
    // A name that means both is refused whole, as with HTTP.
    for address in addresses.iter().map(std::net::SocketAddr::ip) {
        if let Some(why) = refuses(address, to.private_addresses) {
            return Err(DialError::Forbidden { address, why });
        }
    }
    let mut last = DialError::Connect { message: format!("`{}` has no address", to.host) };
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(_) => return Ok(()),
            Err(e) => last = failed(e),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(port: u16, private_addresses: bool) -> Number {
        let within = Duration::from_secs(30);
        Number { host: "127.0.0.1".into(), port, private_addresses, within }
    }

    #[tokio::test]
    async fn a_port_answers_while_somebody_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(RealDial.dial(number(port, true)).await.is_ok());
        let refused = RealDial.dial(number(port, false)).await.unwrap_err().to_string();
        assert_eq!(refused, "127.0.0.1 is this machine and must not be called");
        drop(listener);
        let gone = RealDial.dial(number(port, true)).await.unwrap_err().to_string();
        assert!(gone.starts_with("no connection: "), "{gone}");
    }

    #[tokio::test]
    async fn what_is_no_host_is_said() {
        for host in ["", "a b", "\0", "[::1]", "nobody.invalid"] {
            let to = Number { host: host.into(), ..number(1, true) };
            assert!(RealDial.dial(to).await.is_err(), "{host:?}");
        }
    }
}
