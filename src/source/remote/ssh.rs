//! Git over SSH, for libgit2: libssh2 with this source's own key and known hosts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use ssh2::{Channel, ErrorCode, MethodType, Session};

use super::budget::{CHECK_INTERVAL, FetchBudget};
use super::connect::BlockingRuntime;
use super::context::FetchContext;
use super::credentials::SshKey;
use super::error::{FetchError, one_line};
use super::known_hosts::KnownHost;
use super::secret::Secret;

/// A repository on an SSH server.
pub(super) struct SshTransport(Arc<FetchContext>);

/// A `git-upload-pack` that runs on the server.
struct SshStream {
    budget: Arc<FetchBudget>,
    session: Session,
    channel: Channel,
    /// The session's own socket, to end the session with.
    socket: TcpStream,
    has_received: bool,
}

/// Why a step of the SSH session failed.
enum SessionError {
    Fetch(FetchError),
    Ssh(ssh2::Error),
}

impl From<FetchError> for SessionError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl SshTransport {
    pub(super) fn new(context: Arc<FetchContext>) -> Self {
        Self(context)
    }

    fn connect(&self) -> Result<SshStream, FetchError> {
        let FetchContext { url, credentials, budget } = &*self.0;
        // Read before connecting: a server leaves little time to log in.
        let key = credentials.ssh_key()?;
        let known_hosts = credentials.known_hosts()?;
        let known = KnownHost::read(known_hosts.as_ref().map_or("", Secret::reveal), url.host(), url.port());
        let (session, socket) = self.connect_session(&known)?;
        let (host_key, _) = session.host_key().ok_or_else(|| self.connection_error("the server showed no host key"))?;
        known.check(host_key)?;

        self.log_in(&session, &key)?;
        let limit = budget.limits.idle;
        let mut channel = self
            .wait(limit, "opening an SSH channel", || session.channel_session())
            .map_err(|error| self.session_error(error))?;
        let command = format!("git-upload-pack {}", shell_quoted(url.path()));
        self.wait(limit, "starting git-upload-pack", || channel.exec(&command))
            .map_err(|error| self.session_error(error))?;
        Ok(SshStream { budget: budget.clone(), session, channel, socket, has_received: false })
    }

    /// Opens a session in which the server shows a host key, of a known type if it has one.
    fn connect_session(&self, known: &KnownHost) -> Result<(Session, TcpStream), FetchError> {
        let algorithms = known.algorithms();
        let is_limited = algorithms.is_some();
        let mut connected = self.handshake(algorithms);
        if let Err(SessionError::Ssh(error)) = &connected
            && is_limited
            && is_key_exchange_failure(error)
        {
            // The server may have no key of the known types any more: then its other key goes into the error.
            connected = self.handshake(None);
        }
        connected.map_err(|error| self.session_error(error))
    }

    fn handshake(&self, algorithms: Option<String>) -> Result<(Session, TcpStream), SessionError> {
        let FetchContext { url, budget, .. } = &*self.0;
        let blocking = BlockingRuntime::new(budget.clone())?;
        let stream = blocking.connect(url.host(), url.port())?;
        let failed = |error: io::Error| self.connection_error(&error.to_string());
        let stream = stream.into_std().map_err(failed)?;
        stream.set_nonblocking(false).map_err(failed)?;
        let socket = stream.try_clone().map_err(failed)?;

        let mut session = Session::new().map_err(SessionError::Ssh)?;
        session.set_tcp_stream(stream);
        // libssh2 returns after this time and can be called again, so that the budget is checked in between.
        session.set_timeout(u32::try_from(CHECK_INTERVAL.as_millis()).unwrap_or(100));
        if let Some(algorithms) = algorithms {
            session.method_pref(MethodType::HostKey, &algorithms).map_err(SessionError::Ssh)?;
        }
        self.wait(budget.limits.connect, "making an SSH connection", || session.handshake())?;
        Ok((session, socket))
    }

