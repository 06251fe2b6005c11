//! Git over SSH, for libgit2: libssh2 with this source's own key and known hosts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use ssh2::{Channel, ErrorCode, MethodType, Session};

use super::budget::{FetchBudget, Step, TICK};
use super::connect::Waiter;
use super::credentials::{Secret, SshKey};
use super::error::{FetchError, words};
use super::known_hosts::KnownHost;
use super::transport::{Call, stopped};

/// A repository on an SSH server.
pub(super) struct Ssh(Arc<Call>);

/// The other side's `git-upload-pack`.
struct Remote {
    bounds: Arc<FetchBudget>,
    session: Session,
    channel: Channel,
    /// The session's own socket, to end it with.
    socket: TcpStream,
    has_spoken: bool,
}

impl Ssh {
    pub(super) fn new(call: Arc<Call>) -> Self {
        Self(call)
    }

    fn connect(&self) -> Result<Remote, FetchError> {
        let Call { url, credentials, bounds } = &*self.0;
        // Read before connecting: a server's time to log in is short.
        let key = credentials.ssh()?;
        let hosts = credentials.hosts()?;
        let known = KnownHost::read(hosts.as_ref().map_or("", Secret::reveal), url.host(), url.port());
        let (session, socket) = match self.shake_hands(known.algorithms()) {
            // The server may have no key of the known kinds any more; the one that it has is worth knowing.
            Err(Stopped::Ssh(error)) if is_about_kinds(&error) && known.algorithms().is_some() => {
                self.shake_hands(None)
            }
            other => other,
        }
        .map_err(|error| error.or(|error| self.broken(error.message())))?;
        let (host_key, _) = session.host_key().ok_or_else(|| self.broken("the server showed no host key"))?;
        known.check(host_key)?;

        self.log_in(&session, &key)?;
        let failed = |error: Stopped| error.or(|error| self.broken(error.message()));
        let mut channel =
            self.step(bounds.limits.idle, "opening a channel", || session.channel_session()).map_err(failed)?;
        let command = format!("git-upload-pack {}", quoted(url.path()));
        self.step(bounds.limits.idle, "starting git-upload-pack", || channel.exec(&command)).map_err(failed)?;
        Ok(Remote { bounds: bounds.clone(), session, channel, socket, has_spoken: false })
    }

    /// Opens a session in which the server shows a host key of one of these kinds.
    fn shake_hands(&self, algorithms: Option<String>) -> Result<(Session, TcpStream), Stopped> {
        let Call { url, bounds, .. } = &*self.0;
        let waiter = Waiter::new(bounds.clone())?;
        let stream = waiter.dial(url.host(), url.port())?;
        let broken = |error: io::Error| self.broken(&error.to_string());
        let stream = stream.into_std().map_err(broken)?;
        stream.set_nonblocking(false).map_err(broken)?;
        let socket = stream.try_clone().map_err(broken)?;

        let mut session = Session::new().map_err(Stopped::Ssh)?;
        session.set_tcp_stream(stream);
        // libssh2 gives up after this and can be asked again, which leaves room to look at the bounds.
        session.set_timeout(u32::try_from(TICK.as_millis()).unwrap_or(100));
        if let Some(algorithms) = algorithms {
            session.method_pref(MethodType::HostKey, &algorithms).map_err(Stopped::Ssh)?;
        }
        self.step(bounds.limits.connect, "SSH handshake", || session.handshake())?;
        Ok((session, socket))
    }

    fn log_in(&self, session: &Session, key: &SshKey) -> Result<(), FetchError> {
        let Call { url, credentials, bounds } = &*self.0;
        let user = url.user().unwrap_or(USER);
        let passphrase = key.passphrase.as_ref().map(Secret::reveal);
        let logged_in = self.step(bounds.limits.connect, "logging in", || {
            session.userauth_pubkey_memory(user, None, key.key.reveal(), passphrase)
        });
        logged_in.map_err(|error| {
            error.or(|error| match error.code() {
                ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED) => {
                    FetchError::Credentials { files: format!("{} for the user {user}", credentials.login_files()) }
                }
                ErrorCode::Session(SOCKET_SEND | SOCKET_DISCONNECT | SOCKET_RECV) => self.broken(error.message()),
                _ => FetchError::SshKey { file: key.file.clone(), reason: words(error.message()) },
            })
        })
    }

    fn step<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        mut step: impl FnMut() -> Result<T, ssh2::Error>,
    ) -> Result<T, Stopped> {
        let repeated = self.0.bounds.repeat(limit, doing, || match step() {
            Ok(done) => Step::Done(Ok(done)),
            Err(error) if matches!(error.code(), ErrorCode::Session(TIMEOUT | EAGAIN)) => Step::Again,
            Err(error) => Step::Done(Err(error)),
        });
        repeated.map_err(Stopped::FetchBudget)?.map_err(Stopped::Ssh)
    }

    fn broken(&self, reason: &str) -> FetchError {
        let url = &self.0.url;
        FetchError::Connect { host: format!("{}:{}", url.host(), url.port()), reason: words(reason) }
    }
}

