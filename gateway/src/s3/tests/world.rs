//! A gateway without its outer layers, in a directory of its own.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use haulout_encoder::{CpuPool, EncoderConfig, EncoderService};
use haulout_index::{Index, IndexConfig};
use haulout_network::{EmbeddedConfig, EmbeddedNetwork, SystemClock};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use s3s::Body;
use tempfile::TempDir;
use tower::Service as _;

use crate::addressing::VirtualHosts;
use crate::first_start::MasterKey;
use crate::objects::{FRAME_BYTES, ObjectLimits, ObjectStore, Readers};
use crate::s3::{S3Http, S3ServiceConfig, service};
use crate::shipping::{Shipping, ShippingLimits};
use crate::staging::{StagingArea, StagingLimits};

/// The bucket that every test has.
pub(super) const BUCKET: &str = "bucket";

pub(super) struct World {
    service: S3Http,
    /// Last, so that files outlive what has them open.
    _parts: (Shipping, EmbeddedNetwork, TempDir),
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl World {
    /// A gateway with [`BUCKET`] in it.
    pub(super) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(&dir.path().join("index"), IndexConfig::default()).await.unwrap();
        let threads = NonZeroUsize::MIN;
        let cpu = CpuPool::new(&EncoderConfig { threads, memory_bytes: 256 << 20 }).unwrap();
        let network_config = EmbeddedConfig {
            node_dirs: EmbeddedConfig::node_dirs_under(dir.path(), 4),
            n_shards: 4,
            ..EmbeddedConfig::new(dir.path())
        };
        let network =
            EmbeddedNetwork::open(network_config, cpu.clone(), Arc::new(SystemClock)).await.unwrap();
        let limits =
            StagingLimits { max_bytes: 256 << 20, segment_bytes: 16 << 20, group_bytes_max: 1 << 20 };
        let staging = StagingArea::open(&dir.path().join("staging"), &limits, &[]).unwrap();
        let readers = Readers::default();
        let (shipped, encoder) = (network.client(), EncoderService::new(cpu));
        let (handle, shipping) = Shipping::start(
            index.clone(),
            staging.clone(),
            shipped,
            encoder,
            readers.clone(),
            shipping_limits(),
        );
        let master_key = MasterKey::from_bytes([7; MasterKey::BYTES]);
        let limits = object_limits();
        let store = ObjectStore::new(index, staging, network.client(), handle, master_key, readers, limits);
        let config =
            S3ServiceConfig { region: "us-east-1".into(), virtual_hosts: VirtualHosts::new(["localhost"]) };
        let world = Self { service: service(store, config), _parts: (shipping, network, dir) };
        world.send("PUT", "/bucket", &[], "").await.expect(200);
        world
    }

    /// Sends a request as the outer layers would hand it on.
    pub(super) async fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, "127.0.0.1:9000");
        }
        if matches!(method, "PUT" | "POST") {
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.service.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request without headers or body.
    pub(super) async fn get(&self, uri: &str) -> Answer {
        self.send("GET", uri, &[], "").await
    }

    /// Makes an object in [`BUCKET`]; `key` as it stands in a path.
    pub(super) async fn put(&self, key: &str, body: &str) -> Answer {
        self.send("PUT", &format!("/{BUCKET}/{key}"), &[], body).await.expect(200)
    }
}

impl Answer {
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(super) fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.element("Code"), code, "{}", answer.body);
        answer
    }

    /// The text of the first element of this name.
    #[track_caller]
    pub(super) fn element(&self, name: &str) -> &str {
        self.elements(name).first().unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }

    /// The texts of all elements of this name that have no elements in them.
    pub(super) fn elements(&self, name: &str) -> Vec<&str> {
        let begin = format!("<{name}>");
        let texts = self.body.split(&begin).skip(1);
        texts.filter_map(|rest| rest.split('<').next()).collect()
    }

    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().unwrap()
    }
}

fn shipping_limits() -> ShippingLimits {
    ShippingLimits {
        blob_bytes_max: 1 << 20,
        max_wait: Duration::from_millis(50),
        parallel_blobs: 1,
        epochs_ahead: 2,
        renew_before_epochs: 1,
        keeping_interval: Duration::from_secs(3600),
    }
}

fn object_limits() -> ObjectLimits {
    ObjectLimits {
        small_object_bytes_max: FRAME_BYTES,
        extent_bytes_max: crate::shipping::extent_bytes_max(1 << 20),
        upload_memory_bytes: 64 << 20,
        certify_timeout: Duration::from_secs(30),
    }
}
