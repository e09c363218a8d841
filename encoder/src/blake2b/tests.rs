use blake2b_simd::Params;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Blake2b, DIGEST_BYTES, LANES};

/// The code paths of this CPU: twice the library where AVX-512 is missing.
fn kernels() -> [Blake2b; 2] {
    [Blake2b::fastest(), Blake2b::library()]
}

/// `blake2b_simd` on one message at a time, a code path that no kernel shares.
fn one_by_one(prefix: u8, inputs: [&[u8]; LANES]) -> [[u8; DIGEST_BYTES]; LANES] {
    inputs.map(|input| {
        let hash =
            Params::new().hash_length(DIGEST_BYTES).to_state().update(&[prefix]).update(input).finalize();
        hash.as_bytes().try_into().unwrap()
    })
}

/// Bytes without a period that an exchange of lanes or words could hide behind.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

fn assert_known_answers(input_bytes: usize) {
    let data = noise(LANES * (input_bytes + 3));
    // Three bytes apart, so that lanes are aligned differently and what is beside an input is not zero.
    let inputs = std::array::from_fn(|lane| &data[lane * (input_bytes + 3) + 1..][..input_bytes]);
    for prefix in [0, 1, 0xff] {
        let expected = one_by_one(prefix, inputs);
        for kernel in kernels() {
            assert_eq!(
                kernel.hash(prefix, inputs),
                expected,
                "{kernel:?}, {input_bytes} bytes, prefix {prefix}"
            );
        }
    }
}

#[test]
fn every_kernel_knows_the_answers_up_to_600_bytes() {
    (0..=600).for_each(assert_known_answers);
}

/// Around the lengths of symbols, whole blocks, and the library's change of method.
#[test]
fn every_kernel_knows_the_answers_of_long_inputs() {
    for input_bytes in [1206, 4094, 4095, 4096, 4097, 4820, 65_407, 65_408, 65_534] {
        assert_known_answers(input_bytes);
    }
}

/// The message of RFC 7693, appendix A, cut to the digest length used here; computed with Python's `hashlib`.
#[test]
fn every_kernel_knows_abc() {
    let expected = [
        0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94,
        0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19,
    ];
    for kernel in kernels() {
        assert_eq!(kernel.hash(b'a', [b"bc"; LANES]), [expected; LANES], "{kernel:?}");
    }
}

/// Nothing before an input and nothing behind it is part of it, however its memory ends.
#[test]
fn inputs_may_fill_their_allocations() {
    for input_bytes in [1, 2, 64, 127, 128, 4096] {
        let boxes: [Box<[u8]>; LANES] = std::array::from_fn(|_| noise(input_bytes).into_boxed_slice());
        let inputs = boxes.each_ref().map(AsRef::as_ref);
        for kernel in kernels() {
            assert_eq!(kernel.hash(0, inputs), one_by_one(0, inputs), "{kernel:?}, {input_bytes} bytes");
        }
    }
}

#[test]
fn inputs_of_unequal_length_are_refused() {
    for kernel in kernels() {
        for lane in 0..LANES {
            let inputs = std::array::from_fn(|other| if other == lane { &[0; 2][..] } else { &[0; 3][..] });
            assert!(std::panic::catch_unwind(|| kernel.hash(0, inputs)).is_err(), "{kernel:?}, lane {lane}");
        }
    }
}

proptest! {
    /// Whatever the inputs, their prefix and where they lie, kernels agree.
    #[test]
    fn kernels_agree(
        prefix in any::<u8>(),
        data in vec(any::<u8>(), 1..20_000),
        starts in any::<[prop::sample::Index; LANES]>(),
        length in any::<prop::sample::Index>(),
    ) {
        let length = length.index(data.len());
        let inputs = starts.map(|start| &data[start.index(data.len() - length)..][..length]);
        let [fastest, library] = kernels();
        prop_assert_eq!(fastest.hash(prefix, inputs), library.hash(prefix, inputs));
    }
}
