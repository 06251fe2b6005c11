//! What a Service does: new connections go to replicas that said they are ready.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often replicas are asked. A node's agent takes longer.
const LOOK: Duration = Duration::from_millis(200);

struct Backend {
    webhook: String,
    admin: String,
    is_ready: bool,
}

#[derive(Default)]
struct State {
    backends: Mutex<Vec<Backend>>,
    turn: AtomicUsize,
}

pub(crate) struct Balancer {
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Balancer {
    /// Listens for as long as the tests run.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let (accepting, looking) = (state.clone(), state.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client whose replica is gone sees its connection end, as behind a Service.
                if let Some(replica) = accepting.choose().and_then(|address| TcpStream::connect(address).ok()) {
                    join(&client, &replica);
                }
            }
        });
        std::thread::spawn(move || {
            loop {
                looking.look();
                std::thread::sleep(LOOK);
            }
        });
        Self { port, state }
    }

    /// A further replica, which gets connections once it is ready.
    pub(crate) fn add(&self, webhook: &str, admin: &str) {
        let (webhook, admin) = (webhook.to_owned(), admin.to_owned());
        self.state.backends.lock().unwrap().push(Backend { webhook, admin, is_ready: false });
    }

    pub(crate) fn remove(&self, admin: &str) {
        self.state.backends.lock().unwrap().retain(|backend| backend.admin != admin);
    }

    /// How many replicas get new connections.
    pub(crate) fn ready(&self) -> usize {
        self.state.backends.lock().unwrap().iter().filter(|backend| backend.is_ready).count()
    }
}

impl State {
    fn choose(&self) -> Option<String> {
        let backends = self.backends.lock().unwrap();
        let ready: Vec<_> = backends.iter().filter(|backend| backend.is_ready).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Some(ready.get(turn.checked_rem(ready.len())?)?.webhook.clone())
    }

    fn look(&self) {
        let admins: Vec<_> = self.backends.lock().unwrap().iter().map(|backend| backend.admin.clone()).collect();
        for admin in admins {
            let is_ready = page(&admin, "/readyz").starts_with("HTTP/1.1 200");
            let mut backends = self.backends.lock().unwrap();
            backends.iter_mut().filter(|one| one.admin == admin).for_each(|one| one.is_ready = is_ready);
        }
    }
}

/// A page of the port for probes and metrics; nothing where nobody answers.
pub(crate) fn page(admin: &str, path: &str) -> String {
    let ask = || {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok::<_, std::io::Error>(page)
    };
    ask().unwrap_or_default()
}

fn join(client: &TcpStream, replica: &TcpStream) {
    for (from, to) in [(client, replica), (replica, client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            let ended = std::io::copy(&mut from, &mut to);
            // A connection that breaks, breaks on both sides.
            let how = if ended.is_ok() { Shutdown::Write } else { Shutdown::Both };
            let _ = to.shutdown(how);
            let _ = from.shutdown(if ended.is_ok() { Shutdown::Read } else { Shutdown::Both });
        });
    }
}
