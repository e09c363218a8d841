//! BLAKE2b-256 of many inputs of equal length at once, which is what Merkle trees over symbols need.
//!
//! Source: RFC 7693; digests of 32 bytes, no key, all other parameters at their defaults.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

use blake2b_simd::many::{HashManyJob, hash_many, update_many};
use blake2b_simd::{Hash, Params};

#[cfg(target_arch = "x86_64")]
use avx512::Avx512;

/// Inputs hashed side by side.
pub(crate) const LANES: usize = 8;
/// Bytes of a digest.
const DIGEST_BYTES: usize = 32;

/// A way to hash [`LANES`] inputs side by side; all ways give the same digests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blake2b(Kernel);

#[derive(Clone, Copy, Debug)]
enum Kernel {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    Library,
}

impl Blake2b {
    /// The fastest way this CPU knows. Cheap: what the CPU can do is looked up once per process.
    pub(crate) fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx512) = Avx512::detect() {
            return Self(Kernel::Avx512(avx512));
        }
        Self::library()
    }

    /// The way of CPUs without AVX-512: `blake2b_simd`, which itself chooses among AVX2, SSE4.1 and portable code.
    pub(crate) fn library() -> Self {
        Self(Kernel::Library)
    }

    /// BLAKE2b-256 of `prefix || input` for each of `inputs`, which may lie anywhere; no input is copied if
    /// the CPU has AVX-512.
    ///
    /// A caller with fewer inputs repeats one and drops its digests: in vector registers, eight inputs take as
    /// long as one, and less than two hashed one after the other.
    ///
    /// # Panics
    /// If the inputs differ in length.
    pub(crate) fn hash(self, prefix: u8, inputs: [&[u8]; LANES]) -> [[u8; DIGEST_BYTES]; LANES] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512(avx512) => avx512.hash(prefix, inputs),
            Kernel::Library => hash_with_library(prefix, inputs),
        }
    }
}

/// The length of each of `inputs` in bytes.
///
/// # Panics
/// If the inputs differ in length.
fn common_length(inputs: &[&[u8]; LANES]) -> usize {
    let length = inputs[0].len();
    assert!(inputs.iter().all(|input| input.len() == length), "inputs hashed side by side differ in length");
    length
}

/// Up to this length, copying inputs behind their prefix costs less than what [`update_many`] does one input at a time:
/// the first block and the last. Measured: equal at about 5 KB.
const COPIED_INPUT_BYTES_MAX: usize = 4096;

fn hash_with_library(prefix: u8, inputs: [&[u8]; LANES]) -> [[u8; DIGEST_BYTES]; LANES] {
    let message_bytes = 1 + common_length(&inputs);
    let mut params = Params::new();
    params.hash_length(DIGEST_BYTES);
    if message_bytes > COPIED_INPUT_BYTES_MAX {
        let mut states = inputs.map(|_| params.to_state());
        states.iter_mut().for_each(|state| _ = state.update(&[prefix]));
        update_many(states.iter_mut().zip(inputs));
        return states.map(|state| digest(&state.finalize()));
    }
    let mut messages = Vec::with_capacity(LANES * message_bytes);
    for input in inputs {
        messages.push(prefix);
        messages.extend_from_slice(input);
    }
    let mut messages = messages.chunks_exact(message_bytes);
    let mut jobs = inputs.map(|_| HashManyJob::new(&params, messages.next().expect("as many as inputs")));
    hash_many(&mut jobs);
    jobs.map(|job| digest(&job.to_hash()))
}

fn digest(hash: &Hash) -> [u8; DIGEST_BYTES] {
    hash.as_bytes().try_into().expect("hash_length is DIGEST_BYTES")
}
