//! This side of an SSH session: what it does as the server shows its key, opens
//! channels or ends the session, and what errors of the session mean.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client::{ChannelOpenHandle as Reply, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{AlgorithmKind, Channel, Error};

use super::error::{FetchError, one_line};
use super::known_hosts::KnownHost;

/// This side of a session.
pub(super) struct Client {
    known: KnownHost,
    end: SessionEnd,
}

/// Why a session ended, as far as it is known.
#[derive(Clone, Default)]
pub(super) struct SessionEnd(Arc<Mutex<Option<String>>>);

/// Why a step of a session failed.
#[derive(Debug)]
pub(super) enum SessionError {
    Fetch(FetchError),
    Ssh(Error),
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self::Ssh(error)
    }
}

impl Client {
    pub(super) fn new(known: KnownHost, end: SessionEnd) -> Self {
        Self { known, end }
    }
}

impl Handler for Client {
    type Error = SessionError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SessionError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.known.check(shown, now).map_err(SessionError::Fetch)?;
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SessionError>) -> Result<(), SessionError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(server) => {
                self.end.set(format!("the server ended the connection: `{}`", one_line(&server.message)));
            }
            // That nobody is let in is for the login to say.
            DisconnectReason::Error(SessionError::Ssh(Error::NoAuthMethod) | SessionError::Fetch(_)) => {}
            DisconnectReason::Error(SessionError::Ssh(error)) => self.end.set(describe(&error)),
        }
        Ok(())
    }

    // driftwall forwards nothing, so a server has no channel to open here: each is
    // refused, by dropping the reply. Accepted ones would take memory, without bound.

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: Reply,
        _: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(())
    }
}

impl SessionEnd {
    fn set(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Why the session ended.
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the session ended, or else what `error` means.
    pub(super) fn reason(&self, error: &Error) -> String {
        self.get().unwrap_or_else(|| describe(error))
    }
}

/// What an error means, in words of driftwall.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => ENDED.to_owned(),
        Error::IO(error) => error.to_string(),
        Error::HUP | Error::Disconnect | Error::SendError | Error::RecvError => ENDED.to_owned(),
        Error::NoCommonAlgo { kind, theirs, .. } => {
            let kind = match kind {
                AlgorithmKind::Kex => "key exchange",
                AlgorithmKind::Key => "host key",
                AlgorithmKind::Cipher => "cipher",
                AlgorithmKind::Compression => "compression",
                AlgorithmKind::Mac => "MAC",
            };
            one_line(&format!("none of the server's {kind} algorithms is supported: {}", theirs.join(", ")))
        }
        Error::Version => "the server does not speak SSH 2".to_owned(),
        Error::WrongServerSig | Error::Signature(_) => "the server does not hold the host key that it shows".to_owned(),
        Error::PacketAuth | Error::DecryptionError => "what the server sent was changed on the way".to_owned(),
        Error::ChannelOpenFailure(_) => "the server lets this user run nothing".to_owned(),
        _ => "the server does not follow the SSH protocol".to_owned(),
    }
}

const ENDED: &str = "the server ended the connection";
