//! Does what a Service does: new connections go to replicas that are ready.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often replicas are probed. A kubelet does it less often.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);
/// How often a connection looks whether the way is another one now.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Where connections lead.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Way {
    /// To the replicas.
    #[default]
    Replicas,
    /// Nowhere: nothing arrives, as behind a firewall that drops packets.
    Firewall,
    /// Nowhere: every connection is closed, as without an endpoint.
    Closed,
    /// To another server.
    Other(String),
}

struct Backend {
    webhook: String,
    admin: String,
    is_ready: bool,
}

#[derive(Default)]
struct State {
    backends: Mutex<Vec<Backend>>,
    way: Mutex<Way>,
    turn: AtomicUsize,
}

pub(crate) struct LoadBalancer {
    pub(crate) port: u16,
    state: Arc<State>,
}

impl LoadBalancer {
    /// Listens for as long as the tests run.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let (accepting, probing) = (state.clone(), state.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Without a replica the connection ends, as it does behind a Service.
                if let Some(server) = accepting.choose().and_then(|address| TcpStream::connect(address).ok()) {
                    proxy(&client, &server, &accepting);
                }
            }
        });
        std::thread::spawn(move || {
            loop {
                probing.probe();
                std::thread::sleep(PROBE_INTERVAL);
            }
        });
        Self { port, state }
    }

    /// Adds a replica, which gets connections once it is ready.
    pub(crate) fn add(&self, webhook: &str, admin: &str) {
        let (webhook, admin) = (webhook.to_owned(), admin.to_owned());
        self.state.backends.lock().unwrap().push(Backend { webhook, admin, is_ready: false });
    }

    pub(crate) fn remove(&self, admin: &str) {
        self.state.backends.lock().unwrap().retain(|backend| backend.admin != admin);
    }

    /// Where connections lead from now on, those too that there are: behind a firewall they stay open, else they end.
    pub(crate) fn set_way(&self, way: Way) {
        *self.state.way.lock().unwrap() = way;
    }

    /// How many replicas get new connections.
    pub(crate) fn ready(&self) -> usize {
        self.state.backends.lock().unwrap().iter().filter(|backend| backend.is_ready).count()
    }
}

impl State {
    fn way(&self) -> Way {
        self.way.lock().unwrap().clone()
    }

    fn choose(&self) -> Option<String> {
        match self.way() {
            Way::Replicas | Way::Firewall => {}
            Way::Closed => return None,
            Way::Other(address) => return Some(address),
        }
        let backends = self.backends.lock().unwrap();
        let ready: Vec<_> = backends.iter().filter(|backend| backend.is_ready).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Some(ready.get(turn.checked_rem(ready.len())?)?.webhook.clone())
    }

    fn probe(&self) {
        let admins: Vec<_> = self.backends.lock().unwrap().iter().map(|backend| backend.admin.clone()).collect();
        for admin in admins {
            let is_ready = http_get(&admin, "/readyz").starts_with("HTTP/1.1 200");
            let mut backends = self.backends.lock().unwrap();
            backends.iter_mut().filter(|one| one.admin == admin).for_each(|one| one.is_ready = is_ready);
        }
    }
}

/// A page of the admin port, with its status line; empty where nobody answers.
pub(crate) fn http_get(admin: &str, path: &str) -> String {
    let get = || {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok::<_, std::io::Error>(page)
    };
    get().unwrap_or_default()
}

fn proxy(client: &TcpStream, server: &TcpStream, state: &Arc<State>) {
    // What a firewall keeps back arrives when it is gone, and ends as any other connection when the replicas are.
    let way = match state.way() {
        Way::Firewall => Way::Replicas,
        way => way,
    };
    for (from, to) in [(client, server), (server, client)] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (state, way) = (Arc::clone(state), way.clone());
        std::thread::spawn(move || {
            let ended = pass_on(&from, &to, &state, &way);
            // A broken connection is broken for both sides.
            let how = if ended.is_ok() { Shutdown::Write } else { Shutdown::Both };
            let _ = to.shutdown(how);
            let _ = from.shutdown(if ended.is_ok() { Shutdown::Read } else { Shutdown::Both });
        });
    }
}

/// Passes on what comes until one side ends, or the way is another one than that by which the connection was made.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream, state: &State, way: &Way) -> std::io::Result<()> {
    from.set_read_timeout(Some(LOOK_INTERVAL))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer);
        loop {
            match state.way() {
                Way::Firewall => std::thread::sleep(LOOK_INTERVAL),
                now if now == *way => break,
                _ => return Err(ErrorKind::ConnectionAborted.into()),
            }
        }
        match read {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}
