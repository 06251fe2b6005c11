//! The proxy that the environment names.

use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use super::budget::FetchBudget;
use super::connect::connect;
use super::error::FetchError;
use super::secret::Secret;
use super::url::{Address, RemoteUrl, Scheme, host_and_port, percent_decoded};

/// Connects to an HTTP server, through a proxy where the environment names one.
pub(super) async fn connect_http(budget: &FetchBudget, url: &RemoteUrl) -> Result<TcpStream, FetchError> {
    connect_http_with(budget, url, environment).await
}

async fn connect_http_with(
    budget: &FetchBudget,
    url: &RemoteUrl,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<TcpStream, FetchError> {
    // Plain HTTP is for servers inside the cluster, which need no proxy.
    let proxy = if url.scheme() == Scheme::Https { proxy_for(url.host(), url.port(), environment) } else { None };
    let Some(proxy) = proxy else {
        return connect(budget, url.host(), url.port()).await;
    };
    let proxy = parse_proxy(&proxy).map_err(|reason| proxy_error("HTTPS_PROXY", reason))?;
    let mut stream = connect(budget, proxy.host(), proxy.port()).await?;
    let limit = budget.limits.connect;
    match budget.wait(limit, "asking the proxy for a tunnel", open_tunnel(&mut stream, url, &proxy)).await? {
        Ok(()) => Ok(stream),
        Err(error) => Err(proxy_error("HTTPS_PROXY", &error.to_string())),
    }
}

fn parse_proxy(proxy: &str) -> Result<RemoteUrl, &'static str> {
    // The path is only there because a repository's address needs one.
    let with_path = format!("{}/proxy", proxy.trim_end_matches('/'));
    let with_scheme = if proxy.contains("://") { with_path } else { format!("http://{with_path}") };
    match Address::parse(&with_scheme, "/".as_ref()) {
        Ok(Address::Remote(proxy)) if proxy.scheme() == Scheme::Http => Ok(proxy),
        Ok(Address::Remote(_)) => Err("only http:// proxies are supported"),
        _ => Err("it is not an address such as http://proxy:3128"),
    }
}

fn proxy_error(variable: &str, reason: &str) -> FetchError {
    FetchError::Connect { host: format!("the proxy of {variable}"), reason: reason.to_owned() }
}

/// Asks an HTTP proxy for a tunnel to the server.
async fn open_tunnel(stream: &mut TcpStream, url: &RemoteUrl, proxy: &RemoteUrl) -> io::Result<()> {
    let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
    let target = format!("{host}:{}", url.port());
    let authorization = match proxy.user() {
        Some(user) => {
            let login = format!("{user}:{}", proxy.password().map_or("", Secret::reveal));
            format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(login))
        }
        None => String::new(),
    };
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n").as_bytes()).await?;
    // Byte by byte: what follows the empty line belongs to the server behind the proxy.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 16 << 10 {
            return Err(io::Error::other("its answer has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match status {
        b"200" => Ok(()),
        b"407" => Err(io::Error::other("it refuses the credentials, or asks for some")),
        _ => Err(io::Error::other(format!("it answered {}", String::from_utf8_lossy(status)))),
    }
}

/// Connects to an SSH server, through a SOCKS proxy where the environment names one.
///
/// `ALL_PROXY` is what Flux reads for SSH. One of another kind is not for SSH, there and here:
/// HTTP proxies rarely let anything but port 443 through.
pub(super) async fn connect_ssh(budget: &FetchBudget, host: &str, port: u16) -> Result<TcpStream, FetchError> {
    connect_ssh_with(budget, host, port, environment).await
}