    fn log_in(&self, session: &Session, key: &SshKey) -> Result<(), FetchError> {
        let FetchContext { url, credentials, budget } = &*self.0;
        let user = url.user().unwrap_or(DEFAULT_USER);
        let passphrase = key.passphrase.as_ref().map(Secret::reveal);
        let logged_in = self.wait(budget.limits.connect, "logging in", || {
            session.userauth_pubkey_memory(user, None, key.private_key.reveal(), passphrase)
        });
        let error = match logged_in {
            Ok(()) => return Ok(()),
            Err(SessionError::Fetch(error)) => return Err(error),
            Err(SessionError::Ssh(error)) => error,
        };
        Err(match error.code() {
            ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED) => {
                FetchError::Credentials { files: format!("{} for the user {user}", credentials.login_files()) }
            }
            ErrorCode::Session(SOCKET_SEND | SOCKET_DISCONNECT | SOCKET_RECV) => self.connection_error(error.message()),
            _ => FetchError::SshKey { file: key.file.clone(), reason: one_line(error.message()) },
        })
    }

    /// Repeats a step of libssh2 while it times out, at most for `limit`.
    fn wait<T>(
        &self,
        limit: Duration,
        activity: &'static str,
        mut step: impl FnMut() -> Result<T, ssh2::Error>,
    ) -> Result<T, SessionError> {
        let waited = self.0.budget.wait_blocking(limit, activity, || match step() {
            Ok(done) => Poll::Ready(Ok(Ok(done))),
            Err(error) if matches!(error.code(), ErrorCode::Session(TIMEOUT | EAGAIN)) => Poll::Pending,
            Err(error) => Poll::Ready(Ok(Err(error))),
        });
        waited?.map_err(SessionError::Ssh)
    }

    fn session_error(&self, error: SessionError) -> FetchError {
        match error {
            SessionError::Fetch(error) => error,
            SessionError::Ssh(error) => self.connection_error(error.message()),
        }
    }

    fn connection_error(&self, reason: &str) -> FetchError {
        let url = &self.0.url;
        FetchError::Connect { host: format!("{}:{}", url.host(), url.port()), reason: one_line(reason) }
    }
}

impl SmartSubtransport for SshTransport {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match service {
            // One stream serves both the list of references and the pack.
            Service::UploadPackLs | Service::UploadPack => match self.connect() {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(self.0.fail(error)),
            },
            Service::ReceivePackLs | Service::ReceivePack => Err(git2::Error::from_str("a mirror never pushes")),
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl SshStream {
    /// Repeats a read or write while it times out.
    fn wait<T>(&mut self, mut step: impl FnMut(&mut Channel) -> io::Result<T>) -> Result<T, FetchError> {
        let (limit, channel) = (self.budget.limits.idle, &mut self.channel);
        self.budget.wait_blocking(limit, "waiting for data", || match step(channel) {
            Ok(done) => Poll::Ready(Ok(done)),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Poll::Pending,
            Err(error) => Poll::Ready(Err(FetchError::Server { reason: format!("the connection broke: {error}") })),
        })
    }

    /// What the server says where it sends no data: `Repository not found.`
    fn stderr_error(&mut self) -> FetchError {
        let mut buffer = [0; 1024];
        let mut stderr = self.channel.stderr();
        let size = stderr.read(&mut buffer).unwrap_or(0);
        let text = one_line(&String::from_utf8_lossy(&buffer[..size]));
        let reason =
            if text.is_empty() { "it ended the connection without data".to_owned() } else { format!("`{text}`") };
        FetchError::Server { reason }
    }
}

impl Read for SshStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self.wait(|channel| channel.read(into)).map_err(|error| self.budget.record_error(error))?;
        if size == 0 && !self.has_received {
            let error = self.stderr_error();
            return Err(self.budget.record_error(error));
        }
        self.has_received = true;
        self.budget.count_received(size).map_err(|error| self.budget.record_error(error))?;
        Ok(size)
    }
}

impl Write for SshStream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.wait(|channel| channel.write(from)).map_err(|error| self.budget.record_error(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SshStream {
    fn drop(&mut self) {
        // Neither result matters: the server may be gone. With the socket shut down,
        // libssh2 frees the session at once instead of waiting for an answer.
        let _ = self.session.disconnect(None, "done", None);
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Whether the two sides have no algorithm in common.
fn is_key_exchange_failure(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(KEX_FAILURE | KEY_EXCHANGE_FAILURE))
}

/// One argument for the server's shell.
fn shell_quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// The user of Git servers, where the address names none.
const DEFAULT_USER: &str = "git";

// libssh2's error numbers, for which `ssh2` has no names.
const KEX_FAILURE: i32 = -5;
const SOCKET_SEND: i32 = -7;
const KEY_EXCHANGE_FAILURE: i32 = -8;
const TIMEOUT: i32 = -9;
const SOCKET_DISCONNECT: i32 = -13;
const AUTHENTICATION_FAILED: i32 = -18;
const PUBLICKEY_UNVERIFIED: i32 = -19;
const EAGAIN: i32 = -37;
const SOCKET_RECV: i32 = -43;

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn a_path_is_a_single_argument_to_the_shell() {
        for (path, quoted) in [("/srv/a.git", "'/srv/a.git'"), ("a b; rm", "'a b; rm'"), ("a'b", r"'a'\''b'")] {
            assert_eq!(shell_quoted(path), quoted);
        }
    }
}
