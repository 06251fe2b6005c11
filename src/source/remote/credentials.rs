//! What a server asks for before it shows a repository. All of it lies in files
//! that are read anew at each use, because Secrets that are mounted get renewed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::FetchError;
use super::url::RemoteUrl;

/// Files with credentials and with what a server is known by.
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
    /// The host keys of SSH servers, as `known_hosts` of OpenSSH.
    pub known_hosts: Option<PathBuf>,
    /// Authorities for HTTPS beside those of the system, PEM.
    pub ca: Option<PathBuf>,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What HTTP sends.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// What SSH opens a session with.
pub(super) struct SshKey {
    pub(super) file: PathBuf,
    pub(super) key: Secret,
    pub(super) passphrase: Option<Secret>,
}

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Credentials {
    /// Files that do not go together, or not with this address.
    pub fn check(&self, url: &RemoteUrl) -> Result<(), &'static str> {
        let is_ssh = url.scheme() == super::url::Scheme::Ssh;
        let for_http = self.token.is_some() || self.username.is_some() || self.password.is_some() || self.ca.is_some();
        let for_ssh = self.ssh_key.is_some() || self.ssh_passphrase.is_some() || self.known_hosts.is_some();
        match () {
            () if is_ssh && for_http => Err("tokenFile, usernameFile, passwordFile and caFile are for https addresses"),
            () if !is_ssh && for_ssh => Err("sshKeyFile, sshPassphraseFile and knownHostsFile are for ssh addresses"),
            () if is_ssh && self.ssh_key.is_none() => Err("an ssh address needs sshKeyFile"),
            () if is_ssh && self.known_hosts.is_none() => Err("an ssh address needs knownHostsFile"),
            () if self.token.is_some() && self.password.is_some() => Err("give tokenFile or passwordFile, not both"),
            () if self.username.is_some() && self.token.is_none() && self.password.is_none() => {
                Err("usernameFile needs passwordFile or tokenFile")
            }
            () if self.password.is_some() && self.username.is_none() && url.user().is_none() => {
                Err("passwordFile needs usernameFile")
            }
            () => Ok(()),
        }
    }

    /// The login for HTTP: from files, or else from the address itself.
    pub(super) fn login(&self, url: &RemoteUrl) -> Result<Option<Login>, FetchError> {
        let user = self.username.as_deref().map(|file| text("usernameFile", file)).transpose()?;
        let user = user.map(|user| user.0).or_else(|| url.user().map(str::to_owned));
        if let Some(file) = &self.token {
            let password = text("tokenFile", file)?;
            return Ok(Some(Login { user: user.unwrap_or_else(|| TOKEN_USER.to_owned()), password }));
        }
        if let Some(file) = &self.password {
            let password = text("passwordFile", file)?;
            return Ok(Some(Login { user: user.unwrap_or_default(), password }));
        }
        // `https://token@host/…` has the token where the user would be.
        Ok(user.map(|user| Login { user, password: url.password().cloned().unwrap_or_else(|| Secret::new("")) }))
    }

    pub(super) fn ssh(&self) -> Result<SshKey, FetchError> {
        let file = self.ssh_key.as_deref().ok_or(FetchError::NoSshKey)?;
        let passphrase = self.ssh_passphrase.as_deref().map(|file| text("sshPassphraseFile", file)).transpose()?;
        // The format of keys ends with a line's end, and readers differ in whether they insist on it.
        let key = Secret(format!("{}\n", text("sshKeyFile", file)?.0));
        Ok(SshKey { file: file.to_owned(), key, passphrase })
    }

    pub(super) fn hosts(&self) -> Result<Option<Secret>, FetchError> {
        self.known_hosts.as_deref().map(|file| text("knownHostsFile", file)).transpose()
    }

    pub(super) fn authorities(&self) -> Result<Option<(PathBuf, Vec<u8>)>, FetchError> {
        let read = |file: &PathBuf| Ok((file.clone(), text("caFile", file)?.0.into_bytes()));
        self.ca.as_ref().map(read).transpose()
    }

    /// The files that a login comes from, as errors name them.
    pub(super) fn login_files(&self) -> String {
        let files = [
            ("usernameFile", &self.username),
            ("tokenFile", &self.token),
            ("passwordFile", &self.password),
            ("sshKeyFile", &self.ssh_key),
        ];
        let named = files.iter().filter_map(|(key, file)| Some(format!("{key} {}", file.as_ref()?.display())));
        let all = named.collect::<Vec<_>>().join(" and ");
        if all.is_empty() { "the address".to_owned() } else { all }
    }
}

/// A file's text without the line's end that editors and `echo` put behind it.
fn text(key: &'static str, file: &Path) -> Result<Secret, FetchError> {
    let failed = |reason: String| FetchError::File { key, file: file.to_owned(), reason };
    let size = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(failed("it is larger than 1 MiB".to_owned()));
    }
    let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    // The parser's own words would quote the content.
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not text".to_owned()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(Secret::new(text))
}

/// The user that GitHub wants beside a token; GitLab and Gitea take any.
const TOKEN_USER: &str = "x-access-token";
/// More than any bundle of authorities.
const MAX_FILE: u64 = 1 << 20;

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
        let login = credentials.login(&url(address)).unwrap();
        login.map(|login| (login.user, login.password.reveal().to_owned()))
    }

    #[test]
    fn a_login_comes_from_files_before_the_address() {
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
        // Read at each use.
        file("token", "newer");
        assert_eq!(login(&token, "https://host/a"), some("x-access-token", "newer"));
    }

    #[test]
    fn a_bad_file_is_named_with_its_key_and_its_content_is_not() {
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
            let error = credentials.login(&url("https://host/a")).err().unwrap();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("tokenFile") && shown.contains(name) && shown.contains(words), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn files_must_fit_the_address_and_each_other() {
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
        for (credentials, address, wrong) in cases {
            let told = credentials.check(&url(address)).err();
            assert_eq!(told.is_some(), wrong.is_some(), "{address} {credentials:?}: {told:?}");
            assert!(told.unwrap_or("").contains(wrong.unwrap_or("")), "{told:?}");
        }
    }
}
