use haulout_encoder::ShardIndex;

use super::*;
use crate::bls::{PublicKey, SecretKey};
use crate::committee::Member;
use crate::confirmation::{SignedConfirmation, confirmation_message};
use crate::ids::{NodeId, ObjectId};

/// The blob of Walrus's worked example for seven shards.
const BLOB: [u8; 32] = {
    let mut id = [0; 32];
    let text = *b"d08165fdd66b49f616fc9c5b8d6189c1df3436c537491abc96e58b77c9e23495";
    let mut at = 0;
    while at < 32 {
        id[at] = nibble(text[2 * at]) << 4 | nibble(text[2 * at + 1]);
        at += 1;
    }
    id
};

const PERMANENT: &str = "0100032a000000d08165fdd66b49f616fc9c5b8d6189c1df3436c537491abc96e58b77c9e2349500";
const DELETABLE: &str = "0100032a000000d08165fdd66b49f616fc9c5b8d6189c1df3436c537491abc96e58b77c9e23495\
    01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const AGGREGATE: &str = "a6855a7c61ee71d651a4d4f1bc5dafa72cf9ea29911f81fee2ebcaa7743ab214\
    1a05085f6192975d0430753d12da181b0946b5f40859c1b59ded566d701d141f\
    b7befea141e2f5d082c8b757f8a12a72e5ae637db598564e7cbc9fe826ad8331";

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

fn key(number: u8) -> SecretKey {
    let mut scalar = [0; 32];
    scalar[31] = number;
    SecretKey::from_bytes(&scalar).unwrap()
}

/// Four members with keys 1 to 4 and these weights, in epoch 42.
fn committee(weights: [u16; 4]) -> Committee {
    let mut next = 0;
    let members = (1..=4).zip(weights).map(|(number, weight)| {
        let shards = (next..next + weight).map(ShardIndex).collect();
        next += weight;
        Member { node_id: NodeId([number; 32]), public_key: key(number).public_key(), shards }
    });
    let members = members.collect();
    Committee::new(Epoch(42), weights.iter().sum(), members).unwrap()
}

fn permanent() -> Vec<u8> {
    confirmation_message(Epoch(42), &BlobId(BLOB), Persistence::Permanent)
}

fn certificate(message: Vec<u8>, signers: &[u8]) -> Certificate {
    let signatures: Vec<_> = signers
        .iter()
        .map(|&number| (MemberIndex(u16::from(number) - 1), key(number).sign(&message)))
        .collect();
    Certificate::aggregate(message, &signatures).unwrap()
}

fn check(certificate: &Certificate, committee: &Committee) -> Result<(), CertificateError> {
    certificate.verify(committee, &BlobId(BLOB), Persistence::Permanent)
}

#[test]
fn messages_are_walruss_byte_for_byte() {
    let object_id = ObjectId(std::array::from_fn(|position| u8::try_from(position).unwrap()));
    let deletable = Persistence::Deletable(object_id);
    assert_eq!(hex::encode(permanent()), PERMANENT);
    assert_eq!(hex::encode(confirmation_message(Epoch(42), &BlobId(BLOB), deletable)), DELETABLE);
    for (text, persistence) in [(PERMANENT, Persistence::Permanent), (DELETABLE, deletable)] {
        let expected = Confirmation { epoch: Epoch(42), blob_id: BlobId(BLOB), persistence };
        assert_eq!(Confirmation::parse(&hex::decode(text).unwrap()), Ok(expected));
    }
}

#[test]
fn other_messages_are_no_confirmations() {
    let message = permanent();
    let with = |at: usize, byte| {
        let mut message = message.clone();
        message[at] = byte;
        Confirmation::parse(&message)
    };
    assert_eq!(with(0, 2), Err(MessageError::WrongIntentType { found: 2 }));
    assert_eq!(with(1, 1), Err(MessageError::WrongIntentVersion { found: 1 }));
    assert_eq!(with(2, 0), Err(MessageError::WrongAppId { found: 0 }));
    assert_eq!(with(39, 1), Err(MessageError::Malformed), "deletable, but without an object");
    assert_eq!(with(39, 2), Err(MessageError::Malformed));
    for length in 0..message.len() {
        assert_eq!(Confirmation::parse(&message[..length]), Err(MessageError::Malformed));
    }
    assert_eq!(Confirmation::parse(&[&message[..], &[0]].concat()), Err(MessageError::Malformed));
}

