//! A session with an SSH server: it shows a known key, the user logs in, a program runs.

use std::borrow::Cow;
use std::sync::Arc;

use russh::client::{self, AuthResult, GexParams, Handle, Msg};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{AlgorithmKind, Channel, ChannelMsg, Disconnect, Error, Preferred, SshId, cipher, kex, mac};

use super::budget::CHECK_INTERVAL;
use super::context::FetchContext;
use super::error::FetchError;
use super::known_hosts::{ALL_ALGORITHMS, KnownHost};
use super::proxy::connect_ssh;
use super::ssh_client::{Client, SessionEnd, SessionError, describe};

/// A session, to be used on the runtime that it was opened on.
pub(super) struct SshSession {
    context: Arc<FetchContext>,
    handle: Handle<Client>,
    end: SessionEnd,
}

impl SshSession {
    /// Opens a session in which the server shows a known key, or a certificate by a known CA.
    pub(super) async fn open(context: Arc<FetchContext>, known: &KnownHost) -> Result<Self, FetchError> {
        let end = SessionEnd::default();
        let algorithms = known.algorithms();
        let is_limited = !algorithms.is_empty();
        let mut opened = handshake(&context, known, &end, algorithms).await;
        if is_limited && matches!(opened, Err(SessionError::Ssh(Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. })))
        {
            // The server may have no key of the known types any more: then its other key goes into the error.
            opened = handshake(&context, known, &end, Vec::new()).await;
        }
        match opened {
            Ok(handle) => Ok(Self { context, handle, end }),
            Err(SessionError::Fetch(error)) => Err(error),
            Err(SessionError::Ssh(error)) => Err(connection_error(&context, &end.reason(&error))),
        }
    }

    /// Logs in as a user, with a key from the file that the configuration names.
    pub(super) async fn log_in(&mut self, user: &str, key: PrivateKey) -> Result<(), FetchError> {
        let FetchContext { credentials, budget, .. } = &*self.context;
        // An RSA key signs in several ways. Servers tell which they know, but not all, and some late: asking is quicker.
        let hashes: &[_] = if key.algorithm().is_rsa() { RSA_HASHES } else { &[None] };
        let key = Arc::new(key);
        for hash in hashes {
            let key = PrivateKeyWithHashAlg::new(key.clone(), *hash);
            let answer = self.handle.authenticate_publickey(user, key);
            match budget.wait(budget.limits.connect, "logging in", answer).await? {
                Ok(AuthResult::Success) => return Ok(()),
                // The session ends: the server knows no other way to log in, or the connection broke.
                Ok(AuthResult::Failure { remaining_methods, .. }) if remaining_methods.is_empty() => {
                    let ended = budget.wait(budget.limits.connect, "logging in", &mut self.handle).await?;
                    let broken = match ended {
                        Err(SessionError::Ssh(error @ Error::IO(_))) => Some(describe(&error)),
                        _ => None,
                    };
                    if let Some(reason) = self.end.get().or(broken) {
                        return Err(connection_error(&self.context, &reason));
                    }
                    break;
                }
                Ok(AuthResult::Failure { .. }) => {}
                Err(error) => return Err(self.connection_error(&error)),
            }
        }
        Err(FetchError::Credentials { files: format!("{} for the user {user}", credentials.login_files()) })
    }

    /// Starts a program on the server.
    pub(super) async fn start(&self, command: String) -> Result<Channel<Msg>, FetchError> {
        let budget = &self.context.budget;
        let limit = budget.limits.idle;
        let channel = budget.wait(limit, "opening an SSH channel", self.handle.channel_open_session()).await?;
        let mut channel = channel.map_err(|error| self.connection_error(&error))?;
        let starting = async {
            channel.exec(true, command).await?;
            loop {
                match channel.wait().await {
                    Some(ChannelMsg::Success) => return Ok(true),
                    Some(ChannelMsg::Failure) => return Ok(false),
                    // How much may be sent.
                    Some(ChannelMsg::WindowAdjusted { .. }) => {}
                    _ => return Err(Error::Disconnect),
                }
            }
        };
        match budget.wait(limit, "starting git-upload-pack", starting).await? {
            Ok(true) => Ok(channel),
            Ok(false) => Err(FetchError::Server { reason: "it does not let this user run git-upload-pack".to_owned() }),
            Err(error) => Err(self.connection_error(&error)),
        }
    }

    /// Why the session has ended, in words for an error.
    pub(super) fn end_reason(&self, error: &Error) -> String {
        self.end.reason(error)
    }

    /// Ends the session. What has been written is sent before.
    pub(super) async fn close(&mut self) {
        // The server may be gone, or not listen any more: then there is nobody to tell.
        let _ = tokio::time::timeout(CHECK_INTERVAL, async {
            if self.handle.disconnect(Disconnect::ByApplication, "done", "").await.is_ok() {
                let _ = (&mut self.handle).await;
            }
        })
        .await;
    }

    fn connection_error(&self, error: &Error) -> FetchError {
        connection_error(&self.context, &self.end.reason(error))
    }
}

async fn handshake(
    context: &FetchContext,
    known: &KnownHost,
    end: &SessionEnd,
    algorithms: Vec<Algorithm>,
) -> Result<Handle<Client>, SessionError> {
    let FetchContext { url, budget, .. } = context;
    let stream = connect_ssh(budget, url.host(), url.port()).await.map_err(SessionError::Fetch)?;
    let any = || Cow::Borrowed(ALL_ALGORITHMS);
    let config = client::Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        preferred: Preferred {
            kex: Cow::Borrowed(KEY_EXCHANGES),
            key: if algorithms.is_empty() { any() } else { Cow::Owned(algorithms) },
            host_key_certificates: if known.has_authority() { any() } else { Cow::Borrowed(&[]) },
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Preferred::DEFAULT.compression,
        },
        // As OpenSSH accepts groups of the server.
        gex: GexParams::new(2048, 3072, 8192)?,
        ..client::Config::default()
    };
    let client = Client::new(known.clone(), end.clone());
    let connecting = client::connect_stream(Arc::new(config), stream, client);
    budget.wait(budget.limits.connect, "making an SSH connection", connecting).await.map_err(SessionError::Fetch)?
}

fn connection_error(context: &FetchContext, reason: &str) -> FetchError {
    let url = &context.url;
    FetchError::Connect { host: format!("{}:{}", url.host(), url.port()), reason: reason.to_owned() }
}

const CLIENT_ID: &str = concat!("SSH-2.0-driftwall_", env!("CARGO_PKG_VERSION"));

/// How a user's RSA key signs. SHA-1 is broken.
const RSA_HASHES: &[Option<HashAlg>] = &[Some(HashAlg::Sha512), Some(HashAlg::Sha256)];

/// Those that OpenSSH offers, and without SHA-1 as there. The NIST curves and
/// group 14 are for servers that are not OpenSSH, such as Azure DevOps.
const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];
