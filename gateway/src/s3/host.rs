//! Virtual-host addressing, told to s3s: a bucket is looked for where the signature was checked for one.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

use crate::addressing::VirtualHosts;

impl S3Host for VirtualHosts {
    /// Hosts that name no bucket address by path, hosts that we were never told of among them.
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let parsed = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => parsed.with_bucket(bucket),
            None => parsed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_before_a_domain_is_one_and_all_else_is_by_path() {
        let hosts = VirtualHosts::new(["localhost"]);
        for (host, bucket) in [
            ("photos.localhost:9000", Some("photos")),
            ("my.photos.localhost", Some("my.photos")),
            ("localhost:9000", None),
            ("[::1]:9000", None),
            ("gateway.internal", None),
        ] {
            assert_eq!(hosts.parse_host_header(host).unwrap().bucket(), bucket, "{host}");
        }
    }
}
