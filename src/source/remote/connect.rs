//! Connections to servers: names, time-outs, and the proxy of the environment.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::budget::FetchBudget;
use super::credentials::Secret;
use super::error::FetchError;
use super::url::{Address, RemoteUrl, Scheme};

/// What a look does its waiting on. libgit2 blocks, so the look has a thread of its own.
pub(super) struct Waiter {
    runtime: Option<Runtime>,
    pub(super) bounds: Arc<FetchBudget>,
}

impl Waiter {
    pub(super) fn new(bounds: Arc<FetchBudget>) -> Result<Self, FetchError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let failed =
            |reason| FetchError::Mirror { action: "start a connection for", file: "the mirror".into(), reason };
        Ok(Self { runtime: Some(runtime.map_err(failed)?), bounds })
    }

    pub(super) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is taken out only when the waiter is dropped")
    }

    /// Connects to the server itself.
    pub(super) fn dial(&self, host: &str, port: u16) -> Result<TcpStream, FetchError> {
        self.runtime().block_on(dial(&self.bounds, host, port))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // The system's look-up of a name cannot be called off; nobody waits for it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Connects to one of the host's addresses.
pub(super) async fn dial(bounds: &FetchBudget, host: &str, port: u16) -> Result<TcpStream, FetchError> {
    let limit = bounds.limits.connect;
    let not_found = |reason: String| FetchError::HostNotFound { host: host.to_owned(), reason };
    let addresses = bounds.wait(limit, "looking up the host", tokio::net::lookup_host((host, port))).await?;
    let addresses: Vec<_> = addresses.map_err(|error| not_found(error.to_string()))?.collect();
    let mut last = not_found("it has no address".to_owned());
    for address in addresses {
        let connected = bounds.wait(limit, "connecting", TcpStream::connect(address)).await;
        match connected {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = FetchError::Connect { host: address.to_string(), reason: error.to_string() },
            Err(FetchError::Cancelled) => return Err(FetchError::Cancelled),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

/// Connects to a web server, by the way of a proxy where the environment names one.
pub(super) async fn dial_web(bounds: &FetchBudget, url: &RemoteUrl) -> Result<TcpStream, FetchError> {
    dial_by(bounds, url, |name| std::env::var(name).ok().filter(|value| !value.is_empty())).await
}

async fn dial_by(
    bounds: &FetchBudget,
    url: &RemoteUrl,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<TcpStream, FetchError> {
    let is_tls = url.scheme() == Scheme::Https;
    // Plain HTTP is for the cluster's own servers, where no proxy stands in between.
    let proxy = if is_tls { proxy_for(url.host(), environment) } else { None };
    let Some(proxy) = proxy else {
        return dial(bounds, url.host(), url.port()).await;
    };
    let bad =
        |reason: &str| FetchError::Connect { host: "the proxy of HTTPS_PROXY".to_owned(), reason: reason.to_owned() };
    let with_path = format!("{}/proxy", proxy.trim_end_matches('/'));
    let with_scheme = if proxy.contains("://") { with_path } else { format!("http://{with_path}") };
    let Ok(Address::Remote(proxy)) = Address::parse(&with_scheme, "/".as_ref()) else {
        return Err(bad("it is no address such as http://proxy:3128"));
    };
    if proxy.scheme() != Scheme::Http {
        return Err(bad("only proxies of http:// are known"));
    }
    let mut stream = dial(bounds, proxy.host(), proxy.port()).await?;
    let limit = bounds.limits.connect;
    bounds
        .wait(limit, "asking the proxy", tunnel(&mut stream, url, &proxy))
        .await?
        .map_err(|error| bad(&error.to_string()))?;
    Ok(stream)
}

async fn tunnel(stream: &mut TcpStream, url: &RemoteUrl, proxy: &RemoteUrl) -> io::Result<()> {
    let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
    let target = format!("{host}:{}", url.port());
    let login = proxy.user().map_or(String::new(), |user| {
        let both = format!("{user}:{}", proxy.password().map_or("", Secret::reveal));
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(both))
    });
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n").as_bytes()).await?;
    // Byte by byte: what follows the empty line belongs to the server behind.
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
        b"407" => Err(io::Error::other("it wants other credentials")),
        _ => Err(io::Error::other(format!("it answered {}", String::from_utf8_lossy(status)))),
    }
}

/// The proxy for a host, after the variables that most programs read.
fn proxy_for(host: &str, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |upper: &str, lower: &str| environment(lower).or_else(|| environment(upper));
    let proxy = either("HTTPS_PROXY", "https_proxy")?;
    let without = either("NO_PROXY", "no_proxy").unwrap_or_default();
    let is_without = without.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        entry == "*" || host == entry || host.strip_suffix(&entry).is_some_and(|rest| rest.ends_with('.'))
    });
    (!is_without).then_some(proxy)
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    #[test]
    fn the_environment_names_the_proxy_and_who_does_without() {
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

    /// Dials by a proxy with this answer; what the proxy was asked, and what came of it.
    fn by_proxy(answer: &'static str) -> (String, Result<String, FetchError>) {
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
        let waiter = Waiter::new(FetchBudget::new(Limits::default(), Arc::default())).unwrap();
        let environment = |name: &str| (name == "HTTPS_PROXY").then(|| format!("http://me:s3cret@127.0.0.1:{port}/"));
        let came = waiter.runtime().block_on(async {
            let mut stream = dial_by(&waiter.bounds, &url, environment).await?;
            let mut came = String::new();
            stream.read_to_string(&mut came).await.unwrap();
            Ok(came)
        });
        (asked.join().unwrap(), came)
    }

    #[test]
    fn a_proxy_is_asked_for_a_tunnel() {
        let (asked, came) = by_proxy("HTTP/1.1 200 fine\r\nVia: x\r\n\r\nhello");
        assert!(asked.starts_with("CONNECT git.example:443 HTTP/1.1\r\nHost: git.example:443\r\n"), "{asked}");
        assert!(asked.contains("Proxy-Authorization: Basic bWU6czNjcmV0\r\n"), "{asked}");
        assert_eq!(came.unwrap(), "hello", "what follows the head is the server's");
        for (answer, words) in
            [("HTTP/1.1 407 who\r\n\r\n", "credentials"), ("HTTP/1.1 503 no\r\n\r\n", "503"), ("", "end of file")]
        {
            let fault = by_proxy(answer).1.unwrap_err().to_string();
            assert!(fault.contains("HTTPS_PROXY") && fault.contains(words) && !fault.contains("s3cret"), "{fault}");
        }
    }
}
