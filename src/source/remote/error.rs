//! Why a repository cannot be fetched, in words that say what to do. No error
//! holds a secret.

use std::path::PathBuf;

use driftwall_core::text;

/// Why a repository could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The fetch was cancelled.
    #[error("the fetch was cancelled")]
    Cancelled,
    /// The server's certificate is not trusted.
    #[error("failed to verify the certificate of {host}: {reason}; name a private CA in caFile")]
    Certificate {
        /// The server.
        host: String,
        /// Why it is not trusted.
        reason: String,
    },
    /// The connection could not be made, or broke.
    #[error("failed to connect to {host}: {reason}")]
    Connect {
        /// The server and its port.
        host: String,
        /// Why it failed.
        reason: String,
    },
    /// The server does not accept the credentials.
    #[error("failed to log in: the server refused the credentials of {files}")]
    Credentials {
        /// The files that they come from.
        files: String,
    },
    /// A file that the configuration names cannot be used.
    #[error("failed to read {key} {}: {reason}", .file.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The mirror is damaged, and could not be cloned again.
    #[error("failed to clone the damaged mirror {} again: {reason}", .folder.display())]
    Damaged {
        /// The mirror.
        folder: PathBuf,
        /// Why it could not be cloned.
        reason: Box<FetchError>,
    },
    /// The disk of the mirrors is full.
    #[error("failed to write the mirror {}: its disk is full; free or add space there", .folder.display())]
    DiskFull {
        /// The mirror.
        folder: PathBuf,
    },
    /// libgit2 failed.
    #[error("failed to {action}: {reason}")]
    Git {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        reason: git2::Error,
    },
    /// The server shows a certificate that does not count.
    #[error("failed to verify the certificate of {host}: {reason}")]
    HostCertificate {
        /// The server, as `known_hosts` names it.
        host: String,
        /// Why it does not count.
        reason: String,
    },
    /// The server shows another key than the known one.
    #[error(
        "failed to verify the host key of {host}: it is {fingerprint}, which is not the key in knownHostsFile: the \
         connection may be intercepted; if the server has changed its key, put the new one into knownHostsFile"
    )]
    HostKeyChanged {
        /// The server, as `known_hosts` names it.
        host: String,
        /// The fingerprint of the key that it showed.
        fingerprint: String,
    },
    /// The server's key has been revoked.
    #[error("failed to verify the host key of {host}: {fingerprint} is marked @revoked in knownHostsFile")]
    HostKeyRevoked {
        /// The server, as `known_hosts` names it.
        host: String,
        /// The fingerprint of the key that it showed.
        fingerprint: String,
    },
    /// The server's key is not known.
    #[error(
        "failed to verify the host key of {host}: it is {fingerprint}, and knownHostsFile has no key of this host; if \
         it is right, add the line that `ssh-keyscan` prints for it to knownHostsFile"
    )]
    HostKeyUnknown {
        /// The server, as `known_hosts` names it.
        host: String,
        /// The fingerprint of the key that it showed.
        fingerprint: String,
    },
    /// The host's name has no address.
    #[error("failed to resolve the host {host}: {reason}")]
    HostNotFound {
        /// The server.
        host: String,
        /// Why it failed.
        reason: String,
    },
    /// The mirror's folder cannot be used.
    #[error("failed to {action} {}: {reason}", .file.display())]
    Mirror {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// Why it failed.
        reason: std::io::Error,
    },
    /// The server asks for credentials.
    #[error(
        "failed to log in: the server asks for credentials, or there is no such repository; set tokenFile, or \
         usernameFile and passwordFile"
    )]
    NoCredentials,
    /// An ssh address without a key.
    #[error("failed to log in: an ssh address needs sshKeyFile")]
    NoSshKey,
    /// The server has no such repository.
    #[error("failed to find the repository: it does not exist, or these credentials may not see it")]
    NotFound,
    /// The server points somewhere else.
    #[error("failed to follow the server's redirect to {to}; if that is right, set it as repo")]
    Redirect {
        /// Where to, without credentials.
        to: String,
    },
    /// The revision is not, or no longer, in the repository.
    #[error("failed to find the revision: {reason}")]
    Revision {
        /// What is missing.
        reason: String,
    },
    /// What was asked for several at once failed, in words.
    #[error("{0}")]
    Shared(String),
    /// The server's answer is not that of a Git server.
    #[error("failed to use the server's answer: {reason}")]
    Server {
        /// What is wrong with it.
        reason: String,
    },
    /// The private key cannot be used.
    #[error("failed to use sshKeyFile {}: {reason}", .file.display())]
    SshKey {
        /// The file.
        file: PathBuf,
        /// Why it failed.
        reason: String,
    },
    /// TLS could not be set up on this side.
    #[error("failed to set up TLS: {0}")]
    Tls(String),
    /// The server was too slow.
    #[error("timed out after {seconds} s while {activity}")]
    TimedOut {
        /// The limit in seconds.
        seconds: u64,
        /// What took too long.
        activity: &'static str,
    },
    /// The repository is too large.
    #[error(
        "failed to receive the repository: its mirror would take more than the {} MiB of git.maxMirrorSize", .limit >> 20
    )]
    TooLarge {
        /// The most bytes that a mirror may take.
        limit: u64,
    },
    /// An answer over HTTP, of which no mirror is made, is too large.
    #[error("failed to receive the answer: the server sent more than {} MiB", .limit >> 20)]
    AnswerTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

impl FetchError {
    /// Whether the fault is this machine's disk, and not the server's or the configuration's.
    pub(in crate::source) fn is_of_this_replica(&self) -> bool {
        match self {
            Self::DiskFull { .. } | Self::Mirror { .. } => true,
            Self::Damaged { reason, .. } => reason.is_of_this_replica(),
            _ => false,
        }
    }
}

/// A server's words, fit for a log: on one line, and not too many.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    text::truncate(&words.collect::<Vec<_>>().join(" "), MAX_CHARS)
}

/// The most characters that are kept of a server's words.
const MAX_CHARS: usize = 200;
