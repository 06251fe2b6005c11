//! The proxy that the environment names.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::budget::FetchBudget;
use super::connect::connect;
use super::error::FetchError;
use super::secret::Secret;
use super::url::{Address, RemoteUrl, Scheme};

/// Connects to an HTTP server, through a proxy where the environment names one.
pub(super) async fn connect_http(budget: &FetchBudget, url: &RemoteUrl) -> Result<TcpStream, FetchError> {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    connect_http_with(budget, url, environment).await
}

async fn connect_http_with(
    budget: &FetchBudget,
    url: &RemoteUrl,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<TcpStream, FetchError> {
    // Plain HTTP is for servers inside the cluster, which need no proxy.
    let proxy = if url.scheme() == Scheme::Https { proxy_for(url.host(), environment) } else { None };
    let Some(proxy) = proxy else {
        return connect(budget, url.host(), url.port()).await;
    };
    let proxy = parse_proxy(&proxy).map_err(proxy_error)?;
    let mut stream = connect(budget, proxy.host(), proxy.port()).await?;
    let limit = budget.limits.connect;
    match budget.wait(limit, "asking the proxy for a tunnel", open_tunnel(&mut stream, url, &proxy)).await? {
        Ok(()) => Ok(stream),
        Err(error) => Err(proxy_error(&error.to_string())),
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

fn proxy_error(reason: &str) -> FetchError {
    FetchError::Connect { host: "the proxy of HTTPS_PROXY".to_owned(), reason: reason.to_owned() }
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

/// The proxy for a host, by the variables that most programs read; lower case first, as in curl.
fn proxy_for(host: &str, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let variable = |upper: &str, lower: &str| environment(lower).or_else(|| environment(upper));
    let proxy = variable("HTTPS_PROXY", "https_proxy")?;
    let exceptions = variable("NO_PROXY", "no_proxy").unwrap_or_default();
    for exception in exceptions.split(',').map(str::trim).filter(|exception| !exception.is_empty()) {
        let domain = exception.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let is_subdomain = host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
        if domain == "*" || host == domain || is_subdomain {
            return None;
        }
    }
    Some(proxy)
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
            ("other, example", "git.example", false),
            ("t.example", "git.example", true),
            ("*", "git.example", false),
        ] {
            let environment = |name: &str| match name {
                "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
                "no_proxy" => Some(no_proxy.to_owned()),
                _ => None,
            };
            assert_eq!(proxy_for(host, environment).is_some(), is_used, "{no_proxy}");
        }
        assert_eq!(proxy_for("git.example", |_| None), None);
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
}