/// Why a step ended.
enum Stopped {
    FetchBudget(FetchError),
    Ssh(ssh2::Error),
}

impl From<FetchError> for Stopped {
    fn from(fault: FetchError) -> Self {
        Self::FetchBudget(fault)
    }
}

impl Stopped {
    fn or(self, ssh: impl FnOnce(ssh2::Error) -> FetchError) -> FetchError {
        match self {
            Self::FetchBudget(fault) => fault,
            Self::Ssh(error) => ssh(error),
        }
    }
}

impl SmartSubtransport for Ssh {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match service {
            // The one stream serves the list and the pack.
            Service::UploadPackLs | Service::UploadPack => {
                Ok(Box::new(self.connect().map_err(|fault| stopped(&self.0.bounds, fault))?))
            }
            Service::ReceivePackLs | Service::ReceivePack => Err(git2::Error::from_str("a mirror pushes nothing")),
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Remote {
    fn transfer<T>(&mut self, mut step: impl FnMut(&mut Channel) -> io::Result<T>) -> Result<T, FetchError> {
        let (bounds, channel) = (self.bounds.clone(), &mut self.channel);
        bounds.repeat(bounds.limits.idle, "waiting for data", || match step(channel) {
            Ok(done) => Step::Done(done),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Step::Again,
            Err(error) => Step::Failed(FetchError::Server { reason: format!("with a broken connection: {error}") }),
        })
    }

    /// What the server says on the side where there is nothing to read: `Repository not found.`
    fn complaint(&mut self) -> FetchError {
        let mut said = [0; 1024];
        let mut stderr = self.channel.stderr();
        let size = stderr.read(&mut said).unwrap_or(0);
        let said = words(&String::from_utf8_lossy(&said[..size]));
        let reason = if said.is_empty() { "nothing and hung up".to_owned() } else { format!("`{said}`") };
        FetchError::Server { reason }
    }
}

impl Read for Remote {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self.transfer(|channel| channel.read(into)).map_err(|fault| self.bounds.stop(fault))?;
        if size == 0 && !self.has_spoken {
            let complaint = self.complaint();
            return Err(self.bounds.stop(complaint));
        }
        self.has_spoken = true;
        self.bounds.receive(size).map_err(|fault| self.bounds.stop(fault))?;
        Ok(size)
    }
}

impl Write for Remote {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.transfer(|channel| channel.write(from)).map_err(|fault| self.bounds.stop(fault))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Neither is needed, and the server may be gone. With the socket shut,
        // libssh2 frees the session at once instead of waiting for an answer.
        let _ = self.session.disconnect(None, "done", None);
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Whether two sides found no algorithm that both know.
fn is_about_kinds(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(KEX_FAILURE | KEY_EXCHANGE_FAILURE))
}

/// A word for the server's shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// The user of Git servers, where the address names none.
const USER: &str = "git";

// libssh2's numbers, which `ssh2` leaves without names.
const TIMEOUT: i32 = -9;
const KEX_FAILURE: i32 = -5;
const SOCKET_SEND: i32 = -7;
const KEY_EXCHANGE_FAILURE: i32 = -8;
const SOCKET_DISCONNECT: i32 = -13;
const AUTHENTICATION_FAILED: i32 = -18;
const PUBLICKEY_UNVERIFIED: i32 = -19;
const EAGAIN: i32 = -37;
const SOCKET_RECV: i32 = -43;

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_one_word_to_a_shell() {
        for (path, word) in [("/srv/a.git", "'/srv/a.git'"), ("a b; rm", "'a b; rm'"), ("a'b", r"'a'\''b'")] {
            assert_eq!(quoted(path), word);
        }
    }
}
