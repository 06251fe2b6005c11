//! Git over SSH, for libgit2: with this source's own key and known hosts.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use russh::client::Msg;
use russh::{Channel, ChannelMsg, Error};

use super::connect::BlockingRuntime;
use super::context::FetchContext;
use super::error::{FetchError, one_line};
use super::known_hosts::KnownHost;
use super::secret::Secret;
use super::ssh_key::read_private_key;
use super::ssh_session::SshSession;

/// A repository on an SSH server.
pub(super) struct SshTransport(Arc<FetchContext>);

/// A `git-upload-pack` that runs on the server.
struct SshStream {
    channel: Channel<Msg>,
    session: SshSession,
    blocking: BlockingRuntime,
    /// What was received and not yet read.
    chunk: Bytes,
    has_received: bool,
    has_ended: bool,
    /// The beginning of what the program says.
    stderr: Vec<u8>,
}

impl SshTransport {
    pub(super) fn new(context: Arc<FetchContext>) -> Self {
        Self(context)
    }

    fn connect(&self) -> Result<SshStream, FetchError> {
        let FetchContext { url, credentials, budget } = &*self.0;
        // Read before connecting: a server leaves little time to log in.
        let key = credentials.ssh_key()?;
        let private_key = read_private_key(key.text.reveal(), key.passphrase.as_ref().map(Secret::reveal))
            .map_err(|reason| FetchError::SshKey { file: key.file, reason })?;
        let known_hosts = credentials.known_hosts()?;
        let known = KnownHost::read(known_hosts.as_ref().map_or("", Secret::reveal), url.host(), url.port());
        let command = format!("git-upload-pack {}", shell_quoted(url.path()));

        let blocking = BlockingRuntime::new(budget.clone())?;
        let (session, channel) = blocking.runtime().block_on(async {
            let mut session = SshSession::open(self.0.clone(), &known).await?;
            session.log_in(url.user().unwrap_or(DEFAULT_USER), private_key).await?;
            let channel = session.start(command).await?;
            Ok((session, channel))
        })?;
        let (chunk, stderr) = (Bytes::new(), Vec::new());
        Ok(SshStream { channel, session, blocking, chunk, has_received: false, has_ended: false, stderr })
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
    /// Receives the next chunk; leaves none at the end.
    fn fill(&mut self) -> Result<(), FetchError> {
        let budget = &self.blocking.budget;
        while self.chunk.is_empty() && !self.has_ended {
            let message = budget.wait(budget.limits.idle, "waiting for data", self.channel.wait());
            match self.blocking.runtime().block_on(message)? {
                Some(ChannelMsg::Data { data }) => self.chunk = data,
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    budget.count_received(data.len())?;
                    let room = MAX_STDERR - self.stderr.len();
                    self.stderr.extend_from_slice(&data[..data.len().min(room)]);
                }
                // A program that sends no data may still say why.
                Some(ChannelMsg::Eof) => self.has_ended = self.has_received,
                Some(ChannelMsg::Close) => self.has_ended = true,
                Some(_) => {}
                None => return Err(self.broken(&Error::Disconnect)),
            }
        }
        if self.has_ended && !self.has_received {
            return Err(self.stderr_error());
        }
        self.has_received = true;
        budget.count_received(self.chunk.len())
    }

    /// What the server says where it sends no data: `Repository not found.`
    fn stderr_error(&self) -> FetchError {
        let text = one_line(&String::from_utf8_lossy(&self.stderr));
        let reason =
            if text.is_empty() { "it ended the connection without data".to_owned() } else { format!("`{text}`") };
        FetchError::Server { reason }
    }

    fn broken(&self, error: &Error) -> FetchError {
        FetchError::Server { reason: format!("the connection broke: {}", self.session.end_reason(error)) }
    }

    fn send(&mut self, bytes: Bytes) -> Result<(), FetchError> {
        let budget = &self.blocking.budget;
        let sent = budget.wait(budget.limits.idle, "sending data", self.channel.data_bytes(bytes));
        self.blocking.runtime().block_on(sent)?.map_err(|error| self.broken(&error))
    }
}

impl Read for SshStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty()
            && let Err(error) = self.fill()
        {
            return Err(self.blocking.budget.record_error(error));
        }
        let size = self.chunk.len().min(into.len());
        self.chunk.copy_to_slice(&mut into[..size]);
        Ok(size)
    }
}

impl Write for SshStream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self.send(Bytes::copy_from_slice(from)) {
            Ok(()) => Ok(from.len()),
            Err(error) => Err(self.blocking.budget.record_error(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SshStream {
    fn drop(&mut self) {
        self.blocking.runtime().block_on(self.session.close());
    }
}

/// One argument for the server's shell.
fn shell_quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// The user of Git servers, where the address names none.
const DEFAULT_USER: &str = "git";
/// More than an error shows.
const MAX_STDERR: usize = 1024;

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
