//! What the API server's answer to the canary means.

use super::{CANARY_WARNING, CANARY_WEBHOOK};

/// What the API server answers to the canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CanaryAnswer {
    /// The HTTP status code.
    pub code: u16,
    /// The message of a failure.
    pub message: String,
    /// The texts of the `Warning` headers.
    pub warnings: Vec<String>,
}

/// Whether the API server calls driftwall, or why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CanaryResult {
    /// It was called, and answered.
    Called,
    /// The API server does not trust the serving certificate.
    Certificate,
    /// The call failed in a way that is not known.
    Failed,
    /// driftwall has no right to write the canary.
    Forbidden,
    /// The webhook configuration has an entry for the canary, and the canary passed without a call or after one that
    /// failed: the entry is `Ignore`, or does not match.
    NotAsked,
    /// There is no webhook configuration, or it has no entry for the canary.
    NotRegistered,
    /// Something refused the canary before driftwall was asked: another webhook, a quota.
    Blocked,
    /// The connection was refused or broken off.
    Refused,
    /// What was called answered with an HTTP error: another server, another path.
    Rejected,
    /// The call was not answered in time: a firewall.
    Timeout,
    /// The API server itself did not say anything.
    #[default]
    Unknown,
    /// The API server knows no address to call: there is no Service, no endpoint, no such host.
    Unreachable,
}

impl CanaryResult {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Blocked,
        Self::Called,
        Self::Certificate,
        Self::Failed,
        Self::Forbidden,
        Self::NotAsked,
        Self::NotRegistered,
        Self::Refused,
        Self::Rejected,
        Self::Timeout,
        Self::Unknown,
        Self::Unreachable,
    ];

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Called => "called",
            Self::Certificate => "certificate",
            Self::Failed => "failed",
            Self::Forbidden => "forbidden",
            Self::NotAsked => "not_asked",
            Self::NotRegistered => "not_registered",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Unknown => "unknown",
            Self::Unreachable => "unreachable",
        }
    }

    /// What it means, and what to look at.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Blocked => "another webhook, a policy or a quota refuses the ConfigMap of the canary",
            Self::Called => "the API server calls driftwall",
            Self::Certificate => {
                "the API server does not trust the serving certificate (compare caBundle of the webhook configuration \
                 with its CA, and its names with the Service's), or shows no client certificate where one is demanded"
            }
            Self::Failed => "the API server fails to call driftwall; its log says why",
            Self::Forbidden => {
                "driftwall may not apply the ConfigMap of the canary: its Role lacks create and patch of it"
            }
            Self::NotAsked => {
                "the API server lets the canary pass: its webhook has failurePolicy Ignore and cannot be called, or \
                 does not match; the API server's log says why"
            }
            Self::NotRegistered => "there is no webhook configuration, or it has no webhook for the canary",
            Self::Refused => "the connection is refused or broken off: is the port of the Service the one served?",
            Self::Rejected => "another server or another path is called: compare Service, port and path",
            Self::Timeout => {
                "the API server gets no answer in time: a firewall or NetworkPolicy between the control plane and \
                 driftwall's port, or no CPU"
            }
            Self::Unknown => "the API server does not answer driftwall",
            Self::Unreachable => "the API server has no address to call: the Service, its endpoints or the host's name",
        }
    }

    /// What an answer means. Where the canary passed and nobody was called, that is [`CanaryResult::NotAsked`]:
    /// only the webhook configuration says whether it is registered.
    pub fn of(answer: &CanaryAnswer) -> Self {
        let CanaryAnswer { code, message, warnings } = answer;
        // Also where something else refuses the write then: what is asked here is who was called.
        if warnings.iter().any(|warning| warning.contains(CANARY_WARNING)) {
            return Self::Called;
        }
        if let Some(cause) = cause_of_failed_call(message) {
            return Self::of_failed_call(&cause);
        }
        match code {
            200..=299 => Self::NotAsked,
            401 => Self::Forbidden,
            403 if is_missing_right(message) => Self::Forbidden,
            // Too many requests, a server that starts or stops: nothing is known of the webhook.
            429 | 502..=504 => Self::Unknown,
            500 if !message.contains("webhook") => Self::Unknown,
            _ => Self::Blocked,
        }
    }

    /// What a failed call means, by the words of Go's network libraries.
    fn of_failed_call(cause: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|words| cause.contains(words));
        if says(&["x509:", "certificate", "tls:", "http: server gave http response to https client"]) {
            Self::Certificate
        } else if says(&["no such host", "no endpoints", "not found", "no service port", "server misbehaving"]) {
            Self::Unreachable
        } else if says(&["connection refused", "connection reset", "broken pipe", "eof"]) {
            Self::Refused
        } else if says(&["deadline exceeded", "timeout", "timed out", "no route to host", "unreachable"]) {
            Self::Timeout
        } else if says(&[
            "the server could not find the requested resource",
            "an error on the server",
            "the server rejected our request",
            "too many requests",
            "expected webhook response",
            "invalid character",
            "couldn't get version/kind",
        ]) {
            Self::Rejected
        } else {
            Self::Failed
        }
    }
}

