//! Private keys for SSH: OpenSSH's own format and PEM, with a passphrase or without one.

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, Algorithm as Cipher, DecryptionContext};
use aws_lc_rs::cipher::{PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{Algorithm, Error, PrivateKey, decode_secret_key, ssh_key};

/// Reads a private key. A passphrase that the key does not need is ignored.
///
/// # Errors
///
/// Says what is wrong with the key or the passphrase, without either.
pub(super) fn read_private_key(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, String> {
    let key = if text.contains(LEGACY_ENCRYPTION) {
        let passphrase = passphrase.ok_or(NO_PASSPHRASE)?;
        decode_secret_key(&decrypt_legacy(text, passphrase)?, None).map_err(as_decrypted)
    } else if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        let passphrase = passphrase.ok_or(NO_PASSPHRASE)?;
        decode_secret_key(text, Some(passphrase)).map_err(as_decrypted)
    } else if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
        decode_secret_key(text, passphrase)
    } else {
        decode_secret_key(text, None)
    };
    let key = key.map_err(|error| match error {
        Error::KeyIsEncrypted => NO_PASSPHRASE,
        Error::KeyIsCorrupt | Error::SshKey(ssh_key::Error::Crypto) => WRONG_PASSPHRASE,
        Error::UnknownAlgorithm(_) | Error::UnsupportedKeyType { .. } => UNKNOWN_TYPE,
        _ => NO_KEY,
    })?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => Ok(key),
        _ => Err(UNKNOWN_TYPE.to_owned()),
    }
}

/// What an error means for what was decrypted: a wrong passphrase makes noise of a key, which is seen
/// by its padding, or else by its content.
fn as_decrypted(error: Error) -> Error {
    match error {
        Error::Decode(_) | Error::UnknownAlgorithm(_) | Error::UnsupportedKeyType { .. } => error,
        _ => Error::KeyIsCorrupt,
    }
}

