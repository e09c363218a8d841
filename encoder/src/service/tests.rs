use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::sync::oneshot;
use tower::{Service as _, ServiceExt as _};

use super::*;

fn pool(threads: usize, memory_bytes: u64) -> CpuPool {
    CpuPool::new(&EncoderConfig { threads: NonZeroUsize::new(threads).unwrap(), memory_bytes }).unwrap()
}

fn config() -> EncodingConfig {
    EncodingConfig::new(10).unwrap()
}

fn request(bytes: usize) -> EncodeRequest {
    EncodeRequest::InMemory { config: config(), blob: Bytes::from(vec![7; bytes]) }
}

#[tokio::test]
async fn the_service_encodes() {
    let service = EncoderService::new(pool(2, 1 << 20));
    let encoded = service.oneshot(request(1000)).await.unwrap();
    assert_eq!(encoded.metadata, crate::compute_metadata(config(), &[7; 1000]).unwrap());
}

#[tokio::test]
async fn a_blob_that_cannot_be_encoded_is_refused() {
    let service = EncoderService::new(pool(1, 1 << 20));
    let refused = service.clone().oneshot(request(1_834_953)).await;
    assert!(matches!(refused, Err(ServiceError::Encode(EncodeError::BlobTooLarge(_)))));
    let refused = service.oneshot(request(1_834_952)).await;
    assert!(matches!(refused, Err(ServiceError::Pool(PoolError::MemoryExceeded { .. }))));
}

/// Far too large for the memory, were it not for the spool.
#[tokio::test]
async fn a_blob_larger_than_the_memory_is_encoded_into_a_spool() {
    let config = EncodingConfig::new(100).unwrap();
    let blob: Bytes = (0..20_000_000_u32).map(|index| (index % 251) as u8).collect::<Vec<_>>().into();
    let pool = pool(2, 16 << 20);
    let refused = EncoderService::new(pool.clone())
        .oneshot(EncodeRequest::InMemory { config, blob: blob.clone() })
        .await;
    assert!(matches!(refused, Err(ServiceError::Pool(PoolError::MemoryExceeded { .. }))));

    let files = vec![tempfile::tempfile().unwrap()];
    let request = EncodeRequest::IntoSpool { config, blob: Arc::new(blob.clone()), files };
    let spooled = EncoderService::new(pool).oneshot(request).await.unwrap();
    let expected = encode(config, blob).unwrap();
    assert_eq!(spooled.metadata, expected.metadata);
    for pair in [0, 33, 99].map(crate::SliverPairIndex) {
        for axis in crate::Axis::BOTH {
            assert_eq!(spooled.sliver(axis, pair).unwrap(), expected.sliver(axis, pair).unwrap());
        }
    }
}

/// Decoding is the last resort of readers and of repair: it must not fail for the number of processors.
#[test]
fn the_defaults_fit_a_blob_on_any_number_of_threads() {
    let config = EncodingConfig::new(100).unwrap();
    for threads in [1, 2, 8, 64, 256] {
        let encoding = config.encode_memory_bytes(17 << 19, threads).unwrap();
        let decoding = config.decode_memory_bytes(17 << 19, threads).unwrap() + (17 << 19);
        assert!(encoding.max(decoding) <= 96 << 20, "{encoding} and {decoding} bytes, {threads} threads");
    }
}

#[tokio::test]
async fn a_panic_ends_one_job_and_not_the_pool() {
    let pool = pool(1, 1 << 20);
    for _ in 0..10 {
        let outcome = pool.run(1 << 20, || std::panic::resume_unwind(Box::new("a defect"))).await;
        assert_eq!(outcome.map(|()| unreachable!()), Err::<(), _>(PoolError::JobPanicked));
    }
    assert_eq!(pool.run(1 << 20, || 42).await, Ok(42));
}

#[tokio::test]
async fn running_jobs_never_exceed_the_memory() {
    const JOB_BYTES: u64 = 100 * 1024;
    const LIMIT_BYTES: u64 = 256 * 1024;
    let pool = pool(4, LIMIT_BYTES);
    let (used, peak) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let jobs = (0..40).map(|_| {
        let (pool, used, peak) = (pool.clone(), Arc::clone(&used), Arc::clone(&peak));
        tokio::spawn(async move {
            let job = move || {
                let now = used.fetch_add(JOB_BYTES, Ordering::SeqCst) + JOB_BYTES;
                peak.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(2));
                used.fetch_sub(JOB_BYTES, Ordering::SeqCst);
            };
            pool.run(JOB_BYTES, job).await
        })
    });
    for job in jobs.collect::<Vec<_>>() {
        assert_eq!(job.await.unwrap(), Ok(()));
    }
    let peak = peak.load(Ordering::SeqCst);
    assert!((JOB_BYTES..=LIMIT_BYTES).contains(&peak), "{peak}");
}

#[tokio::test]
async fn a_job_larger_than_the_pool_is_refused_at_once() {
    let pool = pool(1, 1000);
    let refused = pool.run(1001, || ()).await;
    assert_eq!(refused, Err(PoolError::MemoryExceeded { needed_bytes: 1001, available_bytes: 1000 }));
    assert_eq!(pool.run(1000, || 1).await, Ok(1));
}

#[tokio::test]
async fn readiness_stands_for_a_place_that_is_given_back() {
    let mut context = Context::from_waker(Waker::noop());
    let service = EncoderService::new(pool(1, 1 << 20));
    // One thread admits two jobs.
    let mut services = [service.clone(), service.clone(), service];
    let [first, second, third] = &mut services;
    assert!(first.poll_ready(&mut context).is_ready());
    assert!(first.poll_ready(&mut context).is_ready(), "asking twice takes one place");
    assert!(second.poll_ready(&mut context).is_ready());
    assert!(third.poll_ready(&mut context).is_pending());
    assert!(second.clone().poll_ready(&mut context).is_pending(), "a clone holds no place");
    first.call(request(10)).await.unwrap();
    // The caller may hear of the result a moment before the place is free.
    let freed = tokio::time::timeout(std::time::Duration::from_secs(30), third.ready()).await;
    assert!(freed.unwrap().is_ok());
}

#[tokio::test]
async fn work_that_nobody_waits_for_keeps_its_memory_until_it_ends() {
    let pool = pool(2, 1000);
    let (release_tx, release_rx) = std::sync::mpsc::channel::<()>();
    let (started_tx, started_rx) = oneshot::channel();
    let abandoned = tokio::spawn({
        let pool = pool.clone();
        async move {
            let job = move || {
                started_tx.send(()).unwrap();
                release_rx.recv().unwrap();
            };
            pool.run(1000, job).await
        }
    });
    started_rx.await.unwrap();
    abandoned.abort();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(1, || ()).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    release_tx.send(()).unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[test]
fn unknown_settings_are_refused() {
    let read = serde_json::from_str::<EncoderConfig>;
    assert_eq!(read("{}").unwrap(), EncoderConfig::default());
    assert_eq!(read(r#"{"memory_bytes": 7}"#).unwrap().memory_bytes, 7);
    assert!(read(r#"{"memory": 7}"#).is_err());
    assert!(read(r#"{"threads": 0}"#).is_err());
}
