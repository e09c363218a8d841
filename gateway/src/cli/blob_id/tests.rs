use super::*;

/// Bytes as Walrus's published test vectors make them: `(i² + 7i + 3) mod 251`.
fn quad251(length: u32) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * i + 7 * i + 3) % 251).unwrap()).collect()
}

fn encoding(n_shards: u16) -> EncodingConfig {
    EncodingConfig::new(n_shards).unwrap()
}

fn line(n_shards: u16, file: &str, json: bool, mut stdin: &[u8]) -> Result<String, BlobIdError> {
    let mut out = Vec::new();
    print(encoding(n_shards), Path::new(file), json, &mut stdin, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// IDs computed by Walrus's own encoder.
#[test]
fn ids_are_those_of_walrus() {
    for (n_shards, length, blob_id) in [
        (10, 0, "gLzpD29smKZiYJIWwKatudKr76kEprQeMPyAhuMbWd4"),
        (10, 113, "jzaANZ-ii1BdrObU_jETd4bvM3DznpSPHKXTNyMmbrk"),
        (100, 31, "sTEFc9g3-tzrzyTWokL16kbABJsxO5pk2YGU3C_Ub5c"),
    ] {
        let printed = line(n_shards, "-", false, &quad251(length)).unwrap();
        assert_eq!(printed, format!("{blob_id}  -\n"));
    }
}

#[test]
fn json_tells_hashes_and_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a \"file\"");
    std::fs::write(&file, quad251(1000)).unwrap();
    let printed = line(10, file.to_str().unwrap(), true, b"not read").unwrap();
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let expected = serde_json::json!({
        "file": file.to_str().unwrap(),
        "blob_id": "tdgrtmQ5lKoUCqDxuJ5YqvOfMUC584D21fT4HtVq9PI",
        "root_hash": "49a857cfa40f7f0dc7d0845fd70a906cb09a6dc259758497241aafd29da341fb",
        "symbol_size": 36,
        "encoded_length": 10680,
        "unencoded_length": 1000,
        "n_shards": 10,
    });
    assert_eq!(told, expected);
    assert_eq!(printed.matches('\n').count(), 1);
}

/// Files of `/proc` claim to be empty.
#[test]
fn a_file_without_a_length_is_read_to_its_end() {
    let content = std::fs::read("/proc/version").unwrap();
    let expected = compute_metadata(encoding(10), &content).unwrap();
    let printed = line(10, "/proc/version", false, b"not read").unwrap();
    assert_eq!(printed, format!("{}  /proc/version\n", expected.blob_id()));
}

#[test]
fn what_cannot_be_read_is_named() {
    let missing = line(10, "/no/such/file", false, b"").unwrap_err();
    assert!(super::super::Chain(&missing).to_string().starts_with("cannot read /no/such/file: No such file"));
    assert!(matches!(line(10, "/", false, b""), Err(BlobIdError::Read { .. })));
}

#[test]
fn more_than_a_blob_holds_is_refused_without_reading_on() {
    let mut endless = io::repeat(7);
    let outcome = of_stream(encoding(4), Path::new("-"), &mut endless);
    assert!(matches!(outcome, Err(BlobIdError::TooLarge { .. })));
}
