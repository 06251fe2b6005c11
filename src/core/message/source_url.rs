//! Where to change something in Git: a URL that opens the file at the commit, on
//! hosts whose URLs are known, else the repository.

use crate::desired::{Source, SourceLocation};

/// The URL of a location in a source; of the repository, where there is no location.
pub(super) fn source_url(source: &Source, location: Option<&SourceLocation>) -> String {
    let Some((page, host)) = repository_page(&source.repo) else { return source.repo.clone() };
    let Some(SourceLocation { file, line }) = location else { return page };
    let (commit, file) = (&source.commit, percent_encoded(file));
    match host {
        Host::Azure => format!("{page}?path=/{file}&version=GC{commit}&line={line}"),
        Host::Bitbucket => format!("{page}/src/{commit}/{file}#lines-{line}"),
        Host::Gitea => format!("{page}/src/commit/{commit}/{file}#L{line}"),
        Host::GitHub => format!("{page}/blob/{commit}/{file}#L{line}"),
        Host::GitLab => format!("{page}/-/blob/{commit}/{file}#L{line}"),
    }
}

#[derive(Clone, Copy)]
enum Host {
    Azure,
    Bitbucket,
    Gitea,
    GitHub,
    GitLab,
}

/// The web page of a repository, on a host whose URLs are known.
fn repository_page(repo: &str) -> Option<(String, Host)> {
    let repo = repo.trim_end_matches('/');
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    let (host, path) = match repo.split_once("://") {
        Some(("http" | "https" | "ssh" | "git+ssh", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        // The form of scp: git@host:path.
        None => repo.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let without_user = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = without_user.split_once(':').map_or(without_user, |(host, _port)| host);
    let known = match host {
        "bitbucket.org" => Host::Bitbucket,
        "codeberg.org" | "gitea.com" => Host::Gitea,
        "dev.azure.com" => Host::Azure,
        "github.com" => Host::GitHub,
        _ if host == "gitlab.com" || host.starts_with("gitlab.") => Host::GitLab,
        _ => return None,
    };
    Some((format!("https://{host}/{path}"), known))
}

/// Escapes what would end or change the path of a URL.
fn percent_encoded(file: &str) -> String {
    let mut path = String::with_capacity(file.len());
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => path.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                let digit = |nibble: u8| char::from(HEX[usize::from(nibble)]);
                path.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_open_the_file_at_the_commit_on_known_hosts() {
        for (repo, expected) in [
            ("https://github.com/acme/gitops", "https://github.com/acme/gitops/blob/5c56d97/a%20b/app.yaml#L18"),
            ("git@github.com:acme/gitops.git", "https://github.com/acme/gitops/blob/5c56d97/a%20b/app.yaml#L18"),
            (
                "ssh://git@github.com:22/acme/gitops.git",
                "https://github.com/acme/gitops/blob/5c56d97/a%20b/app.yaml#L18",
            ),
            ("https://gitlab.acme.com/a/b/c.git", "https://gitlab.acme.com/a/b/c/-/blob/5c56d97/a%20b/app.yaml#L18"),
            ("https://bitbucket.org/a/b", "https://bitbucket.org/a/b/src/5c56d97/a%20b/app.yaml#lines-18"),
            ("https://codeberg.org/a/b", "https://codeberg.org/a/b/src/commit/5c56d97/a%20b/app.yaml#L18"),
            (
                "https://dev.azure.com/o/p/_git/r",
                "https://dev.azure.com/o/p/_git/r?path=/a%20b/app.yaml&version=GC5c56d97&line=18",
            ),
            ("https://git.acme.com/a/b", "https://git.acme.com/a/b"),
            ("/srv/git/gitops", "/srv/git/gitops"),
            ("file:///srv/git/gitops", "file:///srv/git/gitops"),
            ("C:/git", "C:/git"),
        ] {
            let source = Source { repo: repo.into(), commit: "5c56d97".into(), ..Source::default() };
            let location = SourceLocation { file: "a b/app.yaml".into(), line: 18 };
            assert_eq!(source_url(&source, Some(&location)), expected);
        }
    }
}