/// Why the API server failed to call the canary's webhook, in small letters and without the URL, which names a path
/// that nobody is to know and a `timeout`; `None` where the message is about something else.
fn cause_of_failed_call(message: &str) -> Option<String> {
    let (_, cause) = message.split_once(&format!("failed calling webhook \"{CANARY_WEBHOOK}\":"))?;
    let without_url = match cause.split_once("\"http").and_then(|(before, url)| Some((before, url.split_once('"')?.1)))
    {
        Some((before, after)) => format!("{before}{after}"),
        None => cause.to_owned(),
    };
    Some(without_url.to_lowercase())
}

/// Whether the authorizer says no. Admission plugins answer 403 too.
fn is_missing_right(message: &str) -> bool {
    message.contains(" cannot patch resource ") || message.contains(" cannot create resource ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(code: u16, message: &str, warnings: &[&str]) -> CanaryResult {
        let warnings = warnings.iter().map(|&warning| warning.to_owned()).collect();
        CanaryResult::of(&CanaryAnswer { code, message: message.to_owned(), warnings })
    }

    #[test]
    fn who_answers_with_the_warning_was_called_whatever_else_happens() {
        for (code, message) in [
            (200, ""),
            (201, ""),
            (403, "configmaps \"driftwall-canary\" is forbidden: exceeded quota: small"),
            (400, "admission webhook \"other.example\" does not support dry run"),
        ] {
            assert_eq!(result(code, message, &["unknown field", CANARY_WARNING]), CanaryResult::Called, "{message}");
        }
        assert_eq!(result(200, "", &[]), CanaryResult::NotAsked);
        assert_eq!(result(200, "", &["driftwall: something else"]), CanaryResult::NotAsked);
    }

    #[test]
    fn a_failed_call_says_why() {
        let url = "Post \"https://driftwall.driftwall.svc:443/0123x509/certificate?timeout=10s\"";
        for (cause, expected) in [
            (format!("{url}: x509: certificate signed by unknown authority"), CanaryResult::Certificate),
            (
                format!(
                    "failed to call webhook: {url}: tls: failed to verify certificate: x509: certificate is valid \
                         for a, not b"
                ),
                CanaryResult::Certificate,
            ),
            (format!("{url}: http: server gave HTTP response to HTTPS client"), CanaryResult::Certificate),
            (format!("{url}: context deadline exceeded"), CanaryResult::Timeout),
            (
                format!(
                    "failed to call webhook: {url}: context deadline exceeded (Client.Timeout exceeded while \
                         awaiting headers)"
                ),
                CanaryResult::Timeout,
            ),
            (format!("{url}: dial tcp 10.0.0.1:443: i/o timeout"), CanaryResult::Timeout),
            (format!("{url}: dial tcp 10.0.0.1:443: connect: no route to host"), CanaryResult::Timeout),
            (format!("{url}: dial tcp 10.0.0.1:443: connect: connection refused"), CanaryResult::Refused),
            (format!("{url}: read tcp 10.0.0.1:443: read: connection reset by peer"), CanaryResult::Refused),
            (format!("{url}: EOF"), CanaryResult::Refused),
            (format!("{url}: service \"driftwall\" not found"), CanaryResult::Unreachable),
            (format!("{url}: no endpoints available for service \"driftwall\""), CanaryResult::Unreachable),
            (format!("{url}: dial tcp: lookup a on 10.0.0.10:53: no such host"), CanaryResult::Unreachable),
            ("the server could not find the requested resource".to_owned(), CanaryResult::Rejected),
            (
                "an error on the server (\"\") has prevented the request from succeeding".to_owned(),
                CanaryResult::Rejected,
            ),
            (format!("{url}: something new"), CanaryResult::Failed),
            (String::new(), CanaryResult::Failed),
        ] {
            let message = format!("Internal error occurred: failed calling webhook \"{CANARY_WEBHOOK}\": {cause}");
            assert_eq!(result(500, &message, &[]), expected, "{message}");
        }
    }

    #[test]
    fn what_is_not_about_the_call_is_told_apart() {
        for (code, message, expected) in [
            (
                403,
                "configmaps \"driftwall-canary\" is forbidden: User \"system:serviceaccount:driftwall:driftwall\" cannot \
                 patch resource \"configmaps\" in API group \"\" in the namespace \"driftwall\"",
                CanaryResult::Forbidden,
            ),
            (401, "Unauthorized", CanaryResult::Forbidden),
            (403, "configmaps \"driftwall-canary\" is forbidden: exceeded quota: small", CanaryResult::Blocked),
            (403, "admission webhook \"other.example\" denied the request: no", CanaryResult::Blocked),
            (500, "Internal error occurred: failed calling webhook \"other.example\": EOF", CanaryResult::Blocked),
            (404, "namespaces \"driftwall\" not found", CanaryResult::Blocked),
            (429, "too many requests", CanaryResult::Unknown),
            (500, "etcdserver: request timed out", CanaryResult::Unknown),
            (503, "apiserver not ready", CanaryResult::Unknown),
        ] {
            assert_eq!(result(code, message, &[]), expected, "{message}");
        }
    }

    #[test]
    fn each_result_has_a_name_of_its_own_and_words() {
        let names: std::collections::BTreeSet<_> = CanaryResult::ALL.iter().map(|result| result.as_str()).collect();
        assert_eq!(names.len(), CanaryResult::ALL.len());
        assert!(CanaryResult::ALL.iter().all(|result| !result.explanation().is_empty()));
    }
}
