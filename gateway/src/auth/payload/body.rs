//! A request body that is read, checked and unwrapped as the inner service polls it.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use s3s::Body;
use tokio::time::{Instant, Sleep};

use super::chunked::ChunkedDecoder;
use super::error::PayloadError;
use super::mode::PayloadMode;
use super::plain::PlainDecoder;
use super::{PayloadPlan, TrailersHandle};
use crate::auth::signing::ChunkChain;

/// The verdict on a payload that failed, for whoever answers the request.
///
/// Layers in between turn a stream's error into one of their own, mostly an internal error; this one is the cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailureSlot(Arc<OnceLock<PayloadFailure>>);

/// A failed payload in terms of S3.
#[derive(Debug)]
pub(crate) struct PayloadFailure {
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl FailureSlot {
    pub(crate) fn get(&self) -> Option<&PayloadFailure> {
        self.0.get()
    }

    fn set(&self, error: &PayloadError) {
        let (code, status) = error.s3_code();
        // A body fails once; the first failure is the cause.
        let _ = self.0.set(PayloadFailure { code, status, message: error.to_string() });
    }
}

/// The payload of a request, decoded. Does not touch the wire before its first poll.
///
/// Hashing happens in the poll: at most one transport buffer (some 16 KiB) at a time, microseconds of work.
pub(crate) struct VerifiedBody {
    wire: Body,
    /// Received, but not decoded yet.
    undecoded: Bytes,
    decoder: Decoder,
    idle: IdleTimer,
    trailers: TrailersHandle,
    failure: FailureSlot,
    ended: bool,
}

enum Decoder {
    Plain(PlainDecoder),
    /// Boxed, as its chain of signatures is large.
    Chunked(Box<ChunkedDecoder>),
}

impl VerifiedBody {
    /// `chain` continues the request's signature; it must be there in the signed modes.
    pub(crate) fn new(
        wire: Body,
        plan: &PayloadPlan,
        chain: Option<ChunkChain>,
        idle_timeout: Duration,
        trailers: TrailersHandle,
        failure: FailureSlot,
    ) -> Self {
        let decoder = Decoder::new(plan, chain);
        let idle = IdleTimer { idle_timeout, sleep: None, armed: false };
        Self { wire, undecoded: Bytes::new(), decoder, idle, trailers, failure, ended: false }
    }

    fn fail(&mut self, error: PayloadError) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        self.failure.set(&error);
        self.ended = true;
        // What is still under way must not keep memory until the request is gone.
        self.undecoded = Bytes::new();
        Poll::Ready(Some(Err(error)))
    }

    fn finish(&mut self) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        match self.decoder.finish() {
            Ok(trailers) => {
                self.trailers.set(trailers);
                self.ended = true;
                Poll::Ready(None)
            }
            Err(error) => self.fail(error),
        }
    }

    /// The next bytes from the wire; none at its end.
    fn poll_wire(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, PayloadError>> {
        loop {
            match Pin::new(&mut self.wire).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.idle.disarm();
                    // HTTP's own trailers carry nothing that S3 knows.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Poll::Ready(Some(Err(source))) => return Poll::Ready(Err(PayloadError::Transport(source))),
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Pending => {
                    ready!(self.idle.poll(context));
                    let idle_timeout = self.idle.idle_timeout;
                    return Poll::Ready(Err(PayloadError::IdleTimeout { idle_timeout }));
                }
            }
        }
    }
}

impl HttpBody for VerifiedBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let polled = loop {
            if this.ended {
                break Poll::Ready(None);
            }
            match this.decoder.decode(&mut this.undecoded) {
                Ok(Some(data)) => break Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(None) => {}
                Err(error) => break this.fail(error),
            }
            match ready!(this.poll_wire(context)) {
                Ok(Some(data)) => this.undecoded = data,
                Ok(None) => break this.finish(),
                Err(error) => break this.fail(error),
            }
        };
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        match self.decoder.remaining() {
            Some(remaining) if !self.ended => SizeHint::with_exact(remaining),
            Some(_) => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }
}

impl Decoder {
    fn new(plan: &PayloadPlan, chain: Option<ChunkChain>) -> Self {
        let announced = plan.announced_trailers.clone();
        let decoded_length = || plan.decoded_length.expect("a plan for chunks has their decoded length");
        match plan.mode {
            PayloadMode::Unsigned => Self::Plain(PlainDecoder::new(plan.decoded_length, None)),
            PayloadMode::Sha256(sha256) => Self::Plain(PlainDecoder::new(plan.decoded_length, Some(sha256))),
            PayloadMode::UnsignedChunks => {
                Self::Chunked(Box::new(ChunkedDecoder::unsigned(decoded_length(), announced)))
            }
            PayloadMode::SignedChunks(trailers) => {
                let chain = chain.expect("signed chunks are accepted only after a signature in a header");
                Self::Chunked(Box::new(ChunkedDecoder::signed(decoded_length(), chain, trailers, announced)))
            }
        }
    }

    fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        match self {
            Self::Plain(decoder) => decoder.decode(input),
            Self::Chunked(decoder) => decoder.decode(input),
        }
    }

    fn finish(&mut self) -> Result<HeaderMap, PayloadError> {
        match self {
            Self::Plain(decoder) => decoder.finish().map(|()| HeaderMap::new()),
            Self::Chunked(decoder) => decoder.finish(),
        }
    }

    fn remaining(&self) -> Option<u64> {
        match self {
            Self::Plain(decoder) => decoder.remaining(),
            Self::Chunked(decoder) => Some(decoder.remaining()),
        }
    }
}

/// Limits a single wait for the wire. A body may take hours as long as it moves.
struct IdleTimer {
    idle_timeout: Duration,
    /// Made at the first wait, and used again.
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl IdleTimer {
    fn disarm(&mut self) {
        self.armed = false;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.idle_timeout)));
        if !self.armed {
            sleep.as_mut().reset(Instant::now() + self.idle_timeout);
            self.armed = true;
        }
        sleep.as_mut().poll(context)
    }
}