/// Decrypts a PEM key of the form that `ssh-keygen -m PEM` and `openssl -traditional`
/// write: its headers name the cipher.
fn decrypt_legacy(text: &str, passphrase: &str) -> Result<String, String> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN "));
    let begin = lines.next().ok_or(NO_KEY)?;
    let (mut cipher, mut encrypted) = (None, String::new());
    for line in lines.take_while(|line| !line.starts_with("-----END ")) {
        match line.split_once(':') {
            Some(("DEK-Info", info)) => cipher = info.trim().split_once(','),
            Some(_) => {}
            None => encrypted.push_str(line),
        }
    }
    let (name, iv) = cipher.ok_or(NO_KEY)?;
    let (cipher, key_size): (&Cipher, _) = match name {
        "AES-128-CBC" => (&AES_128, 16),
        "AES-192-CBC" => (&AES_192, 24),
        "AES-256-CBC" => (&AES_256, 32),
        _ => return Err(format!("it is encrypted with {}, not with AES; {RENEW}", super::error::one_line(name))),
    };
    let iv: [u8; 16] = parse_hex(iv).and_then(|iv| iv.try_into().ok()).ok_or(NO_KEY)?;
    let mut bytes = STANDARD.decode(encrypted).map_err(|_| NO_KEY)?;

    let mut key = Vec::new();
    let mut block = Vec::new();
    while key.len() < key_size {
        // `EVP_BytesToKey` of OpenSSL, with one round of MD5.
        block = md5::compute([&block, passphrase.as_bytes(), &iv[..8]].concat()).to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(key_size);
    let key = UnboundCipherKey::new(cipher, &key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let context = DecryptionContext::Iv128(FixedLength::from(&iv));
    let decrypted = key.and_then(|key| key.decrypt(&mut bytes, context).map(|decrypted| STANDARD.encode(decrypted)));
    let decrypted = decrypted.map_err(|_| WRONG_PASSPHRASE)?;
    Ok(format!("{begin}\n{decrypted}\n-----END PRIVATE KEY-----\n"))
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

const LEGACY_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";
const NO_KEY: &str = "it is no private key in OpenSSH or PEM form";
const NO_PASSPHRASE: &str = "it is encrypted, and sshPassphraseFile is not set";
const RENEW: &str = "`ssh-keygen -p -f FILE` writes it in a form that is read here";
const UNKNOWN_TYPE: &str = "it is of a type that is not supported; make an ed25519, ECDSA or RSA key";
const WRONG_PASSPHRASE: &str = "the passphrase in sshPassphraseFile is not that of this key";

#[cfg(test)]
mod tests {
    use super::*;

    // One key that opens nothing, as OpenSSL writes it (`openssl ecparam -genkey`, `openssl ec`), with `pass phrase`.
    const PLAIN: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEICbkKCio2R2+ZpzePutKWN8CznEGvVQXQIrr2poFWieVoAoGCCqGSM49
AwEHoUQDQgAEEW4ssF0IP4vt9o5LmpXWOBxK3vAbh+V+UY4E948AjYvy/8C/fvMM
TgJBBFvrcrFUPElpXa9WN0oseYmN8nWU8g==
-----END EC PRIVATE KEY-----
";
    const PLAIN_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJuQoKKjZHb5mnN4+
60pY3wLOcQa9VBdAiuvamgVaJ5WhRANCAAQRbiywXQg/i+32jkualdY4HEre8BuH
5X5RjgT3jwCNi/L/wL9+8wxOAkEEW+tysVQ8SWldr1Y3Six5iY3ydZTy
-----END PRIVATE KEY-----
";
    const AES_192_PEM: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-192-CBC,60E57693B6738B4FFD129535F069BC2C

S7RDWOWgpqLhVbtgy5q5ubSFdw1LWfYDxJtX4825cPKIQwNGmWjLiZS0dh8ZjeK8
kqhMjykKExCLftmSjapjSNPJbi2NmgFi0GaByOsrD7D/6ODHF88hw25gfc6njCe8
MGGzsn8u6vGBPdrkM4gPz/vUjNZFx+/Zi4IXg7MhMuU=
-----END EC PRIVATE KEY-----
";
    const AES_256_PEM: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,C334B584D9CCB6FA796390B1F5091CE1

JZFdSlE5gUr0yKaLGVlYm2yKf5MIryFJDEdBCaISKBC7e4L5YY/68SdGTMLB/8K4
092i//THUWoKORcTkPp7B3PyfNamp01sC04ngwMI4kvrNrzR/QIt2jNQHH5H4s2q
QGS8f30mI2sl7yj3Flsy2enecwKAU38+rZE/SIqcC4s=
-----END EC PRIVATE KEY-----
";
    const TRIPLE_DES_PEM: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: DES-EDE3-CBC,4868C39809638C97

gEvhFKH94DwZKOlKqvB/CiEaV1+nG9346Gk6V0tg/8ccck9poABxRllqr5kKdIa5
T2WlIgxqixt9Qd2OseLgyGE1Ay1u6rrXqJasj4VyD2jMtP3vNp5QtyrZBl4Saqr5
wGRqZOEhqdl2rs/UKIjEdWna06G0l3Vgstx92rmf2PE=
-----END EC PRIVATE KEY-----
";

    #[test]
    fn pem_keys_are_read_as_openssl_writes_them() {
        let key = read_private_key(PLAIN, None).unwrap();
        for text in [PLAIN, PLAIN_PKCS8, AES_192_PEM, AES_256_PEM] {
            assert_eq!(read_private_key(text, Some("pass phrase")).unwrap().public_key(), key.public_key(), "{text}");
        }
        for text in [AES_192_PEM, AES_256_PEM] {
            assert_eq!(read_private_key(text, None).unwrap_err(), NO_PASSPHRASE);
            for wrong in ["s3cret", "pass phrase ", ""] {
                assert_eq!(read_private_key(text, Some(wrong)).unwrap_err(), WRONG_PASSPHRASE);
            }
        }
    }

    #[test]
    fn what_is_no_key_is_told_without_its_text() {
        let error = read_private_key(TRIPLE_DES_PEM, Some("pass phrase")).unwrap_err();
        assert!(error.starts_with("it is encrypted with DES-EDE3-CBC, not with AES;"), "{error}");
        let header = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        for text in [
            "",
            "s3cret",
            "-----BEGIN s3cret",
            "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n-----END OPENSSH PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\ns3cret==\n-----END PRIVATE KEY-----\n",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ s3cret",
            &format!("{header}\ns3cret\n"),
            &format!("{header}DEK-Info: AES-128-CBC,s3cret\n\nAAAA\n"),
            &format!("{header}DEK-Info: AES-128-CBC\n\nAAAA\n"),
        ] {
            assert_eq!(read_private_key(text, Some("pass phrase")).unwrap_err(), NO_KEY, "{text}");
        }
    }
}
