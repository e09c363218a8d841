//! New key pairs.

use zeroize::Zeroizing;

use super::Credentials;
use crate::auth::SecretKey;
use crate::clock::random;

/// Marks our key IDs, as AWS's begin with `AKIA`.
const ACCESS_KEY_PREFIX: &str = "HO";
const ACCESS_KEY_CHARS: usize = 20;
const SECRET_KEY_CHARS: usize = 40;
/// 32 characters that cannot be taken for one another.
const ACCESS_KEY_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Without the `/` and `+` of AWS's own secrets, which get lost in URLs and shells.
const SECRET_KEY_ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A key pair nobody has: 90 random bits in the ID, 238 in the secret, in the shape of AWS's.
pub(super) fn key_pair() -> Credentials {
    let mut access_key = String::from(ACCESS_KEY_PREFIX);
    push_random(&mut access_key, ACCESS_KEY_ALPHABET, ACCESS_KEY_CHARS);
    // Room for all of it at once, as growing would leave copies behind that nobody wipes.
    let mut secret_key = String::with_capacity(SECRET_KEY_CHARS);
    push_random(&mut secret_key, SECRET_KEY_ALPHABET, SECRET_KEY_CHARS);
    Credentials { access_key, secret_key: SecretKey::new(secret_key) }
}

/// Fills `text` up to `length` with characters of `alphabet`, each as likely as any other.
fn push_random(text: &mut String, alphabet: &[u8], length: usize) {
    while text.len() < length {
        let bytes = Zeroizing::new(random::<32>());
        // Six bits, and what lies beyond the alphabet is thrown away: a remainder would favour its beginning.
        let drawn = bytes.iter().filter_map(|byte| alphabet.get(usize::from(byte & 0x3f)));
        text.extend(drawn.take(length - text.len()).map(|&byte| char::from(byte)));
    }
}
