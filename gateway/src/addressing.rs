//! Which bucket and key a request speaks of: path style, or virtual-host style under a configured domain.
//!
//! Signature checks, the admission guard and the S3 routes must agree on this, or one of them could be talked
//! past; so all of them ask here.

use http::header::HOST;
use http::request::Parts;
use http::{Uri, Version};

/// Domains whose sub-domains name buckets, as in `bucket.s3.example.com`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualHosts {
    /// Lower case, without port, longest first, so that the most specific domain wins.
    domains: Vec<String>,
}

impl VirtualHosts {
    /// Accepts any spelling of the domains; a port is not part of a domain.
    pub fn new(domains: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut domains: Vec<String> =
            domains.into_iter().map(|domain| domain.as_ref().to_ascii_lowercase()).collect();
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        Self { domains }
    }

    /// The bucket that `host` (with or without port) names; none means path style.
    pub fn bucket(&self, host: &str) -> Option<String> {
        let host = without_port(host).to_ascii_lowercase();
        self.domains.iter().find_map(|domain| {
            if host == *domain {
                return Some(None);
            }
            let bucket = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
            Some((!bucket.is_empty()).then(|| bucket.to_owned()))
        })?
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 literal such as `[::1]` has colons of its own.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The level of S3's hierarchy that a request speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `/`: the account's buckets.
    Service,
    /// A bucket as a whole.
    Bucket,
    /// One key in a bucket.
    Object,
}

impl Level {
    /// Reads the level off `parts`. The path counts in its decoded form, so `/b%2Fk` is an object.
    pub fn of(parts: &Parts, virtual_hosts: &VirtualHosts) -> Self {
        let path = parts.uri.path().strip_prefix('/').unwrap_or(parts.uri.path());
        let named_by_host = host(parts).and_then(|host| virtual_hosts.bucket(host)).is_some();
        if named_by_host {
            return if path.is_empty() { Self::Bucket } else { Self::Object };
        }
        if path.is_empty() {
            return Self::Service;
        }
        match find_slash(path) {
            Some(end) if end < path.len() => Self::Object,
            _ => Self::Bucket,
        }
    }
}

/// Offset just after the first slash of `path`, encoded or not.
fn find_slash(path: &str) -> Option<usize> {
    let plain = path.find('/').map(|start| start + 1);
    let encoded = path.to_ascii_lowercase().find("%2f").map(|start| start + 3);
    plain.into_iter().chain(encoded).min()
}

/// The host that the client named: `:authority` on HTTP/2, else the `Host` header, else the absolute URI's.
pub fn host(parts: &Parts) -> Option<&str> {
    let header = || parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = || authority(&parts.uri);
    if parts.version >= Version::HTTP_2 { authority().or_else(header) } else { header().or_else(authority) }
}

fn authority(uri: &Uri) -> Option<&str> {
    // User information is no part of a host, and RFC 9113 forbids it in `:authority`.
    uri.authority().map(|authority| authority.as_str()).filter(|authority| !authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(host: &str, path: &str) -> Parts {
        http::Request::builder().uri(path).header(HOST, host).body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_configured_domains_name_buckets() {
        let hosts = VirtualHosts::new(["S3.example.com", "eu.s3.example.com"]);
        assert_eq!(hosts.bucket("photos.s3.example.com:9000"), Some("photos".to_owned()));
        assert_eq!(hosts.bucket("a.b.S3.Example.COM"), Some("a.b".to_owned()));
        assert_eq!(hosts.bucket("photos.eu.s3.example.com"), Some("photos".to_owned()));
        for path_style in
            ["s3.example.com", "eu.s3.example.com", "evils3.example.com", "[::1]:9000", "127.0.0.1"]
        {
            assert_eq!(hosts.bucket(path_style), None, "{path_style}");
        }
    }

    #[test]
    fn level_follows_the_decoded_path() {
        let hosts = VirtualHosts::new(["s3.example.com"]);
        let cases = [
            ("127.0.0.1:9000", "/", Level::Service),
            ("127.0.0.1:9000", "/b", Level::Bucket),
            ("127.0.0.1:9000", "/b/", Level::Bucket),
            ("127.0.0.1:9000", "/b//", Level::Object),
            ("127.0.0.1:9000", "/b/k", Level::Object),
            ("127.0.0.1:9000", "/b%2Fk", Level::Object),
            ("127.0.0.1:9000", "/b%2f", Level::Bucket),
            ("b.s3.example.com", "/", Level::Bucket),
            ("b.s3.example.com", "/k", Level::Object),
            ("b.s3.example.com", "//", Level::Object),
            ("s3.example.com", "/", Level::Service),
        ];
        for (host, path, level) in cases {
            assert_eq!(Level::of(&parts(host, path), &hosts), level, "{host} {path}");
        }
    }

    #[test]
    fn http2_takes_the_authority_over_a_host_header() {
        let mut parts = parts("b.s3.example.com", "http://s3.example.com/b/k");
        assert_eq!(host(&parts), Some("b.s3.example.com"));
        parts.version = Version::HTTP_2;
        assert_eq!(host(&parts), Some("s3.example.com"));
    }
}
