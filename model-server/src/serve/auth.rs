//! Who may teach: a shared token, compared in constant time.

use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tanso_runtime::Problem;

/// The shortest token that is taken, bytes.
const LENGTH_MIN: usize = 16;

/// Why the token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// The file cannot be read.
    #[error("token file \"{}\": {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token can be guessed.
    #[error("token file \"{}\" holds less than {LENGTH_MIN} bytes", .0.display())]
    Short(PathBuf),
}

/// The token that writers must bring, as its digest; none: anybody may.
#[derive(Clone)]
pub(super) struct Token(Option<[u8; 32]>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Token(set)"
        } else {
            "Token(none)"
        })
    }
}

impl Token {
    pub(super) fn read(file: Option<&Path>) -> Result<Self, TokenFault> {
        let Some(path) = file else {
            return Ok(Self(None));
        };
        let text = std::fs::read_to_string(path).map_err(|source| TokenFault::Read {
            path: path.to_owned(),
            source,
        })?;
        let token = text.trim();
        if token.len() < LENGTH_MIN {
            return Err(TokenFault::Short(path.to_owned()));
        }
        Ok(Self(Some(digest(token))))
    }

    /// Lets a writer through.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(wanted) = &self.0 else {
            return Ok(());
        };
        let brought = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(|token| digest(token.trim()));
        // Digests of a secret: where they part says nothing of it.
        if brought.as_ref() == Some(wanted) {
            return Ok(());
        }
        Err(
            Problem::new(StatusCode::UNAUTHORIZED, "token is missing or wrong")
                .detail("bring the server's token as \"Authorization: Bearer …\""),
        )
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_opens() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
        let token = Token::read(Some(file.path())).unwrap();
        let mut headers = HeaderMap::new();
        assert!(token.check(&headers).is_err());
        for (value, opens) in [
            ("Bearer 0123456789abcdef", true),
            ("Bearer 0123456789abcdeg", false),
            ("0123456789abcdef", false),
        ] {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(token.check(&headers).is_ok(), opens, "{value}");
        }
        std::fs::write(file.path(), "short").unwrap();
        assert!(Token::read(Some(file.path())).is_err());
        assert!(Token::read(None).unwrap().check(&HeaderMap::new()).is_ok());
    }
}
