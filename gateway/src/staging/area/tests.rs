use tempfile::TempDir;

use super::*;

const LIMITS: StagingLimits = StagingLimits { max_bytes: 10_000, segment_bytes: 1000, group_bytes_max: 4096 };

fn open(dir: &TempDir, needed: &[StagingSpan]) -> StagingArea {
    StagingArea::open(dir.path(), &LIMITS, needed).unwrap()
}

fn file_count(dir: &TempDir) -> usize {
    fs::read_dir(dir.path()).unwrap().count()
}

async fn append(area: &StagingArea, bytes: &[u8]) -> StagedSpan {
    let reservation = area.reserve(bytes.len() as u64).unwrap();
    area.append(bytes.to_vec(), reservation).await.unwrap()
}

fn read(area: &StagingArea, span: StagingSpan) -> Vec<u8> {
    area.read(span.file, span.offset, usize::try_from(span.length).unwrap()).unwrap()
}

#[tokio::test]
async fn appended_extents_share_segments_and_read_back() {
    let dir = TempDir::new().unwrap();
    let area = open(&dir, &[]);
    let bodies: Vec<Vec<u8>> = (0..40_u8).map(|byte| vec![byte; 50]).collect();
    let spans = futures::future::join_all(bodies.iter().map(|body| append(&area, body))).await;
    for (body, staged) in bodies.iter().zip(&spans) {
        assert_eq!(read(&area, staged.span), *body);
    }
    assert!(file_count(&dir) < bodies.len(), "segments are shared");
    assert_eq!(area.usage().0, 2000);
    drop(spans);
    assert_eq!(area.usage().0, 0);
    assert!(file_count(&dir) <= 1, "only the open segment may be left");
}

#[tokio::test]
async fn a_restart_keeps_what_the_index_needs_and_removes_the_rest() {
    let dir = TempDir::new().unwrap();
    let area = open(&dir, &[]);
    let kept = append(&area, b"acknowledged").await;
    let span = kept.span;
    kept.keep();
    let mut file = area.create_extent_file().unwrap();
    file.write(b"never finished").unwrap();
    std::mem::forget(file); // As if the process died here.
    fs::write(dir.path().join("notes.txt"), b"an operator's own").unwrap();

    let area = open(&dir, &[span, span]);
    assert_eq!(read(&area, span), b"acknowledged");
    assert_eq!(area.usage().0, span.length, "a span named twice counts once");
    assert_eq!(file_count(&dir), 2);
    area.free(&[span]);
    assert_eq!(area.usage().0, 0);
    assert!(matches!(area.read(span.file, 0, 1), Err(StagingReadError::Gone(_))));
    assert!(dir.path().join("notes.txt").exists());
}

#[tokio::test]
async fn missing_acknowledged_bytes_are_told_at_the_start() {
    let dir = TempDir::new().unwrap();
    let staged = append(&open(&dir, &[]), b"acknowledged").await;
    let span = StagingSpan { length: staged.span.length + 1, ..staged.span };
    let opened = StagingArea::open(dir.path(), &LIMITS, &[span]);
    assert!(matches!(opened, Err(StagingOpenError::Missing { needed_bytes: 13, found_bytes: 12, .. })));
}

#[tokio::test]
async fn a_large_extent_has_a_file_of_its_own_and_leaves_nothing_when_dropped() {
    let dir = TempDir::new().unwrap();
    let area = open(&dir, &[]);
    let mut reservation = area.reserve(3000).unwrap();
    let mut file = area.create_extent_file().unwrap();
    file.write(&[7; 3000]).unwrap();
    let staged = file.finish(&mut reservation).unwrap();
    assert_eq!(read(&area, staged.span), [7; 3000]);
    assert!(area.reserve(7001).is_err());
    drop(staged);
    area.create_extent_file().unwrap().write(&[1]).unwrap();
    assert_eq!(file_count(&dir), 0);
    assert_eq!(area.usage().0, 0);
}
