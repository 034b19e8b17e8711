//! TLS, with an authority of one's own.

use klg_lock_tests::Authority;

use super::*;

async fn error(uri: &str) -> String {
    let required = LinkOptions {
        require_connection: true,
        ..options()
    };
    Link::open(&Endpoint::parse(uri).unwrap(), required)
        .await
        .expect_err(uri)
        .to_string()
}

#[tokio::test]
async fn a_server_is_known_by_its_authority_and_a_client_by_its_certificate() {
    let authority = Authority::new();
    let server = Server::with().tls(&authority, true).password("pw").start();
    let trusting = format!("{}?tls_ca={}", server.tls_uri(), authority.root().display());
    let full = format!(
        "{trusting}&tls_cert={}&tls_key={}",
        authority.client_certificate().display(),
        authority.client_key().display()
    );
    let link = open(&full).await;
    ask(&link, &["SET", "k", "1"]).await.unwrap();
    assert!(link.server().starts_with("rediss://localhost:"));
    for _ in 0..3 {
        server.control().kill_clients();
        recovers(&link, &["PING"]).await;
    }
    let big = "x".repeat(1 << 20);
    ask(&link, &["SET", "big", &big]).await.unwrap();
    assert_eq!(
        ask(&link, &["GET", "big"]).await.unwrap(),
        Value::BulkString(big.into())
    );
    // Without a certificate the server ends the connection; when it says why depends on timing.
    error(&trusting).await;
}

#[tokio::test]
async fn a_wrong_authority_or_file_is_said_with_the_way_out() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let server = Server::with().tls(&right, false).start();
    let uri = server.tls_uri();
    let text = error(&format!("{uri}?tls_ca={}", wrong.root().display())).await;
    assert!(text.contains("tls_ca"), "{text}");
    let text = error(&format!("{uri}?tls_ca=/no/such.pem")).await;
    assert!(text.contains("/no/such.pem"), "{text}");
    let text = error(&format!("{uri}?tls_ca={}", right.client_key().display())).await;
    assert!(text.contains("no certificate in PEM"), "{text}");
    let by_number = uri.replace("localhost", "127.0.0.1");
    open(&format!("{by_number}?tls_ca={}", right.root().display())).await;
    // TLS to a server that has none, and the reverse.
    let plain = server.uri().replace("redis://", "rediss://");
    let text = error(&format!("{plain}?tls_ca={}", right.root().display())).await;
    assert!(text.contains("TLS"), "{text}");
    let text = error(&uri.replace("rediss://", "redis://")).await;
    assert!(text.contains("rediss://"), "{text}");
}
