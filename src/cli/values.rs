//! Values of flags, and what is wrong with those that cannot be used, in words that say what would be right.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::ops::RangeInclusive;

/// An address to listen at.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 0.0.0.0:8080".to_owned())
}

/// The address of a server; a name is resolved.
pub(super) fn server_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let is_name = |host: &str| !host.is_empty() && !host.contains([':', '/']);
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| is_name(host) && port.parse::<u16>().is_ok());
    if !has_port {
        return Err("write an address and a port, such as 127.0.0.1:8080".into());
    }
    let mut addresses = text.to_socket_addrs().into_iter().flatten().collect::<Vec<_>>();
    // `localhost` has both, and most servers listen at the older one.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.into_iter().next().ok_or_else(|| "no address is known for that name".to_owned())
}

/// A parser of whole numbers in a range.
pub(super) fn number(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ if *range.end() == u64::MAX => Err(format!("write a whole number, {} or more", range.start())),
        _ => Err(format!("write a whole number from {} to {}", range.start(), range.end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_answered_with_what_would_be_right() {
        for text in ["", "foo", "127.0.0.1", ":8080", "127.0.0.1:x", "127.0.0.1:99999", "http://127.0.0.1:8080", "::1"]
        {
            assert!(server_address(text).unwrap_err().contains("such as 127.0.0.1:8080"), "{text}");
        }
        for text in ["", "localhost:8080", "8080", "0.0.0.0"] {
            assert!(listen_address(text).unwrap_err().contains("such as 0.0.0.0:8080"), "{text}");
        }
        assert_eq!(server_address("[::1]:80").unwrap().port(), 80);
        assert_eq!(server_address("localhost:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        for text in ["", "x", "-1", "0", "11", "1.5", "99999999999999999999999"] {
            assert_eq!(number(1..=10)(text).unwrap_err(), "write a whole number from 1 to 10", "{text}");
        }
        assert_eq!(number(2..=u64::MAX)("1").unwrap_err(), "write a whole number, 2 or more");
        assert_eq!(number(1..=10)("10"), Ok(10));
    }
}
