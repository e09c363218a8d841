//! The whole way of a request through this module: made fit for s3s, served, and its answer made S3's.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3ErrorCode};

use super::answer::Asked;
use super::xml_body::DocumentMemory;
use super::{S3Gateway, answer, error, keep_alive, request};
use crate::addressing::VirtualHosts;
use crate::objects::ObjectStore;

/// What the S3 service is told at start.
#[derive(Clone, Debug)]
pub struct S3ServiceConfig {
    /// The region that buckets are said to be in.
    pub region: String,
    /// Where bucket names in front of a domain are looked for.
    pub virtual_hosts: VirtualHosts,
}

/// Builds the innermost service: S3's operations over `store`.
///
/// It verifies no signature and trusts that its callers did. Every answer, errors included, is complete but for
/// the headers that identify the request.
#[must_use]
pub fn service(store: ObjectStore, config: S3ServiceConfig) -> S3Http {
    let mut builder = S3ServiceBuilder::new(S3Gateway::new(store, config.region));
    builder.set_host(config.virtual_hosts.clone());
    // Documents are read, with limits of their own, before s3s sees the request; this is a second line.
    let mut limits = S3Config::default();
    limits.xml_max_body_size = request::DOCUMENT_BYTES_MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
    let documents = DocumentMemory::default();
    S3Http { s3: builder.build(), virtual_hosts: Arc::new(config.virtual_hosts), documents }
}

/// S3 over HTTP, as a tower service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct S3Http {
    s3: S3Service,
    virtual_hosts: Arc<VirtualHosts>,
    documents: DocumentMemory,
}

impl tower::Service<Request<Body>> for S3Http {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}

impl S3Http {
    async fn respond(self, request: Request<Body>) -> Response<Body> {
        let may_run_long = keep_alive::may_run_long(&request);
        let asked = Asked::of(&request);
        let work = async move { answer::finish(self.serve(request).await, &asked) };
        if may_run_long { keep_alive::respond(work).await } else { work.await }
    }

    async fn serve(self, request: Request<Body>) -> Response<Body> {
        let request = match request::prepare(request, &self.virtual_hosts, &self.documents).await {
            Ok(request) => request,
            Err(refused) => {
                error::log("request", &refused);
                return written(refused);
            }
        };
        match self.s3.call(request).await {
            Ok(response) => response,
            Err(failed) => {
                let failed = S3Error::with_source(S3ErrorCode::InternalError, failed.into());
                error::log("answer", &failed);
                written(failed)
            }
        }
    }
}

fn written(error: S3Error) -> Response<Body> {
    error.to_http_response().expect("writing an error document to memory cannot fail")
}
