//! What the Secrets of the renderer hold, at every step of a rotation.

use super::*;
use crate::certs::CertificateAuthority;
use crate::cluster::testing::api_server::ApiServer;

const HOST: &str = "wall-renderer.ops.svc";
const DAY: Duration = Duration::from_hours(24);

fn spec() -> CertificateSpec {
    CertificateSpec {
        service: "wall".into(),
        names: vec!["wall.ops.svc".into()],
        ca_validity: 2 * DAY,
        certificate_validity: DAY,
        renderer: Some(HOST.into()),
    }
}

fn secrets(server: &ApiServer) -> RendererSecrets {
    RendererSecrets::new(&server.context("one"), &spec()).unwrap()
}

fn pairs(server: &ApiServer) -> [Pair; 2] {
    ["wall-renderer", "wall-renderer-client"].map(|name| {
        let secret = server.object(&format!("/api/v1/namespaces/ops/secrets/{name}")).unwrap();
        assert_eq!(secret["type"], "kubernetes.io/tls");
        read(&serde_json::from_value(secret).unwrap())
    })
}

fn leaf(pair: &Pair) -> Certificate {
    Certificate::parse_pem(&pair.cert).unwrap().remove(0)
}

fn with_ca(before: &CertificateContents, now: i64) -> CertificateContents {
    before.with_new_ca(CertificateAuthority::generate(2 * DAY).unwrap(), &[], now)
}

#[tokio::test]
async fn both_certificates_are_issued_once_and_of_their_kind() {
    let server = ApiServer::default();
    let renderer = secrets(&server);
    let now = Timestamp::now().as_second();
    renderer.keep(&CertificateContents::default(), now).await.unwrap();
    assert!(server.object("/api/v1/namespaces/ops/secrets/wall-renderer").is_none(), "there is no CA yet");
    let contents = with_ca(&CertificateContents::default(), now);
    renderer.keep(&contents, now).await.unwrap();
    let [serving, client] = pairs(&server);
    for (pair, name) in [(&serving, HOST), (&client, CLIENT_NAME)] {
        assert_eq!((&leaf(pair).names, &pair.ca), (&vec![name.to_owned()], &contents.ca_bundle().unwrap()));
        assert!(leaf(pair).is_of_key(&pair.key) && leaf(pair).is_signed_by(&contents.cas()[0]));
        let ca_key = contents.signing_ca(0).unwrap().key;
        assert!(![&pair.ca, &pair.cert, &pair.key].iter().any(|text| text.contains(ca_key.trim())));
    }
    // Each is what the other side takes: this client and this server shake hands.
    crate::certs::mutual_client_config(&client.ca, &client.cert, &client.key).unwrap();
    renderer.keep(&contents, now + 60).await.unwrap();
    assert!(pairs(&server)[0].cert == serving.cert && pairs(&server)[1].cert == client.cert, "nothing was due");
    // A third of a day is left.
    renderer.keep(&contents, now + 17 * 3600).await.unwrap();
    let [new_serving, new_client] = pairs(&server);
    assert!(new_serving.cert != serving.cert && new_client.cert != client.cert);
}

#[tokio::test]
async fn a_new_ca_is_trusted_before_it_signs_and_the_old_one_until_nothing_needs_it() {
    let server = ApiServer::default();
    let renderer = secrets(&server);
    let now = Timestamp::now().as_second();
    let first = with_ca(&CertificateContents::default(), now);
    renderer.keep(&first, now).await.unwrap();
    let before = pairs(&server);
    let both = with_ca(&first, now);
    renderer.keep(&both, now + 1).await.unwrap();
    let trusts = |pair: &Pair, contents: &CertificateContents| pair.ca.contains(contents.cas()[0].to_pem().trim());
    for (pair, before) in pairs(&server).iter().zip(&before) {
        assert!(pair.cert == before.cert && trusts(pair, &both) && trusts(pair, &first));
    }
    // The API server needs the old CA no more; a pod may not have read the new one yet.
    let newest = both.with_newest_ca_only();
    renderer.keep(&newest, now + 2).await.unwrap();
    for (pair, before) in pairs(&server).iter().zip(&before) {
        assert!(pair.cert == before.cert && trusts(pair, &first));
    }
    renderer.keep(&newest, now + SETTLING_SECONDS + 1).await.unwrap();
    for pair in &pairs(&server) {
        assert!(leaf(pair).is_signed_by(&newest.cas()[0]) && trusts(pair, &first));
    }
    let signed = pairs(&server);
    renderer.keep(&newest, now + 2 * SETTLING_SECONDS + 1).await.unwrap();
    for (pair, signed) in pairs(&server).iter().zip(&signed) {
        assert!(pair.cert == signed.cert && !trusts(pair, &first));
    }
}

#[tokio::test]
async fn what_somebody_else_put_there_is_replaced_and_its_ca_not_trusted() {
    let server = ApiServer::default();
    let renderer = secrets(&server);
    let now = Timestamp::now().as_second() + 3600;
    let contents = with_ca(&CertificateContents::default(), now);
    let foreign = CertificateAuthority::generate(DAY).unwrap();
    let ServingCertificate { ca, cert, key } = foreign.issue(&[HOST.into()], DAY).unwrap();
    renderer.write(&renderer.parts[0], None, Pair { ca, cert, key }).await.unwrap();
    renderer.keep(&contents, now).await.unwrap();
    let [serving, _] = pairs(&server);
    assert!(leaf(&serving).is_signed_by(&contents.cas()[0]) && serving.ca == contents.ca_bundle().unwrap());
    // A key that does not belong to its certificate is of no use.
    let damaged = Pair { key: foreign.key, ..serving.clone() };
    renderer.write(&renderer.parts[0], None, damaged).await.unwrap();
    renderer.keep(&contents, now).await.unwrap();
    let [mended, _] = pairs(&server);
    assert!(leaf(&mended).is_of_key(&mended.key));
}

#[test]
fn there_is_nothing_to_keep_without_a_renderer() {
    let spec = CertificateSpec { renderer: None, ..spec() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    assert!(RendererSecrets::new(&ApiServer::default().context("one"), &spec).is_none());
}
