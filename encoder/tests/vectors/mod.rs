//! Known answers of Walrus's own encoder, and what their files say about how inputs are generated.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A vector file's content.
pub(crate) fn load(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// The `size` bytes of one of the generators that the files describe.
pub(crate) fn generate(case: &Value) -> Vec<u8> {
    let size = integer(case, "size");
    let seed = case["seed"].as_u64().unwrap();
    match text(case, "generator") {
        "quad251" => (0..u64::try_from(size).unwrap()).map(|i| quad251(i, seed)).collect(),
        "sha256ctr" => {
            let block = |j: u64| {
                let hash = Sha256::new().chain_update(b"walrus-vector").chain_update(seed.to_le_bytes());
                <[u8; 32]>::from(hash.chain_update(j.to_le_bytes()).finalize())
            };
            (0..).flat_map(block).take(size).collect()
        }
        other => panic!("unknown generator {other}"),
    }
}

fn quad251(i: u64, seed: u64) -> u8 {
    u8::try_from((i * i + 7 * i + seed) % 251).unwrap()
}

pub(crate) fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} is text"))
}

pub(crate) fn integer(case: &Value, field: &str) -> usize {
    usize::try_from(case[field].as_u64().unwrap_or_else(|| panic!("{field} is a number"))).unwrap()
}

pub(crate) fn short(case: &Value, field: &str) -> u16 {
    u16::try_from(integer(case, field)).unwrap()
}

pub(crate) fn sha256(parts: impl IntoIterator<Item = Vec<u8>>) -> String {
    let hash = parts.into_iter().fold(Sha256::new(), Sha256::chain_update);
    hex::encode(hash.finalize())
}
