//! What can go wrong between a repository's server and its mirror, in words that
//! say what to do. None of them holds a secret.

use std::path::PathBuf;

/// A look at a repository that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to look at {url}: {fault}")]
pub struct RemoteError {
    /// The repository, without credentials.
    pub url: String,
    /// What went wrong.
    pub fault: FetchError,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The look was called off.
    #[error("it was cancelled")]
    Cancelled,
    /// The server's certificate does not hold.
    #[error("the certificate of {host} is not trusted: {reason}; a private authority is named in caFile")]
    Certificate {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// No connection.
    #[error("failed to connect to {host}: {reason}")]
    Connect {
        /// The server and its port.
        host: String,
        /// Why.
        reason: String,
    },
    /// The server does not take the credentials.
    #[error("the server refused the credentials of {files}")]
    Credentials {
        /// The files that they come from.
        files: String,
    },
    /// A file of the configuration cannot be used.
    #[error("failed to read {key} {}: {reason}", .file.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// libgit2 failed.
    #[error("failed to {action}: {reason}")]
    Git {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        reason: git2::Error,
    },
    /// The server shows another key than the known one.
    #[error(
        "the host key of {host} is {fingerprint}, which is not what knownHostsFile has for it: somebody may be in \
         between; if the server has changed its key, put the new one into knownHostsFile"
    )]
    HostKeyChanged {
        /// The server, as `known_hosts` names it.
        host: String,
        /// The key that it showed.
        fingerprint: String,
    },
    /// The server's key is one that was withdrawn.
    #[error("the host key of {host}, {fingerprint}, is marked @revoked in knownHostsFile")]
    HostKeyRevoked {
        /// The server, as `known_hosts` names it.
        host: String,
        /// The key that it showed.
        fingerprint: String,
    },
    /// Nothing is known of the server's key.
    #[error(
        "the host key of {host} is not known: it is {fingerprint}; if that is right, add the line of \
         `ssh-keyscan` for it to knownHostsFile"
    )]
    HostKeyUnknown {
        /// The server, as `known_hosts` names it.
        host: String,
        /// The key that it showed.
        fingerprint: String,
    },
    /// The name of the host leads nowhere.
    #[error("the host {host} was not found: {reason}")]
    HostNotFound {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// The mirror's folder cannot be used.
    #[error("failed to {action} {}: {reason}", .file.display())]
    Mirror {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The server asks who is there.
    #[error(
        "the server wants credentials, or there is no such repository; give tokenFile, or usernameFile and passwordFile"
    )]
    NoCredentials,
    /// SSH without a key.
    #[error("an ssh address needs sshKeyFile")]
    NoSshKey,
    /// The server knows no such repository.
    #[error("there is no such repository, or it is not shown to these credentials")]
    NotFound,
    /// The server points somewhere else.
    #[error("the server redirects to {to}; if that is right, name it instead")]
    Redirect {
        /// Where to, without credentials.
        to: String,
    },
    /// The revision is not, or no longer, in the repository.
    #[error("{reason}")]
    Revision {
        /// What is missing.
        reason: String,
    },
    /// The server answers something else than a repository.
    #[error("the server answered {reason}")]
    Server {
        /// What it answered.
        reason: String,
    },
    /// The private key cannot be opened.
    #[error("failed to use sshKeyFile {}: {reason}; is the format OpenSSH or PEM, and sshPassphraseFile right?", .file.display())]
    SshKey {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nothing came in time.
    #[error("it timed out after {seconds} s of {doing}")]
    TimedOut {
        /// How long it was waited.
        seconds: u64,
        /// What it was waited for.
        doing: &'static str,
    },
    /// The repository is larger than it may be.
    #[error("it sent more than {} MiB", .limit >> 20)]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// A server's words as a log may hold them: on one line, and not too many.
pub(super) fn words(text: &str) -> String {
    let one_line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let text = one_line.collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The most characters that are kept of a server's words.
const MAX_WORDS: usize = 200;
