//! Serves answers that are there at once, over plain HTTP.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A client that takes longer to say what it wants is none.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is older ends with the answer that is under way.
const LIFETIME: Duration = Duration::from_mins(1);

/// How long that answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// Answers requests until the process ends, on so many connections at a time.
pub(super) async fn serve<F>(listener: TcpListener, connections: usize, answer: F)
where
    F: Fn(&Method, &Uri) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let (answer, places) = (Arc::new(answer), Arc::new(Semaphore::new(connections)));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            if let Err(error) = hold(stream, &*answer).await {
                tracing::debug!("a connection of a client broke: {error}");
            }
            drop(place);
        });
    }
}

/// One connection, from its first request to its end.
async fn hold(
    stream: TcpStream,
    answer: &(impl Fn(&Method, &Uri) -> Response<Full<Bytes>> + Sync),
) -> Result<(), hyper::Error> {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri());
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = connection.as_mut() => return result,
        () = tokio::time::sleep(LIFETIME) => connection.as_mut().graceful_shutdown(),
    }
    tokio::time::timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
}
