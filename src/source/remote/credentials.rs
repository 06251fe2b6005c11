//! What a server asks for before it shows a repository. All of it is in files
//! that are read at each use, because mounted Secrets change while driftwall runs.

use std::path::{Path, PathBuf};

use super::error::FetchError;
use super::secret::Secret;
use super::url::{RemoteUrl, Scheme};

/// The files with credentials, and with what servers are verified by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// A token for HTTP, sent as a password.
    pub token: Option<PathBuf>,
    /// The user's name for HTTP.
    pub username: Option<PathBuf>,
    /// The user's password for HTTP.
    pub password: Option<PathBuf>,
    /// A private key for SSH.
    pub ssh_key: Option<PathBuf>,
    /// The passphrase of that key.
    pub ssh_passphrase: Option<PathBuf>,
    /// The host keys of SSH servers, in the format of OpenSSH's `known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// CA certificates for HTTPS beside those of the system, PEM.
    pub ca: Option<PathBuf>,
}

/// A login for HTTP.
pub(super) struct HttpLogin {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// A private key for SSH, as it is in its file.
pub(super) struct SshKey {
    pub(super) file: PathBuf,
    pub(super) text: Secret,
    pub(super) passphrase: Option<Secret>,
}

impl Credentials {
    /// Whether the files fit the address and each other.
    ///
    /// # Errors
    ///
    /// Says which file is missing or does not fit.
    pub fn check(&self, url: &RemoteUrl) -> Result<(), &'static str> {
        let is_ssh = url.scheme() == Scheme::Ssh;
        let has_http = self.token.is_some() || self.username.is_some() || self.password.is_some() || self.ca.is_some();
        let has_ssh = self.ssh_key.is_some() || self.ssh_passphrase.is_some() || self.known_hosts.is_some();
        if is_ssh && has_http {
            return Err("tokenFile, usernameFile, passwordFile and caFile are for https addresses");
        }
        if !is_ssh && has_ssh {
            return Err("sshKeyFile, sshPassphraseFile and knownHostsFile are for ssh addresses");
        }
        if is_ssh && self.ssh_key.is_none() {
            return Err("an ssh address needs sshKeyFile");
        }
        if is_ssh && self.known_hosts.is_none() {
            return Err("an ssh address needs knownHostsFile");
        }
        if self.token.is_some() && self.password.is_some() {
            return Err("set tokenFile or passwordFile, not both");
        }
        if self.username.is_some() && self.token.is_none() && self.password.is_none() {
            return Err("usernameFile needs passwordFile or tokenFile");
        }
        if self.password.is_some() && self.username.is_none() && url.user().is_none() {
            return Err("passwordFile needs usernameFile");
        }
        Ok(())
    }

    /// The login for HTTP: from files, or else from the address itself.
    pub(super) fn http_login(&self, url: &RemoteUrl) -> Result<Option<HttpLogin>, FetchError> {
        let user = match &self.username {
            Some(file) => Some(read_secret("usernameFile", file)?.reveal().to_owned()),
            None => url.user().map(str::to_owned),
        };
        if let Some(file) = &self.token {
            let password = read_secret("tokenFile", file)?;
            return Ok(Some(HttpLogin { user: user.unwrap_or_else(|| TOKEN_USER.to_owned()), password }));
        }
        if let Some(file) = &self.password {
            let password = read_secret("passwordFile", file)?;
            return Ok(Some(HttpLogin { user: user.unwrap_or_default(), password }));
        }
        // `https://token@host/…` has the token where the user would be.
        let password = url.password().cloned().unwrap_or_else(|| Secret::new(""));
        Ok(user.map(|user| HttpLogin { user, password }))
    }

    /// The private key for SSH.
    pub(super) fn ssh_key(&self) -> Result<SshKey, FetchError> {
        let file = self.ssh_key.as_deref().ok_or(FetchError::NoSshKey)?;
        let passphrase = match &self.ssh_passphrase {
            Some(file) => Some(read_secret("sshPassphraseFile", file)?),
            None => None,
        };
        // The format of keys ends with a line break, and not every reader accepts a key without it.
        let text = Secret::new(format!("{}\n", read_secret("sshKeyFile", file)?.reveal()));
        Ok(SshKey { file: file.to_owned(), text, passphrase })
    }

    /// The content of `knownHostsFile`.
    pub(super) fn known_hosts(&self) -> Result<Option<Secret>, FetchError> {
        self.known_hosts.as_deref().map(|file| read_secret("knownHostsFile", file)).transpose()
    }

    /// `caFile` and its content.
    pub(super) fn ca_file(&self) -> Result<Option<(PathBuf, Vec<u8>)>, FetchError> {
        let Some(file) = &self.ca else { return Ok(None) };
        let pem = read_secret("caFile", file)?;
        Ok(Some((file.clone(), pem.reveal().as_bytes().to_vec())))
    }

