//! A registry, Debian's `docker-registry`, with TLS, and a login or tokens.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::fixtures::{Client, Helm};
use super::web_server::WebServer;

const PROGRAM: &str = "/usr/bin/docker-registry";
/// The user of every registry with a login.
pub(crate) const USER: &str = "bot";
pub(crate) const PASSWORD: &str = "t0p-s3cret";
/// The user and the password as bcrypt has it, as `htpasswd -B` writes them.
const HTPASSWD: &str = "bot:$2b$04$HTOXrd9p/OUJUmXRHeZ7AeT7cZa9nPE8xkFm6b6MUz1LyyMUVVaPy\n";

pub(crate) struct Registry {
    child: Child,
    pub(crate) port: u16,
    /// Gives tokens, where the registry wants some.
    pub(crate) tokens: Option<WebServer>,
}

/// Who may read a registry.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Access {
    Anybody,
    Login,
    Token,
}

impl Registry {
    /// Starts a registry; `None` where there is none to start and nobody insists.
    pub(crate) fn start(client: &Client, access: Access) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            let missing = format!("{PROGRAM} is missing (on Debian: apt-get install docker-registry)");
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (cert, key) = (client.file("cert.pem", &client.pair.cert), client.file("key.pem", &client.pair.key));
        let data = client.folder.path().join("registry");
        let (auth, tokens) = match access {
            Access::Anybody => (String::new(), None),
            Access::Login => {
                let file = client.file("htpasswd", HTPASSWD);
                (format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display()), None)
            }
            Access::Token => {
                let (server, bundle) = token_server(client);
                let auth = format!(
                    "auth: {{token: {{realm: \"{}\", service: registry, issuer: tokens, rootcertbundle: {bundle}}}}}\n",
                    server.url("/token?from=registry")
                );
                (auth, Some(server))
            }
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\", tls: {{certificate: {}, key: {}}}}}\n{auth}",
            data.display(),
            cert.display(),
            key.display()
        );
        let config = client.file("registry.yaml", &config);
        let log = fs::File::create(client.folder.path().join("registry.log")).unwrap();
        let child = Command::new(PROGRAM)
            .arg("serve")
            .arg(config)
            .env_clear()
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let registry = Self { child, port, tokens };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(client.folder.path().join("registry.log")).unwrap();
            assert!(begun.elapsed() < Duration::from_mins(1), "the registry does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// The address of a folder in it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("oci://127.0.0.1:{}{path}", self.port)
    }

    /// Packs a chart and pushes it.
    pub(crate) fn push(&self, client: &Client, helm: &Helm, name: &str, version: &str, access: Access) {
        let archive = helm.package(name, version, &client.folder.path().join("packages"));
        let (archive, url) = (archive.display().to_string(), self.url("/charts"));
        let ca = client.folder.path().join("ca.pem").display().to_string();
        let mut arguments = vec!["push", &archive, &url, "--ca-file", &ca];
        if access != Access::Anybody {
            arguments.extend(["--username", USER, "--password", PASSWORD]);
        }
        helm.run(&arguments);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that gives tokens for a login; and the certificate that they are signed with.
fn token_server(client: &Client) -> (WebServer, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["tokens".to_owned()]).unwrap().self_signed(&key).unwrap();
    let bundle = client.file("tokens.pem", &certificate.pem()).display().to_string();
    let der = STANDARD.encode(certificate.der());
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der()).unwrap();
    let server = WebServer::tls(client.folder.path(), &client.pair);
    let login = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let handler = move |request: &hyper::http::request::Parts| {
        let given = request.headers.get(hyper::header::AUTHORIZATION);
        if given.is_none_or(|given| given.as_bytes() != login.as_bytes()) {
            return Some((401, Vec::new()));
        }
        let query = request.uri.query().unwrap_or_default().replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let scope = query.split('&').find_map(|parameter| parameter.strip_prefix("scope=")).unwrap_or_default();
        let mut scope = scope.split(':');
        let (kind, name, actions) = (scope.next(), scope.next(), scope.next().unwrap_or_default());
        let access = json!([{"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}]);
        let now = jiff::Timestamp::now().as_second();
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [der]});
        let claims = json!({
            "iss": "tokens", "sub": USER, "aud": "registry", "jti": "1", "access": access,
            "iat": now, "nbf": now - 60, "exp": now + 300,
        });
        let content = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = signer.sign(&SystemRandom::new(), content.as_bytes()).unwrap();
        let token = format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature));
        Some((200, json!({"token": token}).to_string().into_bytes()))
    };
    *server.state.handler.lock().unwrap() = Some(std::sync::Arc::new(handler));
    (server, bundle)
}
