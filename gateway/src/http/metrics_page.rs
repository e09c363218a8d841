//! The Prometheus page: what the `metrics` macros of all parts recorded, and what the system knows of this
//! process.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Recorded values are folded into their histograms this often; otherwise they pile up until the page is next
/// read.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Bounds in seconds: a hot small object takes well under a millisecond, a large part on a slow link minutes.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// Renders the metrics of this process. Clones render the same.
#[derive(Clone)]
pub struct MetricsPage(PrometheusHandle);

impl MetricsPage {
    /// Makes everything the `metrics` macros record from now on, anywhere in this process, appear on this
    /// page.
    ///
    /// # Errors
    /// [`BuildError`] if another recorder was installed before.
    pub fn install() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// The page in Prometheus' text format.
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_memory_bytes() {
            // Exact below 8 PiB.
            #[allow(clippy::cast_precision_loss)]
            gauge!("process_resident_memory_bytes").set(bytes as f64);
        }
        self.0.render()
    }

    /// Keeps the recorder's memory bounded. Never returns; its owner drops it at shutdown.
    pub async fn upkeep(&self) {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &DURATION_BUCKETS)
}

fn describe() {
    describe_counter!(
        "gateway_requests_total",
        "requests by operation and status, counted when their answer was taken"
    );
    describe_histogram!(
        "gateway_request_duration_seconds",
        "from a request's headers to the last byte of its answer"
    );
    describe_gauge!(
        "gateway_requests_in_flight",
        "requests being answered; shed above limits.max_in_flight_requests"
    );
    describe_gauge!("gateway_connections", "open connections, both listeners together");
    describe_gauge!("process_resident_memory_bytes", "memory the system holds for this process");
}

/// As the kernel counts it; none where there is no Linux `/proc`.
fn resident_memory_bytes() -> Option<u64> {
    resident_bytes_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Source: proc_pid_status(5): `VmRSS:    1234 kB`, where kB means 1024 bytes.
fn resident_bytes_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
impl MetricsPage {
    /// A page of the given recorder, for tests beside one another in one process.
    pub(crate) fn of(recorder: &metrics_exporter_prometheus::PrometheusRecorder) -> Self {
        Self(recorder.handle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_buckets_and_resident_memory() {
        let recorder = builder().unwrap().build_recorder();
        let page = metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::histogram!("gateway_request_duration_seconds").record(0.002);
            MetricsPage::of(&recorder).render()
        });
        assert!(page.contains("gateway_request_duration_seconds_bucket{le=\"0.0025\"} 1"), "{page}");
        let resident =
            page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
        assert!(resident.parse::<f64>().unwrap() > 1e6, "{resident}");
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_bytes_in("Name:\tx\nVmRSS:\t    1234 kB\nRssAnon:\t 1 kB\n"), Some(1234 * 1024));
        assert_eq!(resident_bytes_in("Name:\tx\n"), None);
        assert_eq!(resident_bytes_in("VmRSS:\t99999999999999999999 kB\n"), None);
    }
}