    /// The files that a login comes from, as errors name them.
    pub(super) fn login_files(&self) -> String {
        let files = [
            ("usernameFile", &self.username),
            ("tokenFile", &self.token),
            ("passwordFile", &self.password),
            ("sshKeyFile", &self.ssh_key),
        ];
        let mut named = Vec::new();
        for (key, file) in files {
            if let Some(file) = file {
                named.push(format!("{key} {}", file.display()));
            }
        }
        if named.is_empty() { "the address".to_owned() } else { named.join(" and ") }
    }
}

/// A file's text without the line break that editors and `echo` put at its end.
fn read_secret(key: &'static str, file: &Path) -> Result<Secret, FetchError> {
    let invalid = |reason: String| FetchError::File { key, file: file.to_owned(), reason };
    let size = std::fs::metadata(file).map_err(|error| invalid(error.to_string()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(invalid("it is larger than 1 MiB".to_owned()));
    }
    let bytes = std::fs::read(file).map_err(|error| invalid(error.to_string()))?;
    // The error of `from_utf8` would quote the content.
    let text = String::from_utf8(bytes).map_err(|_| invalid("it is not text".to_owned()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    Ok(Secret::new(text))
}

/// The user that GitHub wants beside a token; GitLab and Gitea accept any.
const TOKEN_USER: &str = "x-access-token";
/// More than any bundle of CA certificates.
const MAX_FILE_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::url::Address;
    use super::*;

    fn url(text: &str) -> RemoteUrl {
        match Address::parse(text, Path::new("/")) {
            Ok(Address::Remote(url)) => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn login(credentials: &Credentials, address: &str) -> Option<(String, String)> {
        let login = credentials.http_login(&url(address)).unwrap();
        login.map(|login| (login.user, login.password.reveal().to_owned()))
    }

    #[test]
    fn files_take_precedence_over_the_login_in_the_address() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            Some(file)
        };
        let token = Credentials { token: file("token", "t0ken\r\n"), ..Credentials::default() };
        let named = Credentials { username: file("user", "bot\n"), ..token.clone() };
        let password = Credentials {
            username: named.username.clone(),
            password: file("password", " pass word \n"),
            ..Credentials::default()
        };
        let some = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(login(&Credentials::default(), "https://host/a"), None);
        assert_eq!(login(&Credentials::default(), "https://me:pw@host/a"), some("me", "pw"));
        assert_eq!(login(&Credentials::default(), "https://t0ken@host/a"), some("t0ken", ""));
        assert_eq!(login(&token, "https://host/a"), some("x-access-token", "t0ken"));
        assert_eq!(login(&token, "https://me:pw@host/a"), some("me", "t0ken"));
        assert_eq!(login(&named, "https://host/a"), some("bot", "t0ken"));
        assert_eq!(login(&password, "https://host/a"), some("bot", " pass word "));
        // It is read at each use.
        file("token", "newer");
        assert_eq!(login(&token, "https://host/a"), some("x-access-token", "newer"));
    }

    #[test]
    fn an_error_names_the_file_and_its_key_and_never_its_content() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, words) in [
            ("gone", None, "No such file"),
            ("empty", Some(&b"\n"[..]), "empty"),
            ("binary", Some(b"s3cret\xff"), "text"),
        ] {
            let file = folder.path().join(name);
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let credentials = Credentials { token: Some(file), ..Credentials::default() };
            let error = credentials.http_login(&url("https://host/a")).err().unwrap();
            let printed = format!("{error} {error:?}");
            assert!(printed.contains("tokenFile") && printed.contains(name) && printed.contains(words), "{printed}");
            assert!(!printed.contains("s3cret"), "{printed}");
        }
    }

    #[test]
    fn credentials_that_do_not_fit_the_address_or_each_other_are_refused() {
        let file = || Some(PathBuf::from("f"));
        let none = Credentials::default;
        let ssh = Credentials { ssh_key: file(), known_hosts: file(), ..none() };
        let cases = [
            (none(), "https://host/a", None),
            (Credentials { token: file(), ca: file(), ..none() }, "https://host/a", None),
            (Credentials { password: file(), ..none() }, "https://me@host/a", None),
            (ssh.clone(), "git@host:a", None),
            (ssh.clone(), "https://host/a", Some("for ssh")),
            (none(), "git@host:a", Some("needs sshKeyFile")),
            (Credentials { known_hosts: None, ..ssh.clone() }, "git@host:a", Some("needs knownHostsFile")),
            (Credentials { token: file(), ..ssh }, "git@host:a", Some("for https")),
            (Credentials { token: file(), password: file(), ..none() }, "https://host/a", Some("not both")),
            (Credentials { username: file(), ..none() }, "https://host/a", Some("usernameFile needs")),
            (Credentials { password: file(), ..none() }, "https://host/a", Some("passwordFile needs")),
        ];
        for (credentials, address, expected) in cases {
            let error = credentials.check(&url(address)).err();
            assert_eq!(error.is_some(), expected.is_some(), "{address} {credentials:?}: {error:?}");
            assert!(error.unwrap_or("").contains(expected.unwrap_or("")), "{error:?}");
        }
    }
}