async fn connect_ssh_with(
    budget: &FetchBudget,
    host: &str,
    port: u16,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<TcpStream, FetchError> {
    let Some(proxy) = socks_proxy_for(host, port, environment) else {
        return connect(budget, host, port).await;
    };
    let failed = |reason: &str| proxy_error("ALL_PROXY", reason);
    let proxy = SocksProxy::parse(&proxy).map_err(failed)?;
    let stream = connect(budget, &proxy.host, proxy.port).await?;
    // The proxy resolves the name: what asks for a proxy may not reach a name server that knows it.
    let target = (host, port);
    let asking = async {
        match &proxy.login {
            None => Socks5Stream::connect_with_socket(stream, target).await,
            Some((user, password)) => {
                Socks5Stream::connect_with_password_and_socket(stream, target, user, password.reveal()).await
            }
        }
    };
    let limit = budget.limits.connect;
    match budget.wait(limit, "asking the proxy for a connection", asking).await? {
        Ok(stream) => Ok(stream.into_inner()),
        Err(error) => Err(failed(describe_socks(&error))),
    }
}

/// A SOCKS proxy.
struct SocksProxy {
    host: String,
    port: u16,
    login: Option<(String, Secret)>,
}

impl SocksProxy {
    /// Parses `socks5://[user:password@]host[:port]`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (_, rest) = text.split_once("://").unwrap_or(("", text));
        let rest = rest.trim_end_matches('/');
        let (login, server) = match rest.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, rest),
        };
        let (host, port) = host_and_port(server)?;
        let login = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => Some((percent_decoded(user)?, Secret::new(percent_decoded(password)?))),
            None => None,
        };
        Ok(Self { host, port: port.unwrap_or(1080), login })
    }
}

/// Why a SOCKS proxy does not connect, in words of driftwall.
fn describe_socks(error: &tokio_socks::Error) -> &'static str {
    use tokio_socks::Error;
    match error {
        Error::ConnectionNotAllowedByRuleset => "it does not allow connections to this server",
        Error::HostUnreachable | Error::NetworkUnreachable => "it does not reach this server",
        Error::ConnectionRefused => "the server refuses its connection",
        Error::TtlExpired => "the server does not answer it",
        Error::PasswordAuthFailure(_) | Error::NoAcceptableAuthMethods => {
            "it refuses the credentials, or asks for some"
        }
        Error::InvalidAuthValues(_) => "its user or password is empty or longer than 255 characters",
        _ => "it does not follow the SOCKS 5 protocol, or ended the connection",
    }
}

/// The SOCKS proxy for a host.
fn socks_proxy_for(host: &str, port: u16, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let proxy = variable(&environment, "ALL_PROXY", "all_proxy")?;
    let scheme = proxy.split_once("://")?.0.to_ascii_lowercase();
    let is_socks = ["socks5", "socks5h"].contains(&scheme.as_str());
    (is_socks && !is_excepted(host, port, &environment)).then_some(proxy)
}

