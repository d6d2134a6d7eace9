//! TLS to PostgreSQL: only to a server whose certificate an authority that we trust has signed.

use std::path::Path;
use std::process::Command;

use forebay_testkit::{Postgres, lacks};
use serde_json::json;

use crate::support::{Server, forebay, orders};

const CA: &str = "FOREBAY_DATABASE__POSTGRES__TLS_CA";

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(["req", "-x509", "-days", "2", "-nodes", "-newkey", "ec"]);
    command.args(["-pkeyopt", "ec_paramgen_curve:P-256"]).args(arguments);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Makes an authority: `NAME.crt` and `NAME.key`.
pub(crate) fn authority(folder: &Path, name: &str) {
    let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
    let subject = format!("/CN={name}");
    let names = ["-keyout", &key, "-out", &crt, "-subj", &subject];
    openssl(folder, &[&names[..], &["-addext", "basicConstraints=critical,CA:TRUE"]].concat());
}

/// Makes the server's certificate, for its address alone.
pub(crate) fn server_certificate(folder: &Path) {
    let by = ["-CA", "ours.crt", "-CAkey", "ours.key", "-subj", "/CN=database"];
    let files = ["-keyout", "server.key", "-out", "server.crt"];
    let what = ["-addext", "subjectAltName=IP:127.0.0.1"];
    let no_authority = ["-addext", "basicConstraints=critical,CA:FALSE"];
    openssl(folder, &[&by[..], &files, &what, &no_authority].concat());
}

/// What a start on this database says when it fails, and its status.
fn refused(url: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = forebay();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]);
    command.arg(folder.path()).env("DATABASE_URL", url).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn the_database_is_trusted_by_its_certificate() {
    if lacks(&Postgres::install()) {
        return;
    }
    let made = tempfile::tempdir().unwrap();
    authority(made.path(), "ours");
    authority(made.path(), "other");
    server_certificate(made.path());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| made.path().join(name).to_str().unwrap().to_owned();
    for name in ["server.crt", "server.key"] {
        std::fs::copy(path(name), folder.path().join(name)).unwrap();
    }
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let settings = [
        ("ssl", "on"),
        ("ssl_cert_file", &file("server.crt")),
        ("ssl_key_file", &file("server.key")),
    ];
    let postgres = Postgres::start_with(folder.path(), &settings).unwrap();
    let url = postgres.url().replace("forebay@", "forebay:s3cret@") + "?sslmode=require";
    assert!(url.contains("s3cret"));

    let ours = path("ours.crt");
    let s = Server::start_on(Some(url.clone()), &[(CA, &ours)]);
    s.put("/v1/streams/orders", orders()).await.expect(201);
    s.post("/v1/streams/orders/records", json!({"n": 1})).await.expect(200);
    let (client, connection) =
        tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = "SELECT bool_and(ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name = 'forebay'";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, Option<bool>>(0), Some(true), "of {} sessions", row.get::<_, i64>(1));

    let other = path("other.crt");
    let elsewhere = url.replace("127.0.0.1", "db.example") + "&hostaddr=127.0.0.1";
    for (url, environment) in [
        (&url, vec![(CA, other.as_str())]),
        // Without a file the system's authorities are asked, and they know nothing of ours.
        (&url, vec![]),
        // The certificate is for the address, not for this name.
        (&elsewhere, vec![(CA, ours.as_str())]),
    ] {
        let (status, said) = refused(url, &environment);
        assert_eq!(status, Some(3), "{said}");
        assert!(said.contains("certificate"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn a_database_without_tls_is_refused_where_tls_is_required() {
    if lacks(&Postgres::install()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path()).unwrap();
    let (status, said) = refused(&(postgres.url() + "?sslmode=require"), &[]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("TLS"), "{said}");
    drop(Server::start_on(Some(postgres.url() + "?sslmode=prefer"), &[]));
}
