//! The yardstick: hyper, a body read, a body written, nothing else.

use std::convert::Infallible;
use std::io::Write as _;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// Answers every request with as many bytes as the second argument says.
pub(crate) async fn serve() -> Result<()> {
    let size: usize = std::env::args().nth(2).unwrap_or_default().parse()?;
    let body = Bytes::from(vec![b'x'; size]);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let body = body.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let body = body.clone();
            async move {
                // A body that breaks off is answered all the same.
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(Full::new(body)))
            }
        });
        tokio::spawn(async move {
            let builder = http1::Builder::new().timer(TokioTimer::new()).clone();
            // A client that goes away is no fault.
            let _ = builder.serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