/// The HTTP proxy for a host.
fn proxy_for(host: &str, port: u16, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let proxy = variable(&environment, "HTTPS_PROXY", "https_proxy")?;
    (!is_excepted(host, port, &environment)).then_some(proxy)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that most programs read in both cases; lower case first, as in curl.
fn variable(environment: impl Fn(&str) -> Option<String>, upper: &str, lower: &str) -> Option<String> {
    environment(lower).or_else(|| environment(upper))
}

/// Whether a server is to be reached without a proxy: `NO_PROXY` lists names, which stand for their
/// subdomains too, addresses and networks (`10.0.0.0/8`), each name or address with a port or without one.
fn is_excepted(host: &str, port: u16, environment: impl Fn(&str) -> Option<String>) -> bool {
    let exceptions = variable(environment, "NO_PROXY", "no_proxy").unwrap_or_default();
    exceptions.split(',').map(str::trim).any(|exception| {
        if exception == "*" {
            return true;
        }
        if let Some((network, bits)) = exception.split_once('/') {
            return is_in_network(host, network, bits).unwrap_or(false);
        }
        let domain = exception.trim_start_matches("*.").trim_start_matches('.');
        let (domain, only_port) = match host_and_port(domain) {
            Ok(parts) => parts,
            // An IPv6 address without brackets.
            Err(_) => (domain.to_ascii_lowercase(), None),
        };
        let is_subdomain = host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
        (host == domain || is_subdomain) && only_port.is_none_or(|only| only == port)
    })
}

/// Whether an address is in a network; `None` where one is none.
fn is_in_network(host: &str, network: &str, bits: &str) -> Option<bool> {
    let (host, network, size) = match (host.parse().ok()?, network.parse().ok()?) {
        (IpAddr::V4(host), IpAddr::V4(network)) => (host.to_bits().into(), network.to_bits().into(), 32),
        (IpAddr::V6(host), IpAddr::V6(network)) => (host.to_bits(), network.to_bits(), 128),
        _ => return None,
    };
    let beyond = u32::checked_sub(size, bits.parse().ok()?)?;
    // Nothing is left of an address where the network is all addresses.
    let prefix = |address: u128| address.checked_shr(beyond).unwrap_or(0);
    Some(prefix(host) == prefix(network))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::FetchLimits;
    use super::super::connect::BlockingRuntime;
    use super::*;

    #[test]
    fn the_environment_names_the_proxy_and_the_hosts_without_one() {
        for (no_proxy, host, is_used) in [
            ("", "git.example", true),
            ("git.example", "git.example", false),
            (".example", "git.example", false),
            ("*.example", "git.example", false),
            ("other, Example", "git.example", false),
            ("t.example", "git.example", true),
            ("git.example:443", "git.example", false),
            ("git.example:8443", "git.example", true),
            ("*", "git.example", false),
            ("10.1.2.3", "10.1.2.3", false),
            ("10.0.0.0/8,::/0", "10.1.2.3", false),
            ("10.0.0.0/16,0.0.0.0/33,10.1.2.3/x,::/0", "10.1.2.3", true),
            ("0.0.0.0/0", "10.1.2.3", false),
            ("0.0.0.0/0", "git.example", true),
            ("fd00::/8", "fd12::1", false),
            ("::/0", "fd12::1", false),
            ("fd12::1", "fd12::1", false),
            ("[fd12::1]:443", "fd12::1", false),
            ("fd12::2", "fd12::1", true),
        ] {
            let environment = |name: &str| match name {
                "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
                "no_proxy" => Some(no_proxy.to_owned()),
                _ => None,
            };
            assert_eq!(proxy_for(host, 443, environment).is_some(), is_used, "{no_proxy} {host}");
        }
        assert_eq!(proxy_for("git.example", 443, |_| None), None);
    }

    /// Connects through a proxy that answers so; returns what the proxy was asked, and what the connection received.
    fn through_proxy(answer: &'static str) -> (String, Result<String, FetchError>) {
        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = proxy.local_addr().unwrap().port();
        let asked = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, mut asked) = (proxy.accept().unwrap().0, Vec::new());
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        let Ok(Address::Remote(url)) = Address::parse("https://git.example/a", "/".as_ref()) else {
            panic!("an address")
        };
        let blocking = BlockingRuntime::new(FetchBudget::new(FetchLimits::default(), Arc::default())).unwrap();
        let environment = |name: &str| (name == "HTTPS_PROXY").then(|| format!("http://me:s3cret@127.0.0.1:{port}/"));
        let received = blocking.runtime().block_on(async {
            let mut stream = connect_http_with(&blocking.budget, &url, environment).await?;
            let mut received = String::new();
            stream.read_to_string(&mut received).await.unwrap();
            Ok(received)
        });
        (asked.join().unwrap(), received)
    }

    #[test]
    fn the_proxy_is_asked_for_a_tunnel_and_its_refusal_is_reported_without_its_password() {
        let (asked, received) = through_proxy("HTTP/1.1 200 fine\r\nVia: x\r\n\r\nhello");
        assert!(asked.starts_with("CONNECT git.example:443 HTTP/1.1\r\nHost: git.example:443\r\n"), "{asked}");
        assert!(asked.contains("Proxy-Authorization: Basic bWU6czNjcmV0\r\n"), "{asked}");
        assert_eq!(received.unwrap(), "hello", "what follows the head comes from the server");
        for (answer, words) in
            [("HTTP/1.1 407 who\r\n\r\n", "credentials"), ("HTTP/1.1 503 no\r\n\r\n", "503"), ("", "end of file")]
        {
            let error = through_proxy(answer).1.unwrap_err().to_string();
            assert!(error.contains("HTTPS_PROXY") && error.contains(words) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn only_a_socks_proxy_is_one_for_ssh() {
        for (all_proxy, no_proxy, is_used) in [
            ("socks5://proxy:1080", "", true),
            ("SOCKS5H://me:pw@proxy", "", true),
            ("socks5://proxy:1080", ".example", false),
            ("http://proxy:3128", "", false),
            ("proxy:1080", "", false),
        ] {
            let environment = |name: &str| match name {
                "ALL_PROXY" => Some(all_proxy.to_owned()),
                "NO_PROXY" => Some(no_proxy.to_owned()),
                _ => None,
            };
            assert_eq!(socks_proxy_for("git.example", 22, environment).is_some(), is_used, "{all_proxy} {no_proxy}");
        }
        assert!(socks_proxy_for("git.example", 22, |_| None).is_none());
        let https_alone = |name: &str| (name == "HTTPS_PROXY").then(|| "socks5://proxy:1080".to_owned());
        assert!(socks_proxy_for("git.example", 22, https_alone).is_none());
        let proxy = SocksProxy::parse("socks5://me:p%40ss@[::1]").unwrap();
        let (user, password) = proxy.login.unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 1080));
        assert_eq!((user.as_str(), password.reveal()), ("me", "p@ss"));
        for invalid in ["socks5://", "socks5://a b", "socks5://proxy:0", "socks5://%zz@proxy"] {
            assert!(SocksProxy::parse(invalid).is_err(), "{invalid}");
        }
    }

    /// Connects to git.example:22 through a SOCKS proxy that reads so many bytes and writes so, in turn.
    fn through_socks(exchange: Vec<(usize, &'static [u8])>, login: &str) -> (Vec<u8>, Result<String, FetchError>) {
        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = proxy.local_addr().unwrap().port();
        let asked = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, mut asked) = (proxy.accept().unwrap().0, Vec::new());
            for (size, answer) in exchange {
                let mut bytes = vec![0; size];
                stream.read_exact(&mut bytes).unwrap();
                asked.extend(bytes);
                stream.write_all(answer).unwrap();
            }
            asked
        });
        let blocking = BlockingRuntime::new(FetchBudget::new(FetchLimits::default(), Arc::default())).unwrap();
        let environment = |name: &str| (name == "all_proxy").then(|| format!("socks5://{login}127.0.0.1:{port}"));
        let received = blocking.runtime().block_on(async {
            let mut stream = connect_ssh_with(&blocking.budget, "git.example", 22, environment).await?;
            let mut received = String::new();
            stream.read_to_string(&mut received).await.unwrap();
            Ok(received)
        });
        (asked.join().unwrap(), received)
    }

    #[test]
    fn a_socks_proxy_is_asked_for_the_host_by_its_name() {
        // RFC 1928: methods, then CONNECT to a name of 11 bytes. RFC 1929: user and password.
        const METHODS: usize = 3;
        const METHODS_WITH_LOGIN: usize = 4;
        const LOGIN: usize = 3 + "me".len() + "s3cret".len();
        const REQUEST: usize = 4 + 1 + "git.example".len() + 2;
        const GRANTED: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x16SSH-2.0";
        let (asked, received) = through_socks(vec![(METHODS, b"\x05\x00"), (REQUEST, GRANTED)], "");
        assert_eq!(asked, b"\x05\x01\x00\x05\x01\x00\x03\x0bgit.example\x00\x16");
        assert_eq!(received.unwrap(), "SSH-2.0", "what follows comes from the server");

        let exchange = vec![(METHODS_WITH_LOGIN, &b"\x05\x02"[..]), (LOGIN, b"\x01\x00"), (REQUEST, GRANTED)];
        let (asked, received) = through_socks(exchange, "me:s3cret@");
        assert_eq!(&asked[METHODS_WITH_LOGIN..][..LOGIN], b"\x01\x02me\x06s3cret");
        assert_eq!(received.unwrap(), "SSH-2.0");

        let open = (METHODS_WITH_LOGIN, &b"\x05\x00"[..]);
        for (exchange, words) in [
            (vec![(METHODS_WITH_LOGIN, &b"\x05\x02"[..]), (LOGIN, b"\x01\x01")], "credentials"),
            (vec![(METHODS_WITH_LOGIN, &b"\x05\xff"[..])], "credentials"),
            (vec![open, (REQUEST, b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")], "does not allow"),
            (vec![open, (REQUEST, b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")], "does not reach"),
            (vec![(METHODS_WITH_LOGIN, &b"HTTP/1.1 400"[..])], "SOCKS 5"),
            (vec![(METHODS_WITH_LOGIN, &b""[..])], "SOCKS 5"),
        ] {
            let error = through_socks(exchange, "me:s3cret@").1.unwrap_err().to_string();
            assert!(error.contains("the proxy of ALL_PROXY") && error.contains(words), "{error}");
            assert!(!error.contains("s3cret") && !error.contains("127.0.0.1"), "{error}");
        }
    }
}
