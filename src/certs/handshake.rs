//! Why a TLS connection was not made, in words.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a handshake failed, as whoever connects to a server sees it.
pub(crate) fn handshake_failure(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => in_words(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the other side closed the connection".into(),
        None => error.to_string(),
    }
}

fn in_words(error: &Error) -> String {
    let words = match error {
        Error::InvalidCertificate(error) => return certificate_failure(error),
        Error::InvalidMessage(_) => "the other side does not speak TLS",
        Error::PeerIncompatible(_) => "the other side has no version of TLS, or no cipher, that is supported here",
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the other side wants a certificate of the client"
        }
        Error::AlertReceived(AlertDescription::UnknownCA) => {
            "the other side does not trust the CA of this side's certificate"
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the other side has no version of TLS that is supported here"
        }
        Error::AlertReceived(_) => "the other side refuses the connection",
        other => return other.to_string(),
    };
    words.to_owned()
}

/// What is wrong with the certificate of the other side.
pub(crate) fn certificate_failure(error: &CertificateError) -> String {
    let words = match error {
        CertificateError::UnknownIssuer => "it is not signed by a CA that is trusted here",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another name",
        CertificateError::Revoked => "it is revoked",
        CertificateError::BadEncoding => "it is damaged",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "it is a CA's certificate, not a server's; the server needs one of its own"
        }
        other => return other.to_string(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible};

    use super::*;

    #[test]
    fn failures_are_told_in_words() {
        let wrapped = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (error, words) in [
            (wrapped(Error::InvalidMessage(InvalidMessage::InvalidContentType)), "does not speak TLS"),
            (wrapped(Error::InvalidCertificate(CertificateError::Expired)), "it has expired"),
            (wrapped(Error::InvalidCertificate(CertificateError::NotValidForName)), "it is for another name"),
            (wrapped(Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)), "no cipher"),
            (wrapped(Error::AlertReceived(AlertDescription::CertificateRequired)), "a certificate of the client"),
            (io::ErrorKind::UnexpectedEof.into(), "closed the connection"),
        ] {
            let told = handshake_failure(&error);
            assert!(told.contains(words), "{told}");
        }
    }
}
