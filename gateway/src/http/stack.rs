//! The way of a request, in one function.

use std::num::NonZeroUsize;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use s3s::Body;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use super::in_flight::InFlightLayer;
use super::observe::ObserveLayer;
use super::request_id::RequestIdLayer;
use super::unread_body::UnreadBodyLayer;

/// The whole stack around `s3`, ready for [`Server`](super::Server). `admission` refuses what we do not
/// offer, `auth` whom we do not know; both answer such requests themselves.
///
/// Errors: `s3` answers its own as S3 documents; an error it returns instead breaks its promise, and the
/// connection is all that is left to end.
pub fn stack<Admission, Auth, S3>(
    max_in_flight_requests: NonZeroUsize,
    admission: Admission,
    auth: Auth,
    s3: S3,
) -> impl Service<
    Request<Incoming>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    Auth: Layer<S3>,
    Admission: Layer<Auth::Service>,
    Admission::Service: Service<
            Request<Body>,
            Response = Response<Body>,
            Future: Send + 'static,
            Error: Into<BoxError> + Send + 'static,
        > + Clone
        + Send
        + 'static,
{
    let service = ServiceBuilder::new()
        // First, so that even a shed request has an ID. The header names the server on every answer as well.
        .map_response(name_server)
        .layer(RequestIdLayer::new())
        // Second, so that a shed request has a span and a count, and the time below is all of it.
        .layer(ObserveLayer)
        // Outside of all that may refuse an upload. hyper's body becomes the one everything below replaces at
        // will.
        .layer(UnreadBodyLayer)
        // A limit alone would queue without bound: what would wait is shed, as `SlowDown`. Before the work of
        // checking signatures, which is what an overload must not cost.
        .layer(InFlightLayer::new(max_in_flight_requests))
        // What we do not offer is `NotImplemented` for anybody, so nothing about a bucket can be learned from
        // it.
        .layer(admission)
        // From here on there is an identity, and a body that has proven what it is when it ends.
        .layer(auth)
        .service(s3);
    ServiceExt::<Request<Incoming>>::map_err(service, Into::into)
}

fn name_server<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("Haulout"));
    response
}

#[cfg(test)]
mod tests;
