//! The join token: `kjt_SECRET.FINGERPRINT`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Proves to the server that this machine may join, and to this machine that
/// the server is the one meant.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) secret: String,
    /// SHA-256 of the authority's certificate in DER, lower-case hex.
    pub(crate) fingerprint: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the join token is not of the form kjt_SECRET.FINGERPRINT: was it copied whole?")]
pub struct TokenError;

impl std::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix("kjt_").ok_or(TokenError)?;
        let (secret, fingerprint) = body.split_once('.').ok_or(TokenError)?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let is_secret = !secret.is_empty() && URL_SAFE_NO_PAD.decode(secret).is_ok();
        if !is_secret || fingerprint.len() != 64 || !fingerprint.chars().all(hex) {
            return Err(TokenError);
        }
        Ok(Self { secret: secret.to_owned(), fingerprint: fingerprint.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_cut_is_refused() {
        let whole = format!("kjt_c2VjcmV0.{}", "0a".repeat(32));
        assert_eq!(whole.parse::<Token>().unwrap().secret, "c2VjcmV0");
        assert!(format!(" {whole}\n").parse::<Token>().is_ok(), "as a file has it");
        let cut = &whole[..whole.len() - 1];
        let other = whole.replace("kjt_", "");
        for bad in ["", "kjt_", "kjt_.", "kjt_c2VjcmV0", cut, &other, &whole.replace("0a", "0A")] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