#[test]
fn keys_and_signatures_are_walruss_byte_for_byte() {
    let public = |number| hex::encode(key(number).public_key().to_bytes());
    assert_eq!(
        public(1),
        "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    );
    assert_eq!(
        public(3),
        "89ece308f9d1f0131765212deca99697b112d61f9be9a5f1f3780a51335b3ff981747a0b2ca2179b96d2c0c9024e5224"
    );
    assert_eq!(
        public(4),
        "ac9b60d5afcbd5663a8a44b7c5a02f19e9a77ab0a35bd65809bb5c67ec582c897feb04decc694b13e08587f3ff9b5b60"
    );
    let signature = |number| hex::encode(key(number).sign(&permanent()).to_bytes());
    assert_eq!(
        signature(1),
        "b2f98060b32ea2579588d2c9386c31465d815a4e6e9be3b3edc362b67143d3e4f8c149abcdcd34c850fa6a6efa616b50\
         0cc5e954a3492fb3f323dc2264428e8bfcb54248880268fad834dc2e02f148cee8f4ab4538ecbe333fbe1697e723a3dd"
    );
    assert_eq!(
        signature(3),
        "ad85fd1d78dd059f1002147f5cd982d042ddb7bf9d25750c07c7a6756c9e310820e26aecf30d2da07016e7ebe2475a21\
         14ca447f116b532b8ff2e2481d909b0f5ad32c71327c65eb4557a5c575a6c84a9a0355c6215109775649b6032d324f8b"
    );
    assert_eq!(
        signature(4),
        "b732a47afc9d7c6a363677f0fc08bddf6535cec7f4d28522f9572065fc355ab469131fe4fcaafd23844c9b292c17e54e\
         1928fb620fe4d9c2efa92c28d1efe28a65bb5fe97619ae50c348b3216c5e163abfc3e6015beb1a4972047edd15228aa0"
    );
    let certificate = certificate(permanent(), &[1, 3, 4]);
    assert_eq!(hex::encode(certificate.signature.to_bytes()), AGGREGATE);
    assert_eq!(certificate.signers.as_bytes(), [0x0d]);
    assert_eq!(check(&certificate, &committee([1, 1, 1, 1])), Ok(()));
}

#[test]
fn bytes_that_are_no_points_are_refused() {
    assert_eq!(Signature::from_bytes(&[0xff; 96]), Err(BlsError::MalformedSignature));
    assert_eq!(Signature::from_bytes(&[0; 95]), Err(BlsError::MalformedSignature));
    let mut infinity = [0; 48];
    infinity[0] = 0xc0;
    assert_eq!(PublicKey::from_bytes(&infinity), Err(BlsError::MalformedKey));
    assert_eq!(PublicKey::from_bytes(&[]), Err(BlsError::MalformedKey));
    assert!(SecretKey::from_bytes(&[0; 32]).is_err());
    assert!(SecretKey::from_bytes(&[0xff; 32]).is_err());
    assert_eq!(Signature::aggregate(&[]), Err(BlsError::MalformedSignature));
}

#[test]
fn every_flipped_bit_is_found() {
    let committee = committee([1, 1, 1, 1]);
    let good = certificate(permanent(), &[1, 3, 4]);
    for bit in 0..good.message.len() * 8 {
        let mut bad = good.clone();
        bad.message[bit / 8] ^= 1 << (bit % 8);
        let wrong = CertificateError::Signature(BlsError::WrongSignature);
        assert_eq!(check(&bad, &committee), Err(wrong), "message bit {bit}");
    }
    for bit in 0..Signature::BYTES * 8 {
        let mut bytes = good.signature.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(signature) = Signature::from_bytes(&bytes) {
            let bad = Certificate { signature, ..good.clone() };
            assert!(check(&bad, &committee).is_err(), "signature bit {bit}");
        }
    }
}

#[test]
fn signers_are_those_of_the_bitmap() {
    let committee = committee([1, 1, 1, 1]);
    let good = certificate(permanent(), &[1, 3, 4]);
    let with = |bitmap: &[u8]| {
        check(&Certificate { signers: SignerBitmap::from_bytes(bitmap.to_vec()), ..good.clone() }, &committee)
    };
    assert_eq!(with(&[0b1111]), Err(CertificateError::Signature(BlsError::WrongSignature)));
    assert_eq!(with(&[0b1011]), Err(CertificateError::Signature(BlsError::WrongSignature)));
    assert_eq!(with(&[0b0101]), Err(CertificateError::NotEnoughWeight { weight: 2, needed: 3 }));
    assert_eq!(with(&[]), Err(CertificateError::NotEnoughWeight { weight: 0, needed: 3 }));
    assert_eq!(with(&[0b1_1101]), Err(CertificateError::InvalidBitmap), "a bit beyond the members");
    assert_eq!(with(&[0b1101, 0]), Err(CertificateError::InvalidBitmap), "a byte beyond the members");
}

#[test]
fn weight_counts_shards_not_members() {
    // Seven shards need five; members 1 and 2 hold them alone, 2, 3 and 4 do not reach it.
    let committee = committee([3, 2, 1, 1]);
    assert_eq!(check(&certificate(permanent(), &[1, 2]), &committee), Ok(()));
    assert_eq!(
        check(&certificate(permanent(), &[2, 3, 4]), &committee),
        Err(CertificateError::NotEnoughWeight { weight: 4, needed: 5 })
    );
}

#[test]
fn bitmaps_of_any_committee_size_round_trip() {
    for n_members in [1_u16, 7, 8, 9, 100] {
        let shards = n_members.max(4);
        let members: Vec<_> = (0..n_members)
            .map(|index| Member {
                node_id: NodeId([0; 32]),
                public_key: key(1).public_key(),
                shards: (0..shards).filter(|shard| shard % n_members == index).map(ShardIndex).collect(),
            })
            .collect();
        let committee = Committee::new(Epoch(42), shards, members).unwrap();
        let last = MemberIndex(n_members - 1);
        assert_eq!(SignerBitmap::of([last]).members(&committee), Ok(vec![last]));
        assert_eq!(SignerBitmap::of([]).members(&committee), Ok(vec![]), "missing bytes mean unsigned");
        assert_eq!(
            SignerBitmap::of([MemberIndex(n_members)]).members(&committee),
            Err(CertificateError::InvalidBitmap)
        );
    }
}

#[test]
fn a_certificate_is_for_one_epoch_blob_and_object() {
    let committee = committee([1, 1, 1, 1]);
    let blob_id = BlobId(BLOB);
    let signed = |epoch, blob_id: &BlobId, persistence| {
        check(&certificate(confirmation_message(epoch, blob_id, persistence), &[1, 2, 3]), &committee)
    };
    assert_eq!(
        signed(Epoch(41), &blob_id, Persistence::Permanent),
        Err(CertificateError::WrongEpoch { found: Epoch(41), current: Epoch(42) })
    );
    let other = BlobId([9; 32]);
    assert_eq!(
        signed(Epoch(42), &other, Persistence::Permanent),
        Err(CertificateError::WrongBlob { found: other })
    );
    let deletable = Persistence::Deletable(ObjectId([1; 32]));
    assert_eq!(
        signed(Epoch(42), &blob_id, deletable),
        Err(CertificateError::WrongPersistence { found: deletable })
    );
}

#[test]
fn a_confirmation_is_one_nodes_word_on_one_message() {
    let confirmation = SignedConfirmation { message: permanent(), signature: key(1).sign(&permanent()) };
    assert_eq!(confirmation.verify(&permanent(), key(1).public_key()), Ok(()));
    assert!(confirmation.verify(&permanent(), key(2).public_key()).is_err());
    assert!(confirmation.verify(&permanent()[..39], key(1).public_key()).is_err());
}
