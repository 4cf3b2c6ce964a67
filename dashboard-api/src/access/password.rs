//! Argon2id, off the async threads and a few at a time.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// Hashes a password for the `staff` table. Takes tens of milliseconds of one core on purpose.
pub fn hash_password(password: &str) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// A hash that no password has: checked when the log-in is unknown, so that the answer takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$dmlnaWUtbm9ib2R5LXNhbHQ$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Is this the password? `hash` is absent for an unknown log-in.
pub(crate) async fn verify(
    limit: &Arc<Semaphore>,
    password: String,
    hash: Option<String>,
) -> Result<bool, Problem> {
    let Ok(permit) = Arc::clone(limit).acquire_owned().await else { return Err(Problem::unavailable(1)) };
    let known = hash.is_some();
    let checked = tokio::task::spawn_blocking(move || {
        let hash = hash.as_deref().unwrap_or(NOBODY);
        let matches = PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
        drop(permit);
        matches
    })
    .await;
    checked.map(|matches| matches && known).map_err(|error| {
        tracing::error!(%error, "a password check ended badly");
        Problem::internal()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let limit = Arc::new(Semaphore::new(1));
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify(&limit, "correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!verify(&limit, "correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!verify(&limit, "correct horse".into(), None).await.unwrap());
        assert!(!verify(&limit, "x".into(), Some("!".into())).await.unwrap());
    }

    #[test]
    fn the_hash_of_nobody_is_well_formed_so_that_checking_it_costs_as_much() {
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
